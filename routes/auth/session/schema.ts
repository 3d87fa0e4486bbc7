// What a browser sends to sign in, and what it is told of its session. The session itself is in the cookie.
import { Type } from '@sinclair/typebox'
import { strict } from '../../../plugins/http/route-kit.js'
import { Session, SESSION } from '../../sessions/schema.js'
import { EndOldest, User, userExample } from '../../users/schema.js'

const csrfToken = Type.String({ description: 'Send it as x-csrf-token with each POST, PUT, PATCH and DELETE' })

const CSRF = 'k2Xw9QbT-3zq7r0Yp1n8o5vLdC4mJ6uHsEaGfRtWxBkI'

export const Credentials = strict({
  email: Type.String({ minLength: 1, maxLength: 254 }),
  password: Type.String({ minLength: 1, maxLength: 1024 }),
  endOldest: EndOldest,
}, { examples: [{ email: 'ada@example.com', password: 'correct horse battery staple' }] })

export const Opened = strict({ status: Type.Literal('signed_in'), user: User, csrfToken }, { examples: [{ status: 'signed_in', user: userExample, csrfToken: CSRF }] })

export const Current = strict({ user: User, session: Session, csrfToken }, {
  examples: [{ user: userExample, session: SESSION, csrfToken: CSRF }],
})
