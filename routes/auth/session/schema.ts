// What a browser sends to sign in, and what it is told of its session. The session itself is in the cookie.
import { Type } from '@sinclair/typebox'
import { NullableTime, strict, Time } from '../../../plugins/route-kit.js'
import { Session, SESSION } from '../../sessions/schema.js'

const csrfToken = Type.String({ description: 'Send it as x-csrf-token with each POST, PUT, PATCH and DELETE' })

const User = strict({
  id: Type.String({ format: 'uuid' }),
  email: Type.String(),
  name: Type.Union([Type.String(), Type.Null()]),
  status: Type.Union([Type.Literal('active'), Type.Literal('suspended')]),
  roles: Type.Array(Type.String()),
  version: Type.Integer(),
  createdAt: Time,
  updatedAt: Time,
  lastLoginAt: NullableTime,
})

const USER = {
  id: '0192f0c1-0000-7c3d-9e4f-5a6b7c8d9e0f', email: 'ada@example.com', name: 'Ada', status: 'active', roles: ['member'], version: 1,
  createdAt: '2026-03-01T09:00:00.000Z', updatedAt: '2026-03-01T09:00:00.000Z', lastLoginAt: '2026-03-01T09:30:00.000Z',
}
const CSRF = 'k2Xw9QbT-3zq7r0Yp1n8o5vLdC4mJ6uHsEaGfRtWxBkI'

export const Credentials = strict({
  email: Type.String({ minLength: 1, maxLength: 254 }),
  password: Type.String({ minLength: 1, maxLength: 1024 }),
}, { examples: [{ email: 'ada@example.com', password: 'correct horse battery staple' }] })

export const Opened = strict({ user: User, csrfToken }, { examples: [{ user: USER, csrfToken: CSRF }] })

export const Current = strict({ user: User, session: Session, csrfToken }, {
  examples: [{ user: USER, session: SESSION, csrfToken: CSRF }],
})
