// An account as it is shown, and a list of accounts as it is asked for. Pure.
import { problem } from '../kernel/errors.js'
import type { ListQuery } from '../kernel/page.js'
import type { AccountRow, UserKind, UserStatus } from './account-store.js'
import { shownEmail } from './email.js'

export interface UserView {
  id: string
  /** null: a service account has none, and who came from another system may have none; an anonymous one has none yet */
  email: string | null
  kind: UserKind
  anonymous: boolean
  /** has mail to the address reached them? */
  emailVerified: boolean
  /** a language tag: of the mails to them */
  locale: string | null
  name: string | null
  status: UserStatus
  roles: string[]
  version: number
  createdAt: string
  updatedAt: string
  lastLoginAt: string | null
}

export function viewOf(row: AccountRow): UserView {
  return {
    id: row.id, email: shownEmail(row.email), kind: row.kind, anonymous: row.anonymous, emailVerified: row.emailVerified, locale: row.locale, name: row.name === '' ? null : row.name, status: row.status, roles: row.roles, version: row.version,
    createdAt: row.createdAt.toISOString(), updatedAt: row.updatedAt.toISOString(),
    lastLoginAt: row.lastLoginAt.getTime() === 0 ? null : row.lastLoginAt.toISOString(),
  }
}

/** A time that PostgreSQL can read too: its offsets and years end earlier than those of a well-formed date-time. */
function instant(name: string, value: ListQuery[string]): string {
  const time = new Date(String(value))
  const year = Number.isNaN(time.getTime()) ? 0 : time.getUTCFullYear()
  if (year < 1 || year > 9999) throw problem('request.invalid', { errors: [{ path: name, message: 'must be a time between the years 1 and 9999' }] })
  return time.toISOString()
}

/** The query as the store compares it: e-mail text spelt like e-mails at rest, times in UTC. Throws request.invalid. */
export function accountListQuery(query: ListQuery): ListQuery {
  const part = query['email[contains]']
  const read: ListQuery = { ...query }
  for (const name of ['createdAt[gte]', 'createdAt[lte]']) {
    if (query[name] !== undefined) read[name] = instant(name, query[name])
  }
  if (part !== undefined) read['email[contains]'] = String(part).toLowerCase().normalize('NFC')
  return read
}
