// Accounts at rest. Every change names what it expects to find and says whether it found it; nothing here decides.
import type pg from 'pg'
import { Prisma, type PrismaClient, type UserKind, type UserStatus } from '../database/generated/client.js'
import type { Issuer } from '../authority/index.js'
import { isUniqueViolation } from '../database/failures.js'
import { containsPattern, createList } from '../database/list.js'
import { prepared } from '../database/prepared.js'
import type { Piece, Tx } from '../database/transaction.js'
import { problem } from '../kernel/errors.js'
import type { Cursors, ListQuery, PageText } from '../kernel/page.js'
import { NO_ADDRESS_DOMAIN, shownEmail } from './email.js'
import { MOST_FOREIGN_WORK } from './foreign-hash.js'
import { ADMIN } from './role-rules.js'

export type { UserKind, UserStatus }

export type AccountRow = {
  id: string
  email: string
  /** '' for none */
  name: string
  status: UserStatus
  kind: UserKind
  anonymous: boolean
  /** has mail to the address reached them? */
  emailVerified: boolean
  locale: string | null
  roles: string[]
  version: number
  createdAt: Date
  updatedAt: Date
  /** 1970 for never */
  lastLoginAt: Date
}

export interface NewAccountRow {
  id: string
  email: string
  name: string
  passwordHash: string | null
  roles: readonly string[]
  kind: UserKind
  anonymous?: boolean
  issuer: Issuer
  createdAt: Date
  lastLoginAt?: Date
  emailVerifiedAt?: Date
  locale?: string | null
}

export interface AccountCredentials {
  id: string
  email: string
  name: string
  status: UserStatus
  passwordHash: string | null
}

export interface AccountStore {
  /** an AccountRow, for the RETURNING of another statement that changes users */
  columns: Piece
  list: (query: ListQuery) => Promise<PageText>
  find: (id: string, tx?: Tx) => Promise<AccountRow | null>
  /** find, and keep everybody else from changing it until the transaction ends */
  lock: (tx: Tx, id: string) => Promise<AccountRow | null>
  findCredentials: (by: { id: string } | { email: string }) => Promise<AccountCredentials | null>
  /** The active person's account that has the first of these spellings that is one's; locked, so that it does not change beneath what is mailed. */
  findForMail: (tx: Tx, spellings: readonly string[]) => Promise<{ id: string; email: string; locale: string | null } | null>
  /** Has any account one of these spellings, whatever its state? */
  isTaken: (tx: Tx, spellings: readonly string[]) => Promise<boolean>
  /** Accounts whose e-mail may have had another spelling than new ones get, by id, of those after `id`. */
  listOddEmails: (after: string, limit: number) => Promise<{ id: string; email: string }[]>
  /** Gives an account another spelling of the e-mail it still has; false when it has not. Throws email.taken. */
  renewEmail: (tx: Tx, id: string, email: string, renewed: string, at: Date) => Promise<boolean>
  /** Notes that mail to the account's address reaches its owner, when it is its address still. */
  verifyEmail: (tx: Tx, id: string, email: string, at: Date) => Promise<boolean>
  /** Throws email.taken. */
  insert: (tx: Tx, account: NewAccountRow) => Promise<void>
  /** Changes the account when it still has that version; false when not. Throws email.taken. */
  update: (tx: Tx, id: string, expected: number | '*', changes: { email?: string; name?: string; status?: UserStatus; locale?: string | null }, at: Date) => Promise<boolean>
  /** Roles as a whole; what stays keeps its issuer. */
  setRoles: (tx: Tx, id: string, roles: readonly string[], issuer: Issuer, at: Date) => Promise<void>
  delete: (tx: Tx, id: string, expected: number | '*') => Promise<boolean>
  /** Replaces a password that is still the one that was checked, of an account that is still active, and forgets its known devices; false when not. */
  replacePassword: (tx: Tx, id: string, checkedHash: string, newHash: string, at: Date) => Promise<boolean>
  /** what the dearest of all kept hashes takes, in rounds of bcrypt; null when there are none. Reads the whole table. */
  dearestWork: () => Promise<number | null>
  /** Is it still the password of an account that is active? */
  isPassword: (tx: Tx, id: string, checkedHash: string) => Promise<boolean>
  /** active people with role admin who can sign in */
  countActiveAdmins: (tx: Tx) => Promise<number>
}

const ROLES = 'ARRAY(SELECT role_name FROM user_roles WHERE user_id = users.id ORDER BY role_name)'
const COLUMNS: Record<keyof AccountRow, string> = {
  id: 'id', email: 'email', name: 'name', status: 'status', kind: 'kind::text', anonymous: 'anonymous', emailVerified: 'email_verified_at IS NOT NULL', locale: 'locale', version: 'version', createdAt: 'created_at', updatedAt: 'updated_at', lastLoginAt: 'last_login_at',
  roles: ROLES,
}

// what account-view.ts shows of one
const LIST = createList({
  name: 'users',
  table: 'users',
  fields: {
    id: { sql: 'id', as: 'word' },
    email: { sql: `CASE WHEN kind <> 'service' AND email NOT LIKE '%@${NO_ADDRESS_DOMAIN}' THEN email END`, as: 'value' },
    kind: { sql: 'kind', as: 'word' },
    anonymous: { sql: 'anonymous::text', as: 'plain' },
    emailVerified: { sql: '(email_verified_at IS NOT NULL)::text', as: 'plain' },
    locale: { sql: 'locale', as: 'value' },
    name: { sql: "nullif(name, '')", as: 'value' },
    status: { sql: 'status', as: 'word' },
    roles: { sql: ROLES, as: 'value' },
    version: { sql: 'version', as: 'plain' },
    createdAt: { sql: 'created_at', as: 'time' },
    updatedAt: { sql: 'updated_at', as: 'time' },
    lastLoginAt: { sql: "nullif(last_login_at, 'epoch')", as: 'time' },
  },
  sortable: {
    email: { column: 'email', type: 'text' }, name: { column: 'name', type: 'text' }, createdAt: { column: 'created_at', type: 'timestamptz' },
    lastLoginAt: { column: 'last_login_at', type: 'timestamptz' },
  },
  filters: {
    status: (p) => `status = ${p}::user_status`,
    kind: (p) => `kind = ${p}::user_kind`,
    anonymous: (p) => `anonymous = ${p}::boolean`,
    role: (p) => `EXISTS (SELECT 1 FROM user_roles WHERE user_id = users.id AND role_name = ${p})`,
    'email[contains]': (p) => `email LIKE ${containsPattern(p)}`,
    'createdAt[gte]': (p) => `created_at >= ${p}::timestamptz`,
    'createdAt[lte]': (p) => `created_at <= ${p}::timestamptz`,
  },
  defaultSort: '-createdAt',
})

// one statement, so that the version and the roles are of one moment
const COLUMNS_TEXT = Object.entries(COLUMNS).map(([field, column]) => `${column} AS "${field}"`).join(', ')
const SELECT_TEXT = `SELECT ${COLUMNS_TEXT} FROM users`
const SELECT = Prisma.raw(SELECT_TEXT)
const CREDENTIALS = { id: true, email: true, name: true, status: true, passwordHash: true } as const

function taken(error: unknown): never {
  if (isUniqueViolation(error, 'email')) throw problem('email.taken')
  throw error
}

const assignment = (userId: string, roleName: string, { by, via }: Issuer, at: Date) => ({ userId, roleName, issuedBy: by, issuedVia: via, issuedAt: at })

const atVersion = (id: string, expected: number | '*') => (expected === '*' ? { id } : { id, version: expected })

/** Waits in turn for whoever grants as this user: grants in a loop hold the row by turns, and would put a sign-in off for as long as they like. */
async function passGate(tx: Tx, id: string): Promise<void> {
  await tx.$executeRaw`SELECT authority_gate(7101, '{}', ${[id]}::text[])`
}

export function createAccountStore({ prisma, pool, cursors }: { prisma: PrismaClient; pool: pg.Pool; cursors: Cursors }): AccountStore {
  return {
    columns: Prisma.raw(COLUMNS_TEXT),
    list: (query) => LIST(pool, cursors, query),
    async find(id, tx) {
      const [row] = tx
        ? await tx.$queryRaw<AccountRow[]>`${SELECT} WHERE id = ${id}::uuid`
        : (await pool.query<AccountRow>(prepared('user-by-id', `${SELECT_TEXT} WHERE id = $1::uuid`, [id]))).rows
      return row ?? null
    },
    async lock(tx, id) {
      // the roles are read by a second statement: the first one's snapshot is older than the lock it may have waited for
      await tx.$executeRaw`SELECT 1 FROM users WHERE id = ${id}::uuid FOR UPDATE`
      const [row] = await tx.$queryRaw<AccountRow[]>`${SELECT} WHERE id = ${id}::uuid`
      return row ?? null
    },
    findCredentials: (by) => prisma.user.findUnique({ where: by, select: CREDENTIALS }),
    async findForMail(tx, spellings) {
      const found = await tx.$queryRaw<{ id: string; email: string; locale: string | null }[]>`
        SELECT id, email, locale FROM users WHERE email = ANY(${spellings}) AND status = 'active' AND kind = 'person' FOR NO KEY UPDATE`
      return spellings.flatMap((spelling) => found.filter(({ email }) => email === spelling && shownEmail(email) !== null))[0] ?? null
    },
    isTaken: async (tx, spellings) => (await tx.user.count({ where: { email: { in: [...spellings] } } })) > 0,
    async listOddEmails(after, limit) {
      const { rows } = await pool.query<{ id: string; email: string }>(
        `SELECT id, email FROM users WHERE id > $1::uuid AND (email ~ '[^ -~]' OR email LIKE '%.') ORDER BY id LIMIT $2`, [after, limit])
      return rows
    },
    async renewEmail(tx, id, email, renewed, at) {
      const { count } = await tx.user.updateMany({ where: { id, email }, data: { email: renewed, updatedAt: at, version: { increment: 1 } } }).catch(taken)
      return count === 1
    },
    async verifyEmail(tx, id, email, at) {
      const { count } = await tx.user.updateMany({ where: { id, email }, data: { emailVerifiedAt: at, version: { increment: 1 } } })
      return count === 1
    },
    async insert(tx, { roles, issuer, ...account }) {
      const { id, createdAt } = account
      await tx.user.create({ data: { ...account, issuedBy: issuer.by, issuedVia: issuer.via, updatedAt: createdAt } }).catch(taken)
      await tx.userRole.createMany({ data: roles.map((roleName) => assignment(id, roleName, issuer, createdAt)) })
    },
    async update(tx, id, expected, changes, at) {
      const data = { ...changes, updatedAt: at, version: { increment: 1 } }
      const { count } = await tx.user.updateMany({ where: atVersion(id, expected), data }).catch(taken)
      return count === 1
    },
    async setRoles(tx, id, roles, issuer, at) {
      await tx.userRole.deleteMany({ where: { userId: id, roleName: { notIn: [...roles] } } })
      await tx.userRole.createMany({ data: roles.map((roleName) => assignment(id, roleName, issuer, at)), skipDuplicates: true })
    },
    async delete(tx, id, expected) {
      const { count } = await tx.user.deleteMany({ where: atVersion(id, expected) })
      return count === 1
    },
    async replacePassword(tx, id, checkedHash, newHash, at) {
      await passGate(tx, id)
      const where = { id, status: 'active', passwordHash: checkedHash } as const
      const { count } = await tx.user.updateMany({ where, data: { passwordHash: newHash, updatedAt: at, version: { increment: 1 } } })
      // whoever knew the old password may have made a device known
      if (count === 1) await tx.knownDevice.deleteMany({ where: { userId: id } })
      return count === 1
    },
    async dearestWork() {
      const [row] = await prisma.$queryRaw<{ work: number | null }[]>`
        SELECT max(CASE WHEN password_hash LIKE 'sealed1$%' THEN least(substring(password_hash FROM '^sealed1[$][0-9a-f]{8}[$]([0-9]{1,5})[$]')::int, ${MOST_FOREIGN_WORK})
          ELSE 2 ^ least(substring(password_hash FROM '[$]2[aby][$]([0-9]{2})[$]')::int, 20) END)::int AS work FROM users`
      return row?.work ?? null
    },
    isPassword: async (tx, id, passwordHash) => (await tx.user.count({ where: { id, status: 'active', passwordHash } })) === 1,
    countActiveAdmins: (tx) => tx.user.count({ where: { status: 'active', kind: 'person', passwordHash: { not: null }, roles: { some: { roleName: ADMIN } } } }),
  }
}
