// The rows of identity providers. The secret leaves the table encrypted; what is listed never holds it.
import type pg from 'pg'
import type { IdentityProvider, PrismaClient } from '../database/generated/client.js'
import { bytes } from '../database/along.js'
import { isUniqueViolation } from '../database/failures.js'
import { createList } from '../database/list.js'
import type { Tx } from '../database/transaction.js'
import { problem } from '../kernel/errors.js'
import type { Cursors, ListQuery, PageText } from '../kernel/page.js'
import type { ProviderFields, ProviderKind } from './provider-rules.js'

export type ProviderRow = ProviderFields & {
  id: string
  kind: ProviderKind
  issuer: string
  secretCiphertext: Uint8Array | null
  keyTeamId: string | null
  keyId: string | null
  version: number
  createdAt: Date
  updatedAt: Date
}

export type ProviderChange = Partial<ProviderFields> & Partial<Pick<ProviderRow, 'secretCiphertext' | 'keyTeamId' | 'keyId'>>

/** What a sign-in page may know. */
export type PublicProviderRow = Pick<ProviderRow, 'id' | 'kind' | 'issuer' | 'name' | 'keyId'>

export interface ProviderStore {
  list: (query: ListQuery) => Promise<PageText>
  listEnabled: () => Promise<PublicProviderRow[]>
  find: (id: string, tx?: Tx) => Promise<ProviderRow | null>
  /** find, and keep others from changing it until the transaction ends */
  lock: (tx: Tx, id: string) => Promise<ProviderRow | null>
  count: (tx: Tx) => Promise<number>
  /** Throws provider.taken. */
  insert: (tx: Tx, provider: Omit<ProviderRow, 'version' | 'createdAt' | 'updatedAt'>, at: Date) => Promise<ProviderRow>
  /** Changes a provider of that version, or nothing. Throws provider.taken. */
  update: (tx: Tx, id: string, version: number, change: ProviderChange, at: Date) => Promise<ProviderRow | null>
  delete: (tx: Tx, id: string, version: number) => Promise<boolean>
  listSealed: () => Promise<{ id: string; secretCiphertext: Uint8Array }[]>
  /** Replaces a secret's ciphertext that is still the one that was read; no version changes, for nothing has. */
  reseal: (id: string, from: Uint8Array, to: Uint8Array) => Promise<void>
  countIdentities: (tx: Tx, id: string) => Promise<number>
}

const LIST = createList({
  name: 'identity-providers',
  table: 'identity_providers',
  fields: {
    id: { sql: 'id', as: 'word' },
    kind: { sql: 'kind', as: 'word' },
    name: { sql: 'name', as: 'value' },
    issuer: { sql: 'issuer', as: 'value' },
    clientId: { sql: 'client_id', as: 'value' },
    hasSecret: { sql: '(secret_ciphertext IS NOT NULL)::text', as: 'plain' },
    clientKey: { sql: "CASE WHEN key_id IS NOT NULL THEN json_build_object('teamId', key_team_id, 'keyId', key_id) END", as: 'json' },
    scopes: { sql: 'scopes', as: 'value' },
    enabled: { sql: 'enabled::text', as: 'plain' },
    signUp: { sql: 'sign_up', as: 'word' },
    trustedEmailDomains: { sql: 'trusted_email_domains', as: 'value' },
    tenants: { sql: 'tenants', as: 'value' },
    formPost: { sql: 'form_post::text', as: 'plain' },
    version: { sql: 'version', as: 'plain' },
    createdAt: { sql: 'created_at', as: 'time' },
    updatedAt: { sql: 'updated_at', as: 'time' },
  },
  sortable: { createdAt: { column: 'created_at', type: 'timestamptz' } },
  filters: { issuer: (p) => `issuer = ${p}` },
  defaultSort: '-createdAt',
})
const COUNTED = 100_000

async function orTaken<T>(write: () => Promise<T>): Promise<T> {
  try {
    return await write()
  } catch (error) {
    throw isUniqueViolation(error, 'issuer') ? problem('provider.taken', { cause: error }) : error
  }
}

const rowOf = (stored: IdentityProvider): ProviderRow => stored

function dataOf<C extends ProviderChange>({ secretCiphertext, ...rest }: C) {
  return { ...rest, ...(secretCiphertext === undefined ? {} : { secretCiphertext: secretCiphertext && bytes(secretCiphertext) }) }
}

export function createProviderStore({ prisma, pool, cursors }: { prisma: PrismaClient; pool: pg.Pool; cursors: Cursors }): ProviderStore {
  async function find(id: string, tx: Tx = prisma): Promise<ProviderRow | null> {
    const row = await tx.identityProvider.findUnique({ where: { id } })
    return row && rowOf(row)
  }
  return {
    list: (query) => LIST(pool, cursors, query),
    listEnabled: () => prisma.identityProvider.findMany({ where: { enabled: true }, orderBy: [{ createdAt: 'asc' }, { id: 'asc' }], select: { id: true, kind: true, issuer: true, name: true, keyId: true } }),
    find,
    async lock(tx, id) {
      await tx.$queryRaw`SELECT id FROM identity_providers WHERE id = ${id}::uuid FOR UPDATE`
      return find(id, tx)
    },
    count: (tx) => tx.identityProvider.count(),
    insert: (tx, { secretCiphertext, ...row }, at) => orTaken(async () => rowOf(await tx.identityProvider.create({
      data: { ...row, secretCiphertext: secretCiphertext && bytes(secretCiphertext), createdAt: at, updatedAt: at },
    }))),
    update: (tx, id, version, change, at) => orTaken(async () => {
      const [row] = await tx.identityProvider.updateManyAndReturn({ where: { id, version }, data: { ...dataOf(change), version: { increment: 1 }, updatedAt: at } })
      return row ? rowOf(row) : null
    }),
    async delete(tx, id, version) {
      const { count } = await tx.identityProvider.deleteMany({ where: { id, version } })
      return count === 1
    },
    async listSealed() {
      const rows = await prisma.identityProvider.findMany({ where: { secretCiphertext: { not: null } }, select: { id: true, secretCiphertext: true } })
      return rows.flatMap(({ id, secretCiphertext }) => (secretCiphertext === null ? [] : [{ id, secretCiphertext }]))
    },
    async reseal(id, from, to) {
      await prisma.identityProvider.updateMany({ where: { id, secretCiphertext: bytes(from) }, data: { secretCiphertext: bytes(to) } })
    },
    async countIdentities(tx, id) {
      const [row] = await tx.$queryRaw<{ n: number }[]>`SELECT count(*)::int AS n FROM (SELECT 1 FROM external_identities WHERE provider_id = ${id}::uuid LIMIT ${COUNTED}) i`
      return row?.n ?? 0
    },
  }
}
