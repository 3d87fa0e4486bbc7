// Tells endpoints their events. One node is about an endpoint at a time; an endpoint that hangs or fails holds a place among the failing alone, with
// one message at a time, so that it delays nobody else. What is not taken is tried again for three days; while a hundred messages wait, newer events stay
// where they are, so that an endpoint that is down for days makes nothing grow. What whoever gave the operator's endpoints may see is asked anew each second, and whether an
// organization is active: its endpoints are told what its log has, in places of their own that each of them leaves to the next in turn.
import { randomInt } from 'node:crypto'
import type { AuthorityService } from '../authority/index.js'
import type { Transact } from '../database/transaction.js'
import { type EventFeed, type EventRow, type EventSelection, type EventStore, selectionOf, typesFor, viewOf } from '../events/index.js'
import type { Job } from '../jobs/index.js'
import type { Clock } from '../kernel/clock.js'
import { newId } from '../kernel/ids.js'
import { sleep } from '../kernel/timers.js'
import type { ClaimedEndpoint, DeliveryStore, Places, Settlement, WaitingDelivery } from './delivery-store.js'
import { FAILING_MS, MOST_WAITING, TRIED_MS, waitMs } from './webhook-rules.js'
import type { Addressee, Sent, WebhookSender } from './webhook-sender.js'

/** The name of the job that tells endpoints their events: a test runs it. */
export const DELIVERING = 'delivering webhooks'
const EVERY_MS = 1_000
const CLAIMED_MS = 60_000
const OPERATORS: Places = { working: 100, failing: 20 }
const ORGANIZATIONS: Places = { working: 30, failing: 10 }
// of one organization: it cannot take all places
const EACH = 5
// then others of other organizations have their turn
const TURN_MS = 10_000
// less than the connections that one address is given: two endpoints there share them
const MESSAGES_AT_ONCE = 6
const JUDGED_MS = 1_000
const PAUSE_MS = 1_000
const CLOSING_MS = 2_000

type Outcome = 'delivered' | 'failed' | 'given_up'

export interface DeliveryDeps {
  store: DeliveryStore
  sender: WebhookSender
  events: Pick<EventStore, 'page'>
  feed: EventFeed
  authority: Pick<AuthorityService, 'holdOf'>
  /** Disables an endpoint that takes nothing, with an event that says so. */
  disable: (id: string, why: 'failing' | 'gone') => Promise<void>
  transact: Transact
  clock: Clock
  log: { warn: (details: object, message: string) => void }
}

export interface Delivering {
  wake: () => void
  job: Job
  counts: () => Iterable<readonly [{ outcome: Outcome }, number]>
  close: () => Promise<void>
}

/** A message that is to be sent: a new one, or one that waits. */
interface Message {
  event: EventRow
  waiting: WaitingDelivery | null
}

export function createDeliveryService({ store, sender, events, feed, authority, disable, transact, clock, log }: DeliveryDeps): Delivering {
  const counted = new Map<Outcome, number>()
  const running = new Map<Promise<void>, ClaimedEndpoint>()
  let looking: Promise<void> | null = null
  let lookAgain = false
  let isClosing = false
  const now = (): Date => new Date(clock.now())
  const count = (outcome: Outcome, times: number): void => void counted.set(outcome, (counted.get(outcome) ?? 0) + times)

  /** Sends messages at once, those about one subject one after the other: what comes after one that is refused waits like that one. */
  async function sendAll(to: Addressee, secrets: readonly string[], messages: readonly Message[]): Promise<[Message, Sent][]> {
    const lines = new Map<string, Message[]>()
    for (const message of messages) lines.set(message.event.subjectId, [...(lines.get(message.event.subjectId) ?? []), message])
    const sent = await Promise.all([...lines.values()].map(async (line) => {
      const answers: [Message, Sent][] = []
      let refused: Sent | null = null
      for (const message of line) {
        const answer: Sent = refused ?? (await sender.send(to, secrets, viewOf(message.event))) // oxlint-disable-line no-await-in-loop
        if (answer.error !== null) refused = answer
        answers.push([message, answer])
      }
      return answers
    }))
    return sent.flat()
  }

  function settlementOf(sent: readonly [Message, Sent][], dropped: readonly string[]): Settlement {
    const at = now()
    const taken = sent.flatMap(([{ event }, { error }]) => (error === null ? [event.id] : []))
    const refused = sent.flatMap(([message, { error, askedMs }]) => (error === null ? [] : [{ ...message, error, askedMs }]))
    const laterThan = (attempt: number, askedMs: number): Date => new Date(at.getTime() + waitMs(attempt, randomInt(1_000) / 1_000, askedMs))
    const again = refused.flatMap(({ waiting, error, askedMs }) => (waiting === null ? [] : [{
      id: waiting.id, error, nextAt: laterThan(waiting.attempts + 1, askedMs), deadAt: at.getTime() - waiting.firstFailedAt.getTime() >= TRIED_MS ? at : null,
    }]))
    const failed = refused.flatMap(({ waiting, event, error, askedMs }) => (waiting === null ? [{ event, deliveryId: newId(), error, nextAt: laterThan(1, askedMs) }] : []))
    count('delivered', taken.length)
    count('failed', refused.length)
    count('given_up', again.filter(({ deadAt }) => deadAt !== null).length)
    return { taken, failed, again, dropped, error: refused.at(-1)?.error ?? null, now: at, until: new Date(at.getTime() + CLAIMED_MS) }
  }

  /** What may be told at an endpoint now, of what it asks for: what whoever gave it may be told; what an organization's log has, while it is active. */
  async function toldAt({ organizationId, givenBy, givenViaKey, types }: ClaimedEndpoint): Promise<EventSelection & { types: readonly string[] }> {
    if (organizationId !== null) return selectionOf(organizationId, { types, subject: null })
    const { permissions } = await transact((tx) => authority.holdOf(tx, { userId: givenBy, keyId: givenViaKey }))
    return { types: typesFor({ types }, permissions), subject: null }
  }

  async function tell(endpoint: ClaimedEndpoint): Promise<void> {
    const secrets = sender.secretsOf(endpoint)
    const { organizationId } = endpoint
    const beganMs = clock.monotonic()
    let told: Awaited<ReturnType<typeof toldAt>> = { types: [], subject: null }
    let judgedMs = -Infinity
    let waitsUntil: Date | null = null
    /** Sends, and writes down what came of it. False: it is another's from now on. */
    async function batch(messages: readonly Message[], more: Partial<Settlement> = {}, dropped: readonly string[] = []): Promise<boolean> {
      const sent = await sendAll(endpoint, secrets, messages)
      const settled = await store.settle(endpoint, { ...settlementOf(sent, dropped), ...more })
      if (settled === false) return false
      endpoint.failingSince = settled.failingSince
      const isGone = sent.some(([, answer]) => answer.isGone)
      const isFailing = settled.failingSince !== null && clock.now() - settled.failingSince.getTime() >= FAILING_MS
      if (!isGone && !isFailing) return true
      await disable(endpoint.id, isGone ? 'gone' : 'failing')
      return false
    }

    for (;;) {
      if (isClosing) break
      if (clock.monotonic() - judgedMs >= JUDGED_MS) {
        // what happens meanwhile stays where it is, for when the organization is back
        if (organizationId !== null && !(await store.isActive(organizationId))) break
        told = await toldAt(endpoint)
        judgedMs = clock.monotonic()
      }
      const most = endpoint.failingSince === null ? MESSAGES_AT_ONCE : 1
      const { due, count: waiting, nextAt } = await store.waiting(endpoint.id, now(), { due: most, count: MOST_WAITING })
      const { replayPosition: from, replayUntil: to } = endpoint
      const head = feed.head().position
      waitsUntil = null
      if (due.length > 0) {
        const allowed = due.filter(({ event }) => told.types.includes(event.type))
        const dropped = due.filter((one) => !allowed.includes(one)).map(({ event }) => event.id)
        if (!(await batch(allowed.map((one) => ({ event: one.event, waiting: one })), {}, dropped))) return
      } else if (waiting >= MOST_WAITING) {
        waitsUntil = nextAt
        break
      } else if (endpoint.position < head) {
        const { rows, end } = await events.page(endpoint.position, head, told, most)
        if (rows.length > 0 && !(await batch(rows.map((event) => ({ event, waiting: null })), { position: end }))) return
        endpoint.position = end
      } else if (from !== null && to !== null) {
        const { rows, end } = await events.page(from, to, told, most)
        endpoint.replayPosition = end >= to ? null : end
        if (!(await batch(rows.map((event) => ({ event, waiting: null })), { replayPosition: endpoint.replayPosition }))) return
      } else break
      if (endpoint.failingSince !== null) {
        // one message, then others of its kind have their turn
        waitsUntil = new Date(clock.now() + PAUSE_MS)
        break
      }
      if (organizationId !== null && clock.monotonic() - beganMs >= TURN_MS) break
    }
    if (organizationId === null) await store.release(endpoint, waitsUntil, told.types.length === 0 ? 'whoever gave it may see none of its events' : undefined)
    else await store.release(endpoint, waitsUntil ?? now())
  }

  async function work(endpoint: ClaimedEndpoint): Promise<void> {
    try {
      await tell(endpoint)
    } catch (error) {
      // the database is away, or the secret is: whoever finds it when the claim has ended goes on
      log.warn({ err: error, endpoint: endpoint.id }, 'a webhook endpoint could not be told; it is tried again')
    }
  }

  /** How many more may be told at once. */
  function freeOf({ working, failing }: Places, ofOrganizations: boolean): Places {
    const busy = [...running.values()].filter(({ organizationId }) => (organizationId !== null) === ofOrganizations)
    const busyFailing = busy.filter(({ failingSince }) => failingSince !== null).length
    return { working: Math.max(0, working - (busy.length - busyFailing)), failing: Math.max(0, failing - busyFailing) }
  }

  /** Organizations that have as many places as they may. */
  function full(): string[] {
    const busy = new Map<string, number>()
    for (const { organizationId } of running.values()) if (organizationId !== null) busy.set(organizationId, (busy.get(organizationId) ?? 0) + 1)
    return [...busy].flatMap(([id, n]) => (n >= EACH ? [id] : []))
  }

  async function look(): Promise<void> {
    const [operators, organizations] = [freeOf(OPERATORS, false), freeOf(ORGANIZATIONS, true)]
    if (isClosing || operators.working + operators.failing + organizations.working + organizations.failing === 0) return
    const most = { operators, organizations: { ...organizations, each: EACH, full: full() } }
    for (const endpoint of await store.claim(feed.head().position, now(), new Date(clock.now() + CLAIMED_MS), most)) {
      const done: Promise<void> = work(endpoint).finally(() => {
        running.delete(done)
        delivering.wake()
      })
      running.set(done, { ...endpoint })
    }
  }

  function looked(): Promise<void> {
    if (looking) lookAgain = true
    looking ??= look().finally(() => {
      looking = null
      if (lookAgain) delivering.wake()
      lookAgain = false
    })
    return looking
  }

  const stopFollowing = feed.follow(() => delivering.wake())

  const delivering: Delivering = {
    wake() {
      if (!isClosing) looked().catch((error: unknown) => log.warn({ err: error }, 'endpoints of webhooks could not be looked for; it is tried again'))
    },
    job: { name: DELIVERING, everyMs: EVERY_MS, work: looked },
    counts: () => [...counted].map(([outcome, times]) => [{ outcome }, times] as const),
    async close() {
      isClosing = true
      stopFollowing()
      await looking?.catch(() => undefined)
      // what hangs is another node's when its claim has ended
      await Promise.race([Promise.all(running.keys()), sleep(CLOSING_MS)])
    },
  }
  return delivering
}
