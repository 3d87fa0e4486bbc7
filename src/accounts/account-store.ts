// Accounts at rest. Every change names what it expects to find and says whether it found it; nothing here decides.
import type pg from 'pg'
import { Prisma, type PrismaClient, type UserKind, type UserStatus } from '../database/generated/client.js'
import type { Issuer } from '../authority/authority-rules.js'
import { isUniqueViolation } from '../database/failures.js'
import { containsPattern, type ListSpec, readPage } from '../database/list.js'
import type { Tx } from '../database/transaction.js'
import { problem } from '../kernel/errors.js'
import type { Cursors, ListQuery, Page } from '../kernel/page.js'
import { ADMIN } from './role-rules.js'

export type { UserKind, UserStatus }

export type AccountRow = {
  id: string
  email: string
  /** '' for none */
  name: string
  status: UserStatus
  kind: UserKind
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
  issuer: Issuer
  createdAt: Date
  lastLoginAt?: Date
}

export interface AccountCredentials {
  id: string
  email: string
  name: string
  status: UserStatus
  passwordHash: string | null
}

export interface AccountStore {
  list: (query: ListQuery) => Promise<Page<AccountRow>>
  find: (id: string, tx?: Tx) => Promise<AccountRow | null>
  /** find, and keep everybody else from changing it until the transaction ends */
  lock: (tx: Tx, id: string) => Promise<AccountRow | null>
  findCredentials: (by: { id: string } | { email: string }) => Promise<AccountCredentials | null>
  /** Of the spellings an address may be kept under, the first that is an account's. */
  findByEmail: (spellings: readonly [string, ...string[]]) => Promise<AccountCredentials | null>
  /** Accounts whose e-mail may have had another spelling than new ones get, by id, of those after `id`. */
  listOddEmails: (after: string, limit: number) => Promise<{ id: string; email: string }[]>
  /** Gives an account another spelling of the e-mail it still has; false when it has not. Throws email.taken. */
  renewEmail: (tx: Tx, id: string, email: string, renewed: string, at: Date) => Promise<boolean>
  /** Throws email.taken. */
  insert: (tx: Tx, account: NewAccountRow) => Promise<void>
  /** Changes the account when it still has that version; false when not. Throws email.taken. */
  update: (tx: Tx, id: string, expected: number | '*', changes: { email?: string; name?: string; status?: UserStatus }, at: Date) => Promise<boolean>
  /** Roles as a whole; what stays keeps its issuer. */
  setRoles: (tx: Tx, id: string, roles: readonly string[], issuer: Issuer, at: Date) => Promise<void>
  delete: (tx: Tx, id: string, expected: number | '*') => Promise<boolean>
  /** Replaces a password that is still the one that was checked, of an account that is still active, and forgets its known devices; false when not. */
  replacePassword: (tx: Tx, id: string, checkedHash: string, newHash: string, at: Date) => Promise<boolean>
  /** Notes a sign-in of an account that is still active with the password that was checked, and keeps `renewedHash` of the same password instead when given; false when not. */
  noteLogin: (tx: Tx, id: string, checkedHash: string, at: Date, renewedHash?: string) => Promise<boolean>
  /** the dearest bcrypt cost among all passwords; null when there are none. Reads the whole table. */
  dearestCost: () => Promise<number | null>
  /** active people with role admin who can sign in */
  countActiveAdmins: (tx: Tx) => Promise<number>
}

const COLUMNS: Record<keyof AccountRow, string> = {
  id: 'id', email: 'email', name: 'name', status: 'status', kind: 'kind::text', version: 'version', createdAt: 'created_at', updatedAt: 'updated_at', lastLoginAt: 'last_login_at',
  roles: 'ARRAY(SELECT role_name FROM user_roles WHERE user_id = users.id ORDER BY role_name)',
}

const LIST: ListSpec = {
  name: 'users',
  table: 'users',
  columns: COLUMNS,
  sortable: { email: 'text', name: 'text', createdAt: 'timestamptz', lastLoginAt: 'timestamptz' },
  filters: {
    status: (p) => `status = ${p}::user_status`,
    kind: (p) => `kind = ${p}::user_kind`,
    role: (p) => `EXISTS (SELECT 1 FROM user_roles WHERE user_id = users.id AND role_name = ${p})`,
    'email[contains]': (p) => `email LIKE ${containsPattern(p)}`,
    'createdAt[gte]': (p) => `created_at >= ${p}::timestamptz`,
    'createdAt[lte]': (p) => `created_at <= ${p}::timestamptz`,
  },
  defaultSort: '-createdAt',
}

// one statement, so that the version and the roles are of one moment
const SELECT = Prisma.raw(`SELECT ${Object.entries(COLUMNS).map(([field, column]) => `${column} AS "${field}"`).join(', ')} FROM users`)
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
    list: (query) => readPage<AccountRow>(pool, cursors, LIST, query),
    async find(id, tx = prisma) {
      const [row] = await tx.$queryRaw<AccountRow[]>`${SELECT} WHERE id = ${id}::uuid`
      return row ?? null
    },
    async lock(tx, id) {
      // the roles are read by a second statement: the first one's snapshot is older than the lock it may have waited for
      await tx.$executeRaw`SELECT 1 FROM users WHERE id = ${id}::uuid FOR UPDATE`
      const [row] = await tx.$queryRaw<AccountRow[]>`${SELECT} WHERE id = ${id}::uuid`
      return row ?? null
    },
    findCredentials: (by) => prisma.user.findUnique({ where: by, select: CREDENTIALS }),
    async findByEmail(spellings) {
      const [first, second] = spellings
      const found = await prisma.user.findUnique({ where: { email: first }, select: CREDENTIALS })
      return found ?? (second === undefined ? null : prisma.user.findUnique({ where: { email: second }, select: CREDENTIALS }))
    },
    async listOddEmails(after, limit) {
      const { rows } = await pool.query<{ id: string; email: string }>(
        `SELECT id, email FROM users WHERE id > $1::uuid AND (email ~ '[^ -~]' OR email LIKE '%.') ORDER BY id LIMIT $2`, [after, limit])
      return rows
    },
    async renewEmail(tx, id, email, renewed, at) {
      const { count } = await tx.user.updateMany({ where: { id, email }, data: { email: renewed, updatedAt: at, version: { increment: 1 } } }).catch(taken)
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
    async noteLogin(tx, id, checkedHash, at, renewedHash) {
      await passGate(tx, id)
      // lastLoginAt is shown, so a strong validator must change with it (RFC 9110 8.8.1)
      const where = { id, status: 'active', passwordHash: checkedHash } as const
      const renewed = renewedHash === undefined ? {} : { passwordHash: renewedHash }
      const { count } = await tx.user.updateMany({ where, data: { ...renewed, lastLoginAt: at, version: { increment: 1 } } })
      return count === 1
    },
    async dearestCost() {
      const [row] = await prisma.$queryRaw<{ cost: number | null }[]>`SELECT max(substring(password_hash FROM '[$]2[aby][$]([0-9]{2})[$]')::int) AS cost FROM users`
      return row?.cost ?? null
    },
    countActiveAdmins: (tx) => tx.user.count({ where: { status: 'active', kind: 'person', passwordHash: { not: null }, roles: { some: { roleName: ADMIN } } } }),
  }
}
