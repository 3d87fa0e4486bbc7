// Roles are rows: a name, the permissions it stands for, and the limits that it brings to its holders.
import type pg from 'pg'
import type { Prisma, PrismaClient } from '../database/generated/client.js'
import { isForeignKeyViolation } from '../database/failures.js'
import type { Tx } from '../database/transaction.js'
import { problem } from '../kernel/errors.js'
import type { Limit } from '../limits/index.js'

export interface Role {
  id: string
  name: string
  description: string
  permissions: string[]
  limits: Limit[]
  /** does it ask its holders for a second factor? */
  requiresMfa: boolean
  version: number
  createdAt: Date
  updatedAt: Date
}

export type RolePatch = Partial<Pick<Role, 'description' | 'permissions' | 'limits' | 'requiresMfa'>>

export interface RoleStore {
  /** All roles, by name; inside a transaction, through it: a second connection for each change could starve the pool. */
  list: (tx?: Tx) => Promise<Role[]>
  /** by id or name */
  find: (key: { id: string } | { name: string }, tx?: Tx) => Promise<Role | null>
  /** Null: the name is taken. */
  insert: (tx: Tx, role: Omit<Role, 'version' | 'createdAt' | 'updatedAt'>, now: Date) => Promise<Role | null>
  /** Changes a role of that version; null: there is none. */
  update: (tx: Tx, id: string, version: number, patch: RolePatch, now: Date) => Promise<Role | null>
  /** Deletes a role of that version that nobody holds. False: no such version. Throws role.held. */
  delete: (tx: Tx, id: string, version: number) => Promise<boolean>
  /** How many hold it, up to 100,000. */
  countHolders: (name: string, tx?: Tx) => Promise<number>
  /** The holders after one, by id. */
  holders: (name: string, after: string | null, limit: number) => Promise<{ userId: string; issuedBy: string | null; issuedVia: string | null; issuedAt: Date | null }[]>
}

const COUNTED = 100_000

/** `limits` is JSON to Prisma; what stands there went through the input's schema. */
function toRole<T extends { limits: unknown }>(row: T): Omit<T, 'limits'> & { limits: Limit[] } {
  return row as Omit<T, 'limits'> & { limits: Limit[] }
}

const json = (limits: readonly Limit[]): Prisma.InputJsonArray => limits.map((limit) => ({ ...limit }))

export function createRoleStore({ prisma, pool }: { prisma: PrismaClient; pool: pg.Pool }): RoleStore {
  return {
    list: async (tx = prisma) => (await tx.role.findMany({ orderBy: { name: 'asc' } })).map(toRole),
    async find(key, tx = prisma) {
      const row = await tx.role.findUnique({ where: key })
      return row && toRole(row)
    },
    async insert(tx, { limits, ...role }, now) {
      const [row] = await tx.role.createManyAndReturn({ data: [{ ...role, limits: json(limits), createdAt: now, updatedAt: now }], skipDuplicates: true })
      return row ? toRole(row) : null
    },
    async update(tx, id, version, { limits, ...patch }, now) {
      const data = { ...patch, ...(limits ? { limits: json(limits) } : {}), version: { increment: 1 }, updatedAt: now }
      const [row] = await tx.role.updateManyAndReturn({ where: { id, version }, data })
      return row ? toRole(row) : null
    },
    async delete(tx, id, version) {
      try {
        const { count } = await tx.role.deleteMany({ where: { id, version } })
        return count === 1
      } catch (error) {
        throw isForeignKeyViolation(error) ? problem('role.held', { cause: error }) : error
      }
    },
    async countHolders(name, tx = prisma) {
      const [row] = await tx.$queryRaw<{ n: number }[]>`SELECT count(*)::int AS n FROM (SELECT 1 FROM user_roles WHERE role_name = ${name} LIMIT ${COUNTED}) h`
      return row?.n ?? 0
    },
    async holders(name, after, limit) {
      const { rows } = await pool.query<{ userId: string; issuedBy: string | null; issuedVia: string | null; issuedAt: Date | null }>(
        `SELECT user_id AS "userId", issued_by AS "issuedBy", issued_via AS "issuedVia", issued_at AS "issuedAt" FROM user_roles
         WHERE role_name = $1 AND ($2::uuid IS NULL OR user_id > $2::uuid) ORDER BY user_id LIMIT $3`, [name, after, limit])
      return rows
    },
  }
}
