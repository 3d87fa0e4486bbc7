// Ends many keys on one word: all that match a filter, and what they issued in turn. What is begun is written down first, so that a node
// that dies leaves nothing half done: the next one goes on. Keys that may do more within Gatehouse than who asked are left, and counted.
import type { Caller } from '../kernel/principal.js'
import type { AuditStore } from '../audit/index.js'
import { type AuthorityService, type Held, issuerOf, refuseWithout } from '../authority/index.js'
import type { Transact, Tx } from '../database/transaction.js'
import type { Clock } from '../kernel/clock.js'
import { problem } from '../kernel/errors.js'
import { newId } from '../kernel/ids.js'
import { ALL_OF_GATEHOUSE, holds, isOfGatehouse, lacking } from '../kernel/permissions.js'
import { BRAKE, WRITE } from './key-authority.js'
import type { KeyFilter } from './key-filter.js'
import type { KeySweepStore, SweepRow } from './key-sweep-store.js'

export interface SweepAnswer {
  /** live keys that the filter names, and that the caller may end; up to 100,000 */
  matched: number
  /** ended, with what they issued */
  revoked: number
  /** beyond the caller's reach */
  left: number
  /** goes on after this answer */
  pending: boolean
  /** keys made later are not swept */
  sweptBefore: string
  sweepId?: string
}

export interface KeySweepService {
  /** Counts, or ends. Throws access.denied, request.invalid, and keys.unexpected_count when `expect` is not what matches. */
  revokeAll: (caller: Caller, input: { filter: KeyFilter; dryRun?: boolean; expect?: number }) => Promise<SweepAnswer>
  /** Notes a sweep in the transaction that closes whom it is about. Everything that matches is swept, whenever it was made. */
  begin: (tx: Tx, caller: Caller, held: Held, filter: KeyFilter) => Promise<string>
  /** The same for what one key has issued, or rotated. */
  beginBelow: (tx: Tx, caller: Caller, held: Held, keyId: string) => Promise<string>
  /** Goes on with a sweep for a few steps; what has come of it so far. */
  run: (id: string) => Promise<{ revoked: number; left: number; pending: boolean }>
  /** Goes on with every sweep that is due, for a while; one that fails is put off, longer each time. Throws, at the end, what kept any of them from it. */
  runPending: () => Promise<void>
  prune: () => Promise<number>
}

export interface KeySweepDeps {
  store: KeySweepStore
  authority: AuthorityService
  audit: AuditStore
  transact: Transact
  clock: Clock
  publishRevocations: () => Promise<void>
}

export const STEP = 500
// about a second's work: the rest is for the job
const STEPS_AT_ONCE = 2
const STEPS_A_RUN = 40
const FOREVER = new Date('9999-12-31T00:00:00.000Z')
// of a sweep that fails: a second, two, four, up to a minute
const MOST_WAIT_MS = 60_000
const KEPT_MS = 30 * 86_400_000

/** What of Gatehouse's a key may carry to be within reach: everything, for the brake. */
function reachOf({ permissions }: Held): string[] {
  return holds(permissions, BRAKE) ? [ALL_OF_GATEHOUSE] : permissions.filter(isOfGatehouse)
}

const isWithin = (reach: readonly string[], permissions: readonly string[]): boolean => lacking(reach, permissions.filter(isOfGatehouse)).length === 0

export function createKeySweepService({ store, authority, audit, transact, clock, publishRevocations }: KeySweepDeps): KeySweepService {
  const now = (): Date => new Date(clock.now())

  async function write(tx: Tx, caller: Caller, held: Held, filter: KeyFilter, before: Date): Promise<string> {
    // whoever may stop a person, or end a key of their own, may not by that end those of others
    refuseWithout(held, WRITE, BRAKE)
    const id = newId()
    const { by, via } = issuerOf(caller)
    await store.insert(tx, { id, filter, reach: reachOf(held), requestedBy: by ?? '', requestedVia: via, before }, now())
    await audit.record(tx, caller, { action: 'keys.swept', targetType: 'sweep', targetId: id, details: { filter: JSON.stringify(filter) } })
    return id
  }

  /** One transaction's worth. False: there is nothing left to do, or another node is at it. */
  async function step(id: string): Promise<boolean> {
    const went = await transact(async (tx) => {
      const sweep = await store.claim(tx, id)
      if (!sweep) return false
      const { keys, isLast, lastId } = await store.next(tx, sweep, STEP, now())
      const within = keys.filter(({ permissions }) => isWithin(sweep.reach, permissions))
      const ended = within.filter(({ isLive }) => isLive)
      await store.revoke(tx, ended.map((key) => key.id), now())
      await audit.recordAll(tx, byRequester(sweep), ended.map(({ id: keyId, ownerId }) => ({
        action: 'key.revoked', targetType: 'key', targetId: keyId, details: { ownerUserId: ownerId, sweep: sweep.id }, ...(sweep.requestedBy === '' ? {} : { actorUserId: sweep.requestedBy }),
      })))
      const [, ...rest] = sweep.frontier
      // each once: keys may have issued, rotated and widened one another in a circle
      const seen = new Set(sweep.visited)
      const parents = within.filter(({ isParent, id: keyId }) => isParent && !seen.has(keyId)).map((key) => key.id)
      const frontier = [...(isLast ? rest : sweep.frontier), ...parents]
      const next = { ...sweep, frontier, visited: [...sweep.visited, ...parents], cursor: isLast ? null : lastId, revoked: sweep.revoked + ended.length, left: sweep.left + keys.filter((key) => key.isLive && !within.includes(key)).length }
      await store.save(tx, next, frontier.length === 0 ? now() : null)
      return frontier.length > 0
    })
    await publishRevocations()
    return went
  }

  async function run(id: string, steps = STEPS_AT_ONCE): Promise<{ revoked: number; left: number; pending: boolean }> {
    for (let at = 0; at < steps; at += 1) {
      if (!(await step(id))) break
    }
    const state = await store.find(id)
    return { revoked: state?.revoked ?? 0, left: state?.left ?? 0, pending: state !== null && !state.isFinished }
  }

  return {
    async revokeAll(caller, { filter, dryRun = false, expect }) {
      if (Object.keys(filter).length === 0) throw problem('request.invalid', { errors: [{ path: '/filter', message: 'must name something' }] })
      const before = now()
      const begun = await transact(async (tx) => {
        // a filter's issuer who stays open: what they have under way commits before the sweep, what comes later is not swept
        const issuers = [filter.issuedBy, filter.secretTo].flatMap((one) => one ?? [])
        const held = await authority.hold(tx, caller, dryRun ? {} : { narrowedUsers: issuers })
        refuseWithout(held, WRITE, BRAKE)
        const { matched, left } = await store.count(tx, filter, reachOf(held), before)
        if (expect !== undefined && expect !== matched) throw problem('keys.unexpected_count', { detail: `The filter names ${matched} keys now` })
        return { matched, left, id: dryRun ? null : await write(tx, caller, held, filter, before) }
      })
      const answer = { matched: begun.matched, sweptBefore: before.toISOString() }
      if (begun.id === null) return { ...answer, revoked: 0, left: begun.left, pending: false }
      return { ...answer, ...(await run(begun.id)), sweepId: begun.id }
    },
    begin: (tx, caller, held, filter) => write(tx, caller, held, filter, FOREVER),
    beginBelow: (tx, caller, held, keyId) => write(tx, caller, held, { childrenOf: keyId }, FOREVER),
    run,
    async runPending() {
      // one that cannot go on keeps no other from it
      const failures: unknown[] = []
      for (const sweep of await store.due(now())) {
        try {
          await run(sweep.id, STEPS_A_RUN)
        } catch (error) {
          failures.push(error)
          const waitMs = Math.min(MOST_WAIT_MS, 1_000 * 2 ** Math.min(sweep.attempts, 10))
          // the database may be what failed: then it is due as it was
          await store.putOff(sweep, new Date(clock.now() + waitMs)).catch((failed: unknown) => failures.push(failed))
        }
      }
      if (failures.length > 0) throw new AggregateError(failures, `${failures.length} sweeps of keys cannot go on`)
    },
    prune: () => store.prune(new Date(clock.now() - KEPT_MS)),
  }
}

/** A sweep goes on after its request: its rows in the audit log are of who asked for it. */
function byRequester({ requestedVia }: SweepRow): Caller {
  return { principal: null, address: '', userAgent: '', requestId: `sweep ${requestedVia}`.slice(0, 100) }
}
