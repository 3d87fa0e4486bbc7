// A session as its owner sees it.
import { Type } from '@sinclair/typebox'
import { strict, Time } from '../../plugins/route-kit.js'
import { pageOf, pageQuery } from '../../src/kernel/page.js'

export const SESSION = {
  id: '0192f0c1-2b6a-7c3d-9e4f-5a6b7c8d9e0f', kind: 'cookie', createdAt: '2026-03-01T09:30:00.000Z', lastSeenAt: '2026-03-01T10:02:00.000Z',
  expiresAt: '2026-05-30T09:30:00.000Z', address: '203.0.113.7', userAgent: 'Mozilla/5.0', current: true,
}

export const Session = strict({
  id: Type.String({ format: 'uuid' }),
  kind: Type.Union([Type.Literal('token'), Type.Literal('cookie')], { description: 'token: access and refresh tokens; cookie: a browser' }),
  createdAt: Time,
  lastSeenAt: Type.String({ format: 'date-time', description: 'Noted at most once a minute' }),
  expiresAt: Type.String({ format: 'date-time', description: 'The latest end; a session that is not used ends sooner' }),
  address: Type.String({ description: 'Where it was signed in from' }),
  userAgent: Type.String({ description: 'What it was signed in with, cut to 400 characters' }),
  current: Type.Boolean({ description: 'Is it the session of this request?' }),
}, { examples: [SESSION] })

export const SessionQuery = pageQuery(['createdAt'], {
  kind: Type.Optional(Type.Union([Type.Literal('token'), Type.Literal('cookie')])),
})

export const SessionPage = pageOf(Session)

export const Ended = strict({ ended: Type.Integer({ description: 'How many sessions were ended' }) }, { examples: [{ ended: 2 }] })
