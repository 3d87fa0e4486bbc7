// The rows of clients and of their secrets. What is changed is of the version that was read, or nothing is.
import type pg from 'pg'
import { bytes } from '../database/along.js'
import { isUniqueViolation } from '../database/failures.js'
import { type OAuthClient, Prisma, type PrismaClient } from '../database/generated/client.js'
import { createList } from '../database/list.js'
import type { Tx } from '../database/transaction.js'
import { problem } from '../kernel/errors.js'
import type { Cursors, ListQuery, PageText } from '../kernel/page.js'
import type { ClientFields } from './client-rules.js'

/** By whom a client came: somebody who vouches for it, or itself, by registration or by a document of its own. */
export type Registration = 'administrator' | 'dynamic' | 'document'

export interface ClientRow extends ClientFields {
  id: string
  clientId: string
  registration: Registration
  /** the organization that owns it; null: none */
  organizationId: string | null
  issuedBy: string | null
  issuedVia: string | null
  version: number
  createdAt: Date
  updatedAt: Date
}

export interface SecretRow {
  id: string
  start: string
  createdAt: Date
  expiresAt: Date | null
}

export interface ClientStore {
  /** `organizationId`: only that one's */
  list: (query: ListQuery, organizationId?: string) => Promise<PageText>
  /** `organizationId`: only where it is that one's */
  find: (id: string, tx?: Tx, organizationId?: string) => Promise<ClientRow | null>
  findByClientId: (clientId: string) => Promise<ClientRow | null>
  /** find, and keep others from changing it until the transaction ends */
  lock: (tx: Tx, id: string) => Promise<ClientRow | null>
  /** Those that no organization owns. */
  count: (tx: Tx, registration: Registration) => Promise<number>
  countOf: (tx: Tx, organizationId: string) => Promise<number>
  /** Throws client.taken. */
  insert: (tx: Tx, client: Omit<ClientRow, 'version' | 'createdAt' | 'updatedAt'>, at: Date) => Promise<ClientRow>
  /** Changes a client of that version, or nothing. */
  update: (tx: Tx, id: string, version: number, change: Partial<ClientFields>, at: Date) => Promise<ClientRow | null>
  delete: (tx: Tx, id: string, version: number) => Promise<boolean>
  /** Secrets that have not ended, the oldest first. */
  secrets: (id: string, at: Date, tx?: Tx) => Promise<SecretRow[]>
  /** Hashes of what a client may prove itself with at a time. */
  secretHashes: (id: string, at: Date) => Promise<Uint8Array[]>
  insertSecret: (tx: Tx, clientId: string, secret: SecretRow & { hash: Uint8Array }) => Promise<void>
  /** Has all others end by then, unless they do so sooner. */
  endOtherSecrets: (tx: Tx, clientId: string, exceptId: string, at: Date) => Promise<number>
  deleteSecret: (tx: Tx, clientId: string, id: string) => Promise<boolean>
}

const LIST = createList({
  name: 'oauth-clients',
  table: 'oauth_clients',
  fields: {
    id: { sql: 'id', as: 'word' },
    clientId: { sql: 'client_id', as: 'value' },
    kind: { sql: 'kind', as: 'word' },
    name: { sql: 'name', as: 'value' },
    authMethod: { sql: 'auth_method', as: 'value' },
    grantTypes: { sql: 'grant_types', as: 'value' },
    scopes: { sql: 'scopes', as: 'value' },
    resources: { sql: 'resources', as: 'value' },
    redirectUris: { sql: 'redirect_uris', as: 'value' },
    firstParty: { sql: 'first_party::text', as: 'plain' },
    enabled: { sql: 'enabled::text', as: 'plain' },
    registration: { sql: 'registration', as: 'value' },
    organizationId: { sql: 'organization_id', as: 'word' },
    issuedBy: { sql: 'issued_by', as: 'word' },
    issuedVia: { sql: 'issued_via', as: 'value' },
    version: { sql: 'version', as: 'plain' },
    createdAt: { sql: 'created_at', as: 'time' },
    updatedAt: { sql: 'updated_at', as: 'time' },
  },
  sortable: { createdAt: { column: 'created_at', type: 'timestamptz' } },
  filters: { kind: (p) => `kind = ${p}::oauth_client_kind`, registration: (p) => `registration = ${p}`, clientId: (p) => `client_id = ${p}`, organizationId: (p) => `organization_id = ${p}::uuid` },
  defaultSort: '-createdAt',
})
const COUNTED = 1_000_000

// written in these forms, by this file
const rowOf = (stored: OAuthClient): ClientRow => stored as unknown as ClientRow

function dataOf<C extends Partial<ClientFields>>({ jwks, ...rest }: C) {
  return { ...rest, ...(jwks === undefined ? {} : { jwks: jwks === null ? Prisma.DbNull : (jwks as Prisma.InputJsonObject) }) }
}

export function createClientStore({ prisma, pool, cursors }: { prisma: PrismaClient; pool: pg.Pool; cursors: Cursors }): ClientStore {
  async function find(id: string, tx: Tx = prisma, organizationId?: string): Promise<ClientRow | null> {
    const row = await tx.oAuthClient.findUnique({ where: { id, ...(organizationId === undefined ? {} : { organizationId }) } })
    return row && rowOf(row)
  }
  return {
    list: (query, organizationId) => LIST(pool, cursors, query, organizationId === undefined ? {} : { scope: { sql: (p) => `organization_id = ${p}::uuid`, value: organizationId } }),
    find,
    async findByClientId(clientId) {
      const row = await prisma.oAuthClient.findUnique({ where: { clientId } })
      return row && rowOf(row)
    },
    async lock(tx, id) {
      await tx.$queryRaw`SELECT id FROM oauth_clients WHERE id = ${id}::uuid FOR UPDATE`
      return find(id, tx)
    },
    async count(tx, registration) {
      const [row] = await tx.$queryRaw<{ n: number }[]>`SELECT count(*)::int AS n FROM (SELECT 1 FROM oauth_clients WHERE registration = ${registration} AND organization_id IS NULL LIMIT ${COUNTED}) c`
      return row?.n ?? 0
    },
    countOf: (tx, organizationId) => tx.oAuthClient.count({ where: { organizationId } }),
    async insert(tx, client, at) {
      try {
        const row = await tx.oAuthClient.create({ data: { ...client, ...dataOf({ jwks: client.jwks }), createdAt: at, updatedAt: at } as Prisma.OAuthClientUncheckedCreateInput })
        return rowOf(row)
      } catch (error) {
        throw isUniqueViolation(error, 'client_id') ? problem('client.taken', { cause: error }) : error
      }
    },
    async update(tx, id, version, change, at) {
      const [row] = await tx.oAuthClient.updateManyAndReturn({ where: { id, version }, data: { ...dataOf(change), version: { increment: 1 }, updatedAt: at } })
      return row ? rowOf(row) : null
    },
    async delete(tx, id, version) {
      const { count } = await tx.oAuthClient.deleteMany({ where: { id, version } })
      return count === 1
    },
    secrets: (id, at, tx = prisma) => tx.oAuthClientSecret.findMany({
      where: { clientId: id, OR: [{ expiresAt: null }, { expiresAt: { gt: at } }] }, orderBy: [{ createdAt: 'asc' }, { id: 'asc' }], select: { id: true, start: true, createdAt: true, expiresAt: true },
    }),
    async secretHashes(id, at) {
      const rows = await prisma.oAuthClientSecret.findMany({ where: { clientId: id, OR: [{ expiresAt: null }, { expiresAt: { gt: at } }] }, select: { secretHash: true } })
      return rows.map(({ secretHash }) => secretHash)
    },
    async insertSecret(tx, clientId, { hash, ...secret }) {
      await tx.oAuthClientSecret.create({ data: { ...secret, clientId, secretHash: bytes(hash) } })
    },
    async endOtherSecrets(tx, clientId, exceptId, at) {
      const { count } = await tx.oAuthClientSecret.updateMany({ where: { clientId, id: { not: exceptId }, OR: [{ expiresAt: null }, { expiresAt: { gt: at } }] }, data: { expiresAt: at } })
      return count
    },
    async deleteSecret(tx, clientId, id) {
      const { count } = await tx.oAuthClientSecret.deleteMany({ where: { clientId, id } })
      return count === 1
    },
  }
}
