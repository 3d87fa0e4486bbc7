// Webhooks: events sent to endpoints that administrators name, and of an organization to those that it names; signed, at least once, each endpoint by itself.
import type pg from 'pg'
import type { AuditStore } from '../audit/index.js'
import type { AuthorityService } from '../authority/index.js'
import { tableExpiry } from '../database/expiry.js'
import type { PrismaClient } from '../database/generated/client.js'
import type { Transact } from '../database/transaction.js'
import type { EventFeed, EventStore } from '../events/index.js'
import type { Job } from '../jobs/index.js'
import type { Clock } from '../kernel/clock.js'
import type { Cursors } from '../kernel/page.js'
import type { Secrets } from '../kernel/secrets.js'
import type { MailService } from '../mail/index.js'
import type { MemberService, StandingService } from '../organizations/index.js'
import type { Outbound } from '../outbound/index.js'
import type { Metric } from '../telemetry/index.js'
import { createDeliveryService } from './delivery-service.js'
import { createDeliveryStore } from './delivery-store.js'
import { createWebhookHands } from './webhook-hands.js'
import { DEAD_KEPT_MS } from './webhook-rules.js'
import { createWebhookSender } from './webhook-sender.js'
import { createWebhookService, type WebhookService } from './webhook-service.js'
import { createWebhookStore } from './webhook-store.js'

export { DELIVERING } from './delivery-service.js'
export type { WebhookService } from './webhook-service.js'

const RESEAL_EVERY_MS = 60_000

export interface WebhookNeeds {
  prisma: PrismaClient
  pool: pg.Pool
  cursors: Cursors
  transact: Transact
  afterCommit: (work: () => Promise<void>) => Promise<void>
  clock: Clock
  secrets: Secrets
  log: { warn: (details: object, message: string) => void }
  outbound: Outbound
  audit: AuditStore
  mail: Pick<MailService, 'tell'>
  authority: AuthorityService
  standings: StandingService
  members: MemberService
  events: EventStore
  feed: EventFeed
}

export interface WebhookFeature {
  webhooks: WebhookService
  jobs: Job[]
  metrics: Metric[]
  close: () => Promise<void>
}

export function createWebhooks({ prisma, pool, cursors, ...all }: WebhookNeeds): WebhookFeature {
  const { secrets, clock } = all
  const deliveries = createDeliveryStore({ pool })
  const sender = createWebhookSender(all)
  const store = createWebhookStore({ prisma, pool, cursors })
  const webhooks: WebhookService = createWebhookService({ ...all, store, deliveries, sender, hands: createWebhookHands({ ...all, store }), wake: () => delivering.wake() })
  const delivering = createDeliveryService({ ...all, store: deliveries, sender, disable: (id, why) => webhooks.disable(id, why) })
  return {
    webhooks,
    jobs: [
      delivering.job,
      tableExpiry(pool, { table: 'webhook_deliveries', where: 'dead_at <= $1', before: () => clock.now() - DEAD_KEPT_MS }),
      ...(secrets.previous === null ? [] : [{ name: 'sealing webhooks\' secrets anew', everyMs: RESEAL_EVERY_MS, work: webhooks.reseal }]),
    ],
    metrics: [{ name: 'gatehouse_webhook_messages_total', type: 'counter', help: 'Messages of this node to webhook endpoints, by what came of them', labels: ['outcome'], read: delivering.counts }],
    close: delivering.close,
  }
}
