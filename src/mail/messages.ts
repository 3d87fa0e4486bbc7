// What mails there are, and what each is told.
import type { MailKind } from './texts-en.js'

interface At {
  /** ISO 8601 */
  at: string
}
interface Link {
  /** below the public origin: a path that begins with / */
  path: string
}

/** The facts of each kind, beside the name of the site. A `path` is what the button opens. */
export interface MailFacts {
  'device.new': { device: string; address: string } & At & Link
  'password.reset_link': { minutes: number } & Link
  'password.changed': At & Link
  'password.removed': At & Link
  'signup.confirm': { hours: number } & Link
  'signup.known': Link
  'invitation': { days: number } & Link
  'organization.invitation': { organization: string; days: number } & Link
  'email.verify': { hours: number } & Link
  'email.change': { hours: number } & Link
  'email.change_asked': At & Link
  'email.changed': At
  'magic.link': { code: string; minutes: number } & Link
  'factor.added': { factor: 'totp' | 'passkey' | 'recovery_codes' } & At & Link
  'factor.removed': { factor: 'totp' | 'passkey' | 'recovery_codes' } & At & Link
  'factors.reset_planned': At & Link
  'factors.reset': At & Link
  'identity.linked': At & Link
  'identity.unlinked': At & Link
  'account.impersonated': At
  'account.deleted': At
  'organization.joined': { organization: string; domain: string } & At
  'organization.webhook_disabled': { organization: string; endpoint: string; why: 'failing' | 'gone' } & At
  'webhook.disabled': { endpoint: string; why: 'failing' | 'gone' } & At
}

/** One mail: its kind, whom it goes to (a normalised address), in which language, and what it says. */
export type Mail = { [K in MailKind]: { kind: K; to: string; locale?: string | null | undefined; facts: MailFacts[K] } }[MailKind]

/** The same without whom it goes to. */
export type Notice = { [K in MailKind]: { kind: K; facts: MailFacts[K] } }[MailKind]
