// A session as its owner sees it.
import { Type } from '@sinclair/typebox'
import { strict, Time } from '../../plugins/http/route-kit.js'
import { pageOf, pageQuery } from '../../src/kernel/page.js'

export const SESSION = {
  id: '0192f0c1-2b6a-7c3d-9e4f-5a6b7c8d9e0f', kind: 'cookie', createdAt: '2026-03-01T09:30:00.000Z', lastSeenAt: '2026-03-01T10:02:00.000Z',
  expiresAt: '2026-05-30T09:30:00.000Z', address: '203.0.113.7', userAgent: 'Mozilla/5.0', amr: ['pwd', 'otp', 'mfa'],
  acr: 'urn:gatehouse:mfa', authTime: '2026-03-01T09:30:00.000Z', current: true,
}

export const Session = strict({
  id: Type.String({ format: 'uuid' }),
  kind: Type.Union([Type.Literal('token'), Type.Literal('cookie'), Type.Literal('impersonation')], { description: 'token: access and refresh tokens; cookie: a browser; impersonation: somebody acts for you, for a quarter of an hour' }),
  createdAt: Time,
  lastSeenAt: Type.String({ format: 'date-time', description: 'Noted at most once a minute' }),
  expiresAt: Type.String({ format: 'date-time', description: 'The latest end; a session that is not used ends sooner' }),
  address: Type.String({ description: 'Where it was signed in from' }),
  userAgent: Type.String({ description: 'What it was signed in with, cut to 400 characters' }),
  amr: Type.Unsafe<readonly string[]>(Type.Array(Type.String(), { description: 'By what its owner proved themselves (RFC 8176): pwd, otp, hwk or swk, user, email, fed, recovery_code; mfa: by two of them. Empty: not known' })),
  acr: Type.Unsafe<'urn:gatehouse:1fa' | 'urn:gatehouse:mfa'>({ type: 'string', enum: ['urn:gatehouse:1fa', 'urn:gatehouse:mfa'], description: 'By one factor, or by two' }),
  authTime: Type.String({ format: 'date-time', description: 'When they did last' }),
  current: Type.Boolean({ description: 'Is it the session of this request?' }),
}, { examples: [SESSION] })

export const SessionQuery = pageQuery(['createdAt'], Session.properties, {
  kind: Type.Optional(Type.Union([Type.Literal('token'), Type.Literal('cookie')])),
})

export const SessionPage = pageOf(Session)

export const Ended = strict({ ended: Type.Integer({ description: 'How many sessions were ended' }) }, { examples: [{ ended: 2 }] })
