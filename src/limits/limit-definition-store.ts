// The rows that say which limits hold: for a namespace, and for all keys of an owner. Every change is one conditional write.
import type pg from 'pg'
import { isForeignKeyViolation } from '../database/failures.js'
import type { Prisma, PrismaClient } from '../database/generated/client.js'
import { createList } from '../database/list.js'
import type { Tx } from '../database/transaction.js'
import { problem } from '../kernel/errors.js'
import type { Cursors, ListQuery, PageText } from '../kernel/page.js'
import type { Limit } from './limit-rules.js'

export type DefinitionRow = {
  id: string
  limits: Limit[]
  version: number
  createdAt: Date
  updatedAt: Date
}

export type NamespaceRow = DefinitionRow & { namespace: string }

/** Of an owner whose limits were never set: version 1, and no row. */
export type OwnerRow = Omit<DefinitionRow, 'createdAt'>

export interface LimitDefinitionStore {
  list: (query: ListQuery) => Promise<PageText>
  find: (namespace: string) => Promise<NamespaceRow | null>
  /** Null: the namespace exists. */
  insert: (tx: Tx, row: Omit<NamespaceRow, 'version'>) => Promise<NamespaceRow | null>
  /** Null: no such version. */
  update: (tx: Tx, id: string, version: number, limits: Limit[], now: Date) => Promise<NamespaceRow | null>
  /** False: no such version. */
  delete: (tx: Tx, id: string, version: number) => Promise<boolean>
  /** Null: no such user. */
  findOwner: (id: string) => Promise<OwnerRow | null>
  /** Null: no such version. Throws user.not_found. */
  updateOwner: (tx: Tx, id: string, version: number, limits: Limit[], now: Date) => Promise<OwnerRow | null>
}

const LIST = createList({
  name: 'limit-namespaces',
  table: 'limit_namespaces',
  fields: {
    id: { sql: 'id', as: 'word' },
    namespace: { sql: 'namespace', as: 'value' },
    limits: { sql: 'limits', as: 'json' },
    version: { sql: 'version', as: 'plain' },
    createdAt: { sql: 'created_at', as: 'time' },
    updatedAt: { sql: 'updated_at', as: 'time' },
  },
  sortable: { namespace: { column: 'namespace', type: 'text' } },
  filters: {},
  defaultSort: 'namespace',
})

const OWNER = `
  SELECT u.id, coalesce(o.limits, '[]') AS limits, coalesce(o.version, 1) AS version, coalesce(o.updated_at, u.created_at) AS "updatedAt"
  FROM users u LEFT JOIN owner_limits o ON o.id = u.id WHERE u.id = $1`

/** `limits` is JSON to Prisma; what stands there went through the input's schema. */
function toRow<T extends { limits: unknown }>(row: T): Omit<T, 'limits'> & { limits: Limit[] } {
  return row as Omit<T, 'limits'> & { limits: Limit[] }
}

const json = (limits: Limit[]): Prisma.InputJsonArray => limits.map((limit) => ({ ...limit }))

export function createLimitDefinitionStore({ prisma, pool, cursors }: { prisma: PrismaClient; pool: pg.Pool; cursors: Cursors }): LimitDefinitionStore {
  return {
    list: (query) => LIST(pool, cursors, query),
    async find(namespace) {
      const row = await prisma.limitNamespace.findUnique({ where: { namespace } })
      return row && toRow(row)
    },
    async insert(tx, { limits, ...row }) {
      const [inserted] = await tx.limitNamespace.createManyAndReturn({ data: [{ ...row, limits: json(limits) }], skipDuplicates: true })
      return inserted ? toRow(inserted) : null
    },
    async update(tx, id, version, limits, now) {
      const data = { limits: json(limits), version: { increment: 1 }, updatedAt: now }
      const [row] = await tx.limitNamespace.updateManyAndReturn({ where: { id, version }, data })
      return row ? toRow(row) : null
    },
    async delete(tx, id, version) {
      const { count } = await tx.limitNamespace.deleteMany({ where: { id, version } })
      return count === 1
    },
    async findOwner(id) {
      const { rows } = await pool.query<OwnerRow>(OWNER, [id])
      return rows[0] ?? null
    },
    async updateOwner(tx, id, version, limits, now) {
      const data = { limits: json(limits), updatedAt: now }
      try {
        const [row] = version === 1
          ? await tx.ownerLimits.createManyAndReturn({ data: [{ id, ...data, version: 2, createdAt: now }], skipDuplicates: true })
          : await tx.ownerLimits.updateManyAndReturn({ where: { id, version }, data: { ...data, version: { increment: 1 } } })
        return row ? toRow(row) : null
      } catch (error) {
        throw isForeignKeyViolation(error) ? problem('user.not_found', { cause: error }) : error
      }
    },
  }
}
