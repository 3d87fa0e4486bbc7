// Endpoints as those see them who manage them (webhook-hands.ts): checked, versioned, audited. Whoever says where the operator's events go, or gets what signs them, is from then
// on the one whose sight decides what is told there: nobody is told by a webhook what they may not read. An organization's is told what its log has. A secret is told once.
import type { AuditStore } from '../audit/index.js'
import type { Transact, Tx } from '../database/transaction.js'
import { type EventFeed, type EventStore, readTypes } from '../events/index.js'
import type { Clock } from '../kernel/clock.js'
import { problem } from '../kernel/errors.js'
import { isUuid, newId } from '../kernel/ids.js'
import type { ListQuery, PageText } from '../kernel/page.js'
import type { Caller } from '../kernel/principal.js'
import { isUnder, type Secrets } from '../kernel/secrets.js'
import { plainText } from '../kernel/text.js'
import type { MailService } from '../mail/index.js'
import type { MemberService } from '../organizations/index.js'
import { type Outbound, OutboundError, wayOfOwner } from '../outbound/index.js'
import type { DeliveryStore } from './delivery-store.js'
import type { Hand, WebhookHands } from './webhook-hands.js'
import { MOST_WAITING, newSecret } from './webhook-rules.js'
import { PURPOSE, type WebhookSender } from './webhook-sender.js'
import type { WebhookRow, WebhookStore } from './webhook-store.js'

export interface WebhookFields {
  url: string
  description?: string
  types?: string[]
}

export interface WebhookView {
  id: string
  url: string
  description: string
  types: string[]
  enabled: boolean
  disabledFor: string | null
  givenBy: string
  givenViaKey: string | null
  previousSecretUntil: string | null
  failingSince: string | null
  lastSuccessAt: string | null
  lastError: string | null
  version: number
  createdAt: string
  updatedAt: string
}

/** `of`: the organization whose endpoints are meant, for its people, each of which may throw organization.not_found and access.denied then; without, the operator's. */
export interface WebhookService {
  list: (caller: Caller, query: ListQuery, of?: string) => Promise<PageText>
  /** Throws webhook.not_found. */
  find: (caller: Caller, id: string, of?: string) => Promise<WebhookView>
  /** Refuses who may not write an organization's, as far as the request's credential tells: each change asks again, at the commit. */
  mayWrite: (caller: Caller, of: string) => Promise<void>
  /** With its secret, which is told this once. Throws access.denied, permission.not_held, request.invalid, webhook.cap_reached. */
  create: (caller: Caller, fields: WebhookFields, of?: string) => Promise<WebhookView & { secret: string }>
  /** Throws access.denied, permission.not_held, request.invalid, webhook.not_found, precondition.failed. */
  update: (caller: Caller, id: string, expected: number | '*', patch: Partial<WebhookFields> & { enabled?: boolean }, of?: string) => Promise<WebhookView>
  /** Throws access.denied, webhook.not_found, precondition.failed. */
  remove: (caller: Caller, id: string, expected: number | '*', of?: string) => Promise<void>
  /** A new secret; messages are signed by the one before, too, for so many hours. Throws like `update`. */
  rotate: (caller: Caller, id: string, overlapHours: number, of?: string) => Promise<WebhookView & { secret: string }>
  /** Sends a message that tells of nothing, at once and once. Throws access.denied, webhook.not_found. */
  test: (caller: Caller, id: string, of?: string) => Promise<{ delivered: boolean; error: string | null }>
  /** Has one event, or all since a time, told once more. Throws access.denied, webhook.not_found, webhook.full, events.expired. */
  replay: (caller: Caller, id: string, what: { eventId: string } | { since: string }, of?: string) => Promise<void>
  /** What an endpoint has not taken. Throws webhook.not_found. */
  failures: (caller: Caller, id: string, query: ListQuery, of?: string) => Promise<PageText>
  disable: (id: string, why: 'failing' | 'gone') => Promise<void>
  /** Writes anew, under GATEHOUSE_SECRET, what is still under the one before it. */
  reseal: () => Promise<void>
}

export interface WebhookServiceDeps {
  store: WebhookStore
  deliveries: DeliveryStore
  sender: WebhookSender
  hands: WebhookHands
  events: Pick<EventStore, 'byId' | 'positionBefore'>
  feed: EventFeed
  wake: () => void
  outbound: Pick<Outbound, 'check'>
  audit: AuditStore
  mail: Pick<MailService, 'tell'>
  members: Pick<MemberService, 'ownersOf'>
  transact: Transact
  afterCommit: (work: () => Promise<void>) => Promise<void>
  secrets: Secrets
  clock: Clock
}

const HOUR_MS = 3_600_000
// nobody acts: it happens by itself
const ITSELF: Caller = { principal: null, address: '', userAgent: '', requestId: 'webhooks', host: true }

const textOf = (date: Date | null): string | null => date?.toISOString() ?? null

function viewOf({ id, url, description, types, enabled, disabledFor, givenBy, givenViaKey, previousUntil, failingSince, lastSuccessAt, lastError, version, createdAt, updatedAt }: WebhookRow): WebhookView {
  return {
    id, url, description, types, enabled, disabledFor, givenBy, givenViaKey, previousSecretUntil: textOf(previousUntil), failingSince: textOf(failingSince), lastSuccessAt: textOf(lastSuccessAt), lastError,
    version, createdAt: createdAt.toISOString(), updatedAt: updatedAt.toISOString(),
  }
}

/** Whose sight decides from now on. */
function giverOf({ principal }: Caller): { givenBy: string; givenViaKey: string | null } {
  if (!principal) throw problem('credentials.missing')
  return { givenBy: principal.id, givenViaKey: principal.keyId ?? null }
}

export function createWebhookService({ store, deliveries, sender, hands, events, feed, wake, outbound, audit, mail, members, transact, afterCommit, secrets, clock }: WebhookServiceDeps): WebhookService {
  const now = (): Date => new Date(clock.now())

  function check<F extends Partial<WebhookFields>>(fields: F, of: string | undefined): F {
    try {
      if (fields.url !== undefined) outbound.check(fields.url, wayOfOwner(of ?? null))
    } catch (error) {
      if (error instanceof OutboundError) throw problem('request.invalid', { errors: [{ path: '/url', message: `cannot be asked: ${error.message}` }] })
      throw error
    }
    const description = fields.description === undefined ? undefined : plainText(fields.description)
    if (description === null) throw problem('request.invalid', { errors: [{ path: '/description', message: 'holds characters that are not seen' }] })
    return { ...fields, ...(fields.types ? { types: readTypes(fields.types.length === 0 ? undefined : fields.types.join(',')) } : {}), ...(description === undefined ? {} : { description }) }
  }

  const record = (tx: Tx, caller: Caller, verb: string, { id, organizationId, url, types }: Pick<WebhookRow, 'id' | 'organizationId' | 'url' | 'types'>, more: Record<string, string | number | boolean> = {}): Promise<void> =>
    // of the URL its origin: the rest may be all that keeps others from posting there
    audit.record(tx, caller, { action: `webhook.${verb}`, targetType: 'webhook', targetId: id, details: { origin: new URL(url).origin, types, ...(organizationId === null ? {} : { organizationId }), ...more } })

  async function open(tx: Tx, caller: Caller, id: string, expected: number | '*', of: string | undefined): Promise<{ row: WebhookRow; hand: Hand }> {
    const hand = await hands.enter(tx, caller, of)
    const row = isUuid(id) ? await store.lock(tx, id, of) : null
    if (!row) throw problem('webhook.not_found')
    if (expected !== '*' && expected !== row.version) throw problem('precondition.failed')
    return { row, hand }
  }

  async function found(caller: Caller, id: string, of: string | undefined): Promise<WebhookRow> {
    await hands.see(caller, of)
    const row = isUuid(id) ? await store.find(id, of) : null
    if (!row) throw problem('webhook.not_found')
    return row
  }

  const seal = (id: string, secret: string): Uint8Array<ArrayBuffer> => Uint8Array.from(secrets.encrypt(PURPOSE, id, secret))
  const soon = (): Promise<void> => afterCommit(async () => wake())
  /** Where an endpoint begins: with what happens from now on. Asked by who may write: whoever may not has nothing looked for, by which an organization could be told from none. */
  async function here(caller: Caller, of: string | undefined): Promise<bigint> {
    await hands.mayWrite(caller, of)
    await feed.look()
    return BigInt(feed.head().position)
  }

  return {
    async list(caller, query, of) {
      await hands.see(caller, of)
      return store.list(query, of)
    },
    find: async (caller, id, of) => viewOf(await found(caller, id, of)),
    mayWrite: hands.mayWrite,

    async create(caller, input, of) {
      const { url, description = '', types = [] } = check(input, of)
      const position = await here(caller, of)
      return transact(async (tx) => {
        const hand = await hands.enter(tx, caller, of)
        hand.refuseUnseen(types)
        const giver = giverOf(caller)
        await hand.guardCap(giver.givenBy)
        const id = newId()
        const secret = newSecret()
        const row = await store.insert(tx, { id, organizationId: of ?? null, url, description, types, secretCiphertext: seal(id, secret), ...giver, position, createdAt: now(), updatedAt: now() })
        await record(tx, caller, 'created', row)
        return { ...viewOf(row), secret }
      })
    },

    async update(caller, id, expected, input, of) {
      const { url, description, types, enabled } = check(input, of)
      const position = await here(caller, of)
      return transact(async (tx) => {
        const { row: before, hand } = await open(tx, caller, id, expected, of)
        const leads = (url !== undefined && url !== before.url) || types !== undefined || (enabled === true && !before.enabled)
        if (leads) hand.refuseUnseen(types ?? before.types)
        const row = await store.update(tx, id, {
          ...(url === undefined ? {} : { url }), ...(description === undefined ? {} : { description }), ...(types ? { types } : {}), ...(leads ? giverOf(caller) : {}),
          ...(enabled === true && !before.enabled ? { enabled, disabledFor: null, position, failingSince: null, waitsUntil: null } : {}),
          ...(enabled === false && before.enabled ? { enabled, disabledFor: 'asked' } : {}), updatedAt: now(),
        })
        await record(tx, caller, 'updated', row, { enabled: row.enabled })
        await soon()
        return viewOf(row)
      })
    },

    remove: (caller, id, expected, of) => transact(async (tx) => {
      const { row } = await open(tx, caller, id, expected, of)
      await store.delete(tx, id)
      await record(tx, caller, 'deleted', row)
    }),

    rotate: (caller, id, overlapHours, of) => transact(async (tx) => {
      const { row: before, hand } = await open(tx, caller, id, '*', of)
      hand.refuseUnseen(before.types)
      const secret = newSecret()
      const row = await store.update(tx, id, {
        secretCiphertext: seal(id, secret), ...giverOf(caller), updatedAt: now(),
        ...(overlapHours > 0 ? { previousCiphertext: Uint8Array.from(before.secretCiphertext), previousUntil: new Date(clock.now() + overlapHours * HOUR_MS) } : { previousCiphertext: null, previousUntil: null }),
      })
      await record(tx, caller, 'secret_rotated', row, { overlapHours })
      return { ...viewOf(row), secret }
    }),

    async test(caller, id, of) {
      const { row, giver } = await transact(async (tx) => ({ row: (await open(tx, caller, id, '*', of)).row, giver: giverOf(caller) }))
      const event = {
        id: newId(), type: 'webhook.test', at: now().toISOString(), subject: { type: 'webhook', id }, actor: { type: giver.givenViaKey === null ? 'user' : 'key', id: giver.givenBy }, requestId: caller.requestId, data: {},
      }
      const { error } = await sender.send(row, sender.secretsOf(row), event)
      return { delivered: error === null, error }
    },

    async replay(caller, id, what, of) {
      // before anything is looked up: whoever may not look learns not even that there is such an event
      await hands.mayWrite(caller, of)
      await feed.look()
      const event = 'eventId' in what ? await events.byId(what.eventId, of) : null
      if ('eventId' in what && !event) throw problem('events.expired')
      // asked before the transaction, which must not wait for a second connection
      const from = 'since' in what ? await events.positionBefore(new Date(what.since)) : null
      await transact(async (tx) => {
        const { row, hand } = await open(tx, caller, id, '*', of)
        if (of !== undefined) hand.refuseUnseen(row.types)
        if (from !== null) await store.update(tx, id, { replayPosition: from, replayUntil: feed.head().position, waitsUntil: null })
        if (event && !(await deliveries.enqueue(tx, id, newId(), event, now()))) throw problem('webhook.full', { detail: `${MOST_WAITING} messages wait` })
        await record(tx, caller, 'replayed', row, what)
        await soon()
      })
    },

    async failures(caller, id, query, of) {
      const { id: endpointId } = await found(caller, id, of)
      return store.listFailures(endpointId, query)
    },

    disable: (id, why) => transact(async (tx) => {
      const before = await store.lockAny(tx, id)
      if (!before?.enabled) return
      const row = await store.update(tx, id, { enabled: false, disabledFor: why, updatedAt: now() })
      await record(tx, ITSELF, 'disabled', row, { why })
      // what they wrote as its address is not repeated
      const facts = { endpoint: id, why, at: row.updatedAt.toISOString() }
      if (row.organizationId === null) return mail.tell(tx, before.givenBy, { kind: 'webhook.disabled', facts })
      // its own people: whoever gave it may have left
      const { name, owners } = await members.ownersOf(tx, row.organizationId)
      for (const userId of owners) await mail.tell(tx, userId, { kind: 'organization.webhook_disabled', facts: { ...facts, organization: name } })
    }),

    async reseal() {
      const { previous } = secrets
      const sealed = previous === null ? [] : (await store.sealed()).filter(({ id, secretCiphertext }) => isUnder(previous, PURPOSE, id, secretCiphertext))
      for (const { id, secretCiphertext, previousCiphertext } of sealed) {
        const anew = (text: Uint8Array): Uint8Array => seal(id, secrets.decrypt(PURPOSE, id, text))
        await store.reseal(id, secretCiphertext, anew(secretCiphertext), previousCiphertext && anew(previousCiphertext)) // oxlint-disable-line no-await-in-loop
      }
    },
  }
}
