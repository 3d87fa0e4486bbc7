// What signing in by mail takes and gives.
import { Type } from '@sinclair/typebox'
import { Id, strict } from '../../../plugins/http/route-kit.js'
import { EndOldest, Email } from '../../users/schema.js'

const ID = '019a3f5e-7b1c-7d2a-9f10-3c5b7a9d1e42'
const BINDING = 'gb_3q2-7wXcVb1nM5kJh8gF0dS4aP6oI9uYtReWqZxCvBn'
const TOKEN = 'gl_9uYtReWqZxCvBn3q2-7wXcVb1nM5kJh8gF0dS4aP6oI'

const MailToken = Type.String({ minLength: 1, maxLength: 100, description: 'Of the link in the mail' })
const MailCode = Type.String({ minLength: 1, maxLength: 32, description: 'Eight digits of the mail; gaps do not matter' })
const AskedId = Type.String({ pattern: Id.pattern ?? '', description: 'As it was answered when the mail was asked for' })
const Binding = Type.String({ pattern: '^gb_[A-Za-z0-9_-]{43}$', description: 'As it was answered when the mail was asked for: nobody else can use the mail' })
const DeviceToken = Type.Optional(Type.String({ maxLength: 100, description: 'What an earlier sign-in of this device answered: how often strangers ask does not hold it back' }))

export const MagicLinkAsk = strict({ email: Email, deviceToken: DeviceToken }, { examples: [{ email: 'ada@example.com' }] })
export const MagicLinkCookieAsk = strict({ email: Email }, { examples: [{ email: 'ada@example.com' }] })

const asked = {
  status: Type.Literal('accepted'),
  id: Type.String({ description: 'What the code of the mail is entered with' }),
  expiresIn: Type.Integer({ description: 'Seconds that the mail is good for' }),
}
export const MagicLinkAsked = Type.Object({ ...asked, binding: Type.String({ description: 'Keep it, and send it with the code or the token: it shows that the one who asked signs in' }) }, {
  examples: [{ status: 'accepted', id: ID, expiresIn: 600, binding: BINDING }],
})
export const MagicLinkCookieAsked = Type.Object(asked, { examples: [{ status: 'accepted', id: ID, expiresIn: 600 }] })

export const CodeTake = strict({ method: Type.Literal('code'), id: AskedId, code: MailCode, binding: Binding, deviceToken: DeviceToken, endOldest: EndOldest })
export const LinkTake = strict({ method: Type.Literal('link'), token: MailToken, binding: Binding, deviceToken: DeviceToken, endOldest: EndOldest })
export const MagicLinkTake = Type.Union([CodeTake, LinkTake], { examples: [{ method: 'code', id: ID, code: '49203917', binding: BINDING }, { method: 'link', token: TOKEN, binding: BINDING }] })

export const CodeCookieTake = strict({ method: Type.Literal('code'), id: AskedId, code: MailCode, endOldest: EndOldest })
export const LinkCookieTake = strict({ method: Type.Literal('link'), token: MailToken, endOldest: EndOldest })
export const MagicLinkCookieTake = Type.Union([CodeCookieTake, LinkCookieTake], { examples: [{ method: 'code', id: ID, code: '49203917' }, { method: 'link', token: TOKEN }] })

/** What a body proves: a code or a link. */
export function proofOf(body: { method: 'code'; id: string; code: string } | { method: 'link'; token: string }): { id: string; code: string } | { token: string } {
  return body.method === 'link' ? { token: body.token } : { id: body.id, code: body.code }
}
