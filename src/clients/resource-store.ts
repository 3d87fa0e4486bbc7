// The rows of resources: the APIs that tokens are for.
import type pg from 'pg'
import { isUniqueViolation } from '../database/failures.js'
import { type OAuthResource, Prisma, type PrismaClient } from '../database/generated/client.js'
import { createList } from '../database/list.js'
import type { Tx } from '../database/transaction.js'
import { problem } from '../kernel/errors.js'
import type { Cursors, ListQuery, PageText } from '../kernel/page.js'
import type { ResourceFields } from './resource-rules.js'

export interface ResourceRow extends ResourceFields {
  id: string
  identifier: string
  issuedBy: string | null
  issuedVia: string | null
  version: number
  createdAt: Date
  updatedAt: Date
}

export interface ResourceStore {
  list: (query: ListQuery) => Promise<PageText>
  find: (id: string) => Promise<ResourceRow | null>
  /** Those of these identifiers that there are. */
  findAll: (identifiers: readonly string[]) => Promise<ResourceRow[]>
  /** findAll, and keep others from changing them until the transaction ends. */
  lockAll: (tx: Tx, identifiers: readonly string[]) => Promise<ResourceRow[]>
  /** Those that clients may ask for whom nobody vouched for. */
  listOpen: () => Promise<ResourceRow[]>
  lock: (tx: Tx, id: string) => Promise<ResourceRow | null>
  count: (tx: Tx) => Promise<number>
  /** How long the longest token of any of them lives; 0: there are none. */
  longestTokenSeconds: () => Promise<number>
  /** Throws resource.taken. */
  insert: (tx: Tx, resource: Omit<ResourceRow, 'version' | 'createdAt' | 'updatedAt'>, at: Date) => Promise<ResourceRow>
  /** Changes a resource of that version, or nothing. */
  update: (tx: Tx, id: string, version: number, change: Partial<ResourceFields>, at: Date) => Promise<ResourceRow | null>
  /** Forgets what people let applications do by these scopes of a resource: consents, codes that wait, and the sign-ins that hang on them. Looks through all grants. */
  forgetConsents: (tx: Tx, identifier: string, scopes: readonly string[], now: Date) => Promise<number>
  delete: (tx: Tx, id: string, version: number) => Promise<boolean>
}

const LIST = createList({
  name: 'oauth-resources',
  table: 'oauth_resources',
  fields: {
    id: { sql: 'id', as: 'word' },
    identifier: { sql: 'identifier', as: 'value' },
    name: { sql: 'name', as: 'value' },
    scopes: { sql: 'scopes', as: 'json' },
    tokenSeconds: { sql: 'token_seconds', as: 'plain' },
    algorithm: { sql: 'algorithm', as: 'value' },
    openToAll: { sql: 'open_to_all::text', as: 'plain' },
    issuedBy: { sql: 'issued_by', as: 'word' },
    issuedVia: { sql: 'issued_via', as: 'value' },
    version: { sql: 'version', as: 'plain' },
    createdAt: { sql: 'created_at', as: 'time' },
    updatedAt: { sql: 'updated_at', as: 'time' },
  },
  sortable: { createdAt: { column: 'created_at', type: 'timestamptz' } },
  filters: { identifier: (p) => `identifier = ${p}` },
  defaultSort: '-createdAt',
})

// written in these forms, by this file
const rowOf = (stored: OAuthResource): ResourceRow => stored as unknown as ResourceRow

function dataOf({ scopes, ...rest }: Partial<ResourceFields>) {
  return { ...rest, ...(scopes === undefined ? {} : { scopes: scopes as unknown as Prisma.InputJsonArray }) }
}

export function createResourceStore({ prisma, pool, cursors }: { prisma: PrismaClient; pool: pg.Pool; cursors: Cursors }): ResourceStore {
  async function find(id: string, tx: Tx = prisma): Promise<ResourceRow | null> {
    const row = await tx.oAuthResource.findUnique({ where: { id } })
    return row && rowOf(row)
  }
  async function findAll(identifiers: readonly string[], tx: Tx = prisma): Promise<ResourceRow[]> {
    return identifiers.length === 0 ? [] : (await tx.oAuthResource.findMany({ where: { identifier: { in: [...identifiers] } }, orderBy: { identifier: 'asc' } })).map(rowOf)
  }
  return {
    list: (query) => LIST(pool, cursors, query),
    find: (id) => find(id),
    findAll: (identifiers) => findAll(identifiers),
    async lockAll(tx, identifiers) {
      await tx.$queryRaw`SELECT id FROM oauth_resources WHERE identifier = ANY(${[...identifiers]}::text[]) ORDER BY identifier FOR SHARE`
      return findAll(identifiers, tx)
    },
    listOpen: async () => (await prisma.oAuthResource.findMany({ where: { openToAll: true }, orderBy: { identifier: 'asc' } })).map(rowOf),
    async lock(tx, id) {
      await tx.$queryRaw`SELECT id FROM oauth_resources WHERE id = ${id}::uuid FOR UPDATE`
      return find(id, tx)
    },
    count: (tx) => tx.oAuthResource.count(),
    async longestTokenSeconds() {
      const { _max: { tokenSeconds } } = await prisma.oAuthResource.aggregate({ _max: { tokenSeconds: true } })
      return tokenSeconds ?? 0
    },
    async insert(tx, { scopes, ...resource }, at) {
      try {
        return rowOf(await tx.oAuthResource.create({ data: { ...resource, scopes: scopes as unknown as Prisma.InputJsonArray, createdAt: at, updatedAt: at } }))
      } catch (error) {
        throw isUniqueViolation(error, 'identifier') ? problem('resource.taken', { cause: error }) : error
      }
    },
    async update(tx, id, version, change, at) {
      const [row] = await tx.oAuthResource.updateManyAndReturn({ where: { id, version }, data: { ...dataOf(change), version: { increment: 1 }, updatedAt: at } })
      return row ? rowOf(row) : null
    },
    async forgetConsents(tx, identifier, scopes, now) {
      const about = Prisma.sql`${identifier} = ANY(resources) AND scopes && ${[...scopes]}::text[]`
      await tx.$executeRaw`UPDATE oauth_codes SET consumed_at = ${now}::timestamptz WHERE consumed_at IS NULL AND expires_at > ${now}::timestamptz AND ${about}`
      const ended = await tx.$executeRaw`UPDATE sessions SET ended_at = ${now}::timestamptz WHERE ended_at IS NULL AND id IN (SELECT id FROM oauth_grants WHERE ${about})`
      return ended + (await tx.$executeRaw`DELETE FROM oauth_consents WHERE ${about}`)
    },
    async delete(tx, id, version) {
      const { count } = await tx.oAuthResource.deleteMany({ where: { id, version } })
      return count === 1
    },
  }
}
