// Endpoints at rest, as those see them who manage them. Whoever tells an endpoint its events has the other half: delivery-store.ts.
import type pg from 'pg'
import type { Prisma, PrismaClient } from '../database/generated/client.js'
import { createList, type ListSpec } from '../database/list.js'
import type { Tx } from '../database/transaction.js'
import type { Cursors, ListQuery, PageText } from '../kernel/page.js'

export interface WebhookRow {
  id: string
  /** null: the operator's */
  organizationId: string | null
  url: string
  description: string
  types: string[]
  enabled: boolean
  disabledFor: string | null
  givenBy: string
  givenViaKey: string | null
  previousUntil: Date | null
  failingSince: Date | null
  lastSuccessAt: Date | null
  lastError: string | null
  secretCiphertext: Uint8Array
  previousCiphertext: Uint8Array | null
  version: number
  createdAt: Date
  updatedAt: Date
}

export type WebhookChange = Omit<Prisma.WebhookEndpointUncheckedUpdateInput, 'id' | 'version'>

/** `of`: the organization whose they are; without, the operator's. */
export interface WebhookStore {
  list: (query: ListQuery, of?: string) => Promise<PageText>
  find: (id: string, of?: string) => Promise<WebhookRow | null>
  /** The row, until the end of the transaction nobody else's to change. */
  lock: (tx: Tx, id: string, of?: string) => Promise<WebhookRow | null>
  /** lock, whoever's it is: for what happens by itself. */
  lockAny: (tx: Tx, id: string) => Promise<WebhookRow | null>
  /** The operator's; those that somebody gave. */
  count: (tx: Tx, givenBy?: string) => Promise<number>
  /** An organization's. */
  countOf: (tx: Tx, organizationId: string) => Promise<number>
  insert: (tx: Tx, row: Prisma.WebhookEndpointUncheckedCreateInput) => Promise<WebhookRow>
  /** Changes a row that is locked. Whoever tells it at this moment loses the claim, and tells it no more by what was. */
  update: (tx: Tx, id: string, change: WebhookChange) => Promise<WebhookRow>
  delete: (tx: Tx, id: string) => Promise<void>
  listFailures: (endpointId: string, query: ListQuery) => Promise<PageText>
  sealed: () => Promise<{ id: string; secretCiphertext: Uint8Array; previousCiphertext: Uint8Array | null }[]>
  /** Replaces ciphertexts, if they are still what was read. */
  reseal: (id: string, from: Uint8Array, secret: Uint8Array, previous: Uint8Array | null) => Promise<void>
}

const SHOWN = {
  table: 'webhook_endpoints',
  fields: {
    id: { sql: 'id', as: 'word' },
    url: { sql: 'url', as: 'value' },
    description: { sql: 'description', as: 'value' },
    types: { sql: 'types', as: 'value' },
    enabled: { sql: 'enabled::text', as: 'plain' },
    disabledFor: { sql: 'disabled_for', as: 'value' },
    givenBy: { sql: 'given_by', as: 'value' },
    givenViaKey: { sql: 'given_via_key', as: 'value' },
    previousSecretUntil: { sql: 'previous_until', as: 'time' },
    failingSince: { sql: 'failing_since', as: 'time' },
    lastSuccessAt: { sql: 'last_success_at', as: 'time' },
    lastError: { sql: 'last_error', as: 'value' },
    version: { sql: 'version', as: 'plain' },
    createdAt: { sql: 'created_at', as: 'time' },
    updatedAt: { sql: 'updated_at', as: 'time' },
  },
  sortable: { createdAt: { column: 'created_at', type: 'timestamptz' } },
  defaultSort: '-createdAt',
} satisfies Partial<ListSpec>

// in places of their own, so that a cursor of the one is none of the other
const LIST = createList({ ...SHOWN, name: 'webhooks', filters: { givenBy: (p) => `given_by = ${p}::uuid` }, always: 'organization_id IS NULL' })
const OF_ORGANIZATION = createList({ ...SHOWN, name: 'organization-webhooks', filters: {} })

const FAILURES = createList({
  name: 'webhook-failures',
  table: 'webhook_deliveries',
  fields: {
    id: { sql: 'id', as: 'word' },
    eventId: { sql: 'event_id', as: 'word' },
    type: { sql: "event->>'type'", as: 'value' },
    attempts: { sql: 'attempts', as: 'plain' },
    error: { sql: 'error', as: 'value' },
    firstFailedAt: { sql: 'first_failed_at', as: 'time' },
    nextAt: { sql: 'next_at', as: 'time' },
    deadAt: { sql: 'dead_at', as: 'time' },
  },
  sortable: { firstFailedAt: { column: 'first_failed_at', type: 'timestamptz' } },
  filters: { dead: (p) => `(dead_at IS NOT NULL) = ${p}::boolean` },
  defaultSort: '-firstFailedAt',
})

async function lock(tx: Tx, where: { id: string; organizationId?: string | null }): Promise<WebhookRow | null> {
  await tx.$executeRaw`SELECT 1 FROM webhook_endpoints WHERE id = ${where.id}::uuid FOR UPDATE`
  return tx.webhookEndpoint.findFirst({ where })
}

export function createWebhookStore({ prisma, pool, cursors }: { prisma: PrismaClient; pool: pg.Pool; cursors: Cursors }): WebhookStore {
  return {
    list: (query, of) => (of === undefined ? LIST(pool, cursors, query) : OF_ORGANIZATION(pool, cursors, query, { scope: { sql: (p) => `organization_id = ${p}::uuid`, value: of } })),
    find: (id, of) => prisma.webhookEndpoint.findFirst({ where: { id, organizationId: of ?? null } }),
    lock: (tx, id, of) => lock(tx, { id, organizationId: of ?? null }),
    lockAny: (tx, id) => lock(tx, { id }),
    count: (tx, givenBy) => tx.webhookEndpoint.count({ where: { organizationId: null, ...(givenBy === undefined ? {} : { givenBy }) } }),
    countOf: (tx, organizationId) => tx.webhookEndpoint.count({ where: { organizationId } }),
    insert: (tx, data) => tx.webhookEndpoint.create({ data }),
    update: (tx, id, change) => tx.webhookEndpoint.update({ where: { id }, data: { ...change, claim: null, claimedUntil: null, version: { increment: 1 } } }),
    async delete(tx, id) {
      await tx.webhookEndpoint.delete({ where: { id } })
    },
    listFailures: (endpointId, query) => FAILURES(pool, cursors, query, { scope: { sql: (p) => `endpoint_id = ${p}::uuid`, value: endpointId } }),
    sealed: () => prisma.webhookEndpoint.findMany({ select: { id: true, secretCiphertext: true, previousCiphertext: true } }),
    async reseal(id, from, secret, previous) {
      await prisma.webhookEndpoint.updateMany({
        where: { id, secretCiphertext: Uint8Array.from(from) }, data: { secretCiphertext: Uint8Array.from(secret), previousCiphertext: previous && Uint8Array.from(previous) },
      })
    },
  }
}
