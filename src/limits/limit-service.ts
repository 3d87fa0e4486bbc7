// Limits that are not written on a key: those of namespaces, which are asked by POST /limits/check, and those all keys of an
// owner share. And who may change a key's limits for one request.
import { hash } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import type { Caller } from '../kernel/principal.js'
import { holds } from '../kernel/permissions.js'
import type { AuditStore } from '../audit/index.js'
import type { AuthorityService } from '../authority/index.js'
import type { Transact } from '../database/transaction.js'
import type { Clock } from '../kernel/clock.js'
import { isProblem, problem } from '../kernel/errors.js'
import { expectedVersion } from '../kernel/etag.js'
import { newId } from '../kernel/ids.js'
import type { ListQuery, PageText } from '../kernel/page.js'
import type { Bus, LimitStore } from '../shared-store/shared-store.js'
import type { LimitDefinitionStore, NamespaceRow, OwnerRow } from './limit-definition-store.js'
import { type Bound, chargeOf, checkLimits, type Limit, type LimitReport, readLimits, reportOf, retryAfterSeconds } from './limit-rules.js'

export interface NamespaceView {
  id: string
  namespace: string
  limits: Limit[]
  version: number
  createdAt: string
  updatedAt: string
}

export interface OwnerLimitsView {
  /** of the owner */
  id: string
  limits: Limit[]
  /** 1: never set */
  version: number
  updatedAt: string
}

export interface CheckInput {
  namespace: string
  identifier: string
  cost?: number
  dryRun?: boolean
}

export interface CheckAnswer {
  allowed: boolean
  limits: LimitReport[]
  /** when refused; null: the cost is above a quota */
  retryAfterSeconds?: number | null
}

export interface LimitService {
  list: (query: ListQuery) => Promise<PageText>
  /** Throws namespace.not_found. */
  find: (namespace: string) => Promise<NamespaceView>
  /**
   * Creates a namespace, or replaces its limits when `ifMatch` names it as it is. Throws precondition.required,
   * precondition.failed, request.invalid.
   */
  put: (caller: Caller, namespace: string, ifMatch: string | undefined, limits: Limit[]) => Promise<{ created: boolean; view: NamespaceView }>
  /** Throws namespace.not_found, precondition.failed. */
  remove: (caller: Caller, namespace: string, ifMatch: string | undefined) => Promise<void>
  /** Throws user.not_found. */
  findOwner: (id: string) => Promise<OwnerLimitsView>
  /** Throws user.not_found, precondition.failed, request.invalid. */
  putOwner: (caller: Caller, id: string, expected: number | '*', limits: Limit[]) => Promise<OwnerLimitsView>
  /** Charges an identifier against all limits of a namespace, or none. Throws namespace.not_found. */
  check: (input: CheckInput) => CheckAnswer | Promise<CheckAnswer>
  /** Asks about keys whose limits the request lowers, for who may do that. Throws access.denied, which is audited, also when `ask` does: nobody may raise them. */
  override: <T>(caller: Caller, ask: () => T | Promise<T>) => Promise<T>
}

export interface LimitServiceDeps {
  store: LimitDefinitionStore
  /** what was held at the request's start may be gone at its commit */
  authority: Pick<AuthorityService, 'require'>
  limits: LimitStore
  bus: Bus
  audit: AuditStore
  transact: Transact
  afterCommit: (work: () => Promise<void>) => Promise<void>
  /** to be called after what nodes remember of keys has changed */
  publishRevocations: () => Promise<unknown>
  clock: Clock
}

const WRITE = 'gatehouse:limits.write'
const OVERRIDE = 'gatehouse:limits.override'
const CHANNEL = 'limits'
/** A changed namespace is in force everywhere after this at the latest, also when the bus lost the message. */
const REMEMBERED_MS = 1_000

function viewOf({ id, namespace, limits, version, createdAt, updatedAt }: NamespaceRow): NamespaceView {
  return { id, namespace, limits, version, createdAt: createdAt.toISOString(), updatedAt: updatedAt.toISOString() }
}

function ownerView({ id, limits, version, updatedAt }: OwnerRow): OwnerLimitsView {
  return { id, limits, version, updatedAt: updatedAt.toISOString() }
}

export function createLimitService({ store, authority, limits: counters, bus, audit, transact, afterCommit, publishRevocations, clock }: LimitServiceDeps): LimitService {
  const definitions = new LRUCache<string, NamespaceView>({ max: 10_000, ttl: REMEMBERED_MS, perf: { now: clock.monotonic }, ttlResolution: 0 })
  // at most once: what it misses is forgotten by time
  bus.subscribe(CHANNEL, (namespace) => definitions.delete(namespace)).catch(() => undefined)
  const tell = (namespace: string): Promise<void> => afterCommit(() => bus.publish(CHANNEL, namespace))

  async function find(namespace: string): Promise<NamespaceView> {
    const row = await store.find(namespace)
    if (!row) throw problem('namespace.not_found')
    return viewOf(row)
  }

  function charged({ id, limits: stored }: NamespaceView, { identifier, cost = 1, dryRun }: CheckInput): CheckAnswer | Promise<CheckAnswer> {
    // an identifier may be a person's: it is counted under its hash. The braces keep the counters of one in one slot
    const counter = `ns:{${id}:${hash('sha256', identifier, 'base64url').slice(0, 27)}}`
    const limits = readLimits(stored)
    const bound: Bound = { limits, charges: limits.map((limit) => chargeOf(`${counter}:${limit.name}`, limit, cost)) }
    const answer = ({ allowed, states, retryAfterMs }: Awaited<ReturnType<LimitStore['take']>>): CheckAnswer => {
      const reports = reportOf(bound, states, counters.guarantee)
      return allowed ? { allowed, limits: reports } : { allowed, limits: reports, retryAfterSeconds: retryAfterSeconds(retryAfterMs) }
    }
    const decision = counters.take(bound.charges, dryRun)
    return decision instanceof Promise ? decision.then(answer) : answer(decision)
  }

  async function create(caller: Caller, namespace: string, limits: Limit[]): Promise<NamespaceView> {
    const now = new Date(clock.now())
    const row = await transact(async (tx) => {
      await authority.require(tx, caller, WRITE)
      const inserted = await store.insert(tx, { id: newId(), namespace, limits, createdAt: now, updatedAt: now })
      if (!inserted) throw problem('precondition.required', { detail: 'The namespace exists: If-Match must name it as it is' })
      await audit.record(tx, caller, { action: 'limits.created', targetType: 'namespace', targetId: namespace, details: { limits: JSON.stringify(limits) } })
      return inserted
    })
    return viewOf(row)
  }

  async function replace(caller: Caller, { id, namespace, version }: NamespaceRow, ifMatch: string | undefined, limits: Limit[]): Promise<NamespaceView> {
    const expected = expectedVersion(ifMatch, id)
    const row = await transact(async (tx) => {
      await authority.require(tx, caller, WRITE)
      const updated = await store.update(tx, id, expected === '*' ? version : expected, limits, new Date(clock.now()))
      if (!updated) throw problem('precondition.failed')
      await audit.record(tx, caller, { action: 'limits.updated', targetType: 'namespace', targetId: namespace, details: { limits: JSON.stringify(limits) } })
      return updated
    })
    return viewOf(row)
  }

  return {
    find,
    list: (query) => store.list(query),
    async put(caller, namespace, ifMatch, limits) {
      checkLimits(limits)
      const row = await store.find(namespace)
      if (!row && ifMatch !== undefined) throw problem('precondition.failed')
      const view = row ? await replace(caller, row, ifMatch, limits) : await create(caller, namespace, limits)
      await tell(namespace)
      return { created: row === null, view }
    },
    async remove(caller, namespace, ifMatch) {
      const row = await store.find(namespace)
      if (!row) throw problem('namespace.not_found')
      const expected = ifMatch === undefined ? '*' : expectedVersion(ifMatch, row.id)
      await transact(async (tx) => {
        await authority.require(tx, caller, WRITE)
        if (!(await store.delete(tx, row.id, expected === '*' ? row.version : expected))) throw problem('precondition.failed')
        await audit.record(tx, caller, { action: 'limits.deleted', targetType: 'namespace', targetId: namespace })
      })
      await tell(namespace)
    },
    async findOwner(id) {
      const row = await store.findOwner(id)
      if (!row) throw problem('user.not_found')
      return ownerView(row)
    },
    async putOwner(caller, id, expected, limits) {
      checkLimits(limits)
      const before = await store.findOwner(id)
      if (!before) throw problem('user.not_found')
      const row = await transact(async (tx) => {
        await authority.require(tx, caller, WRITE)
        const updated = await store.updateOwner(tx, id, expected === '*' ? before.version : expected, limits, new Date(clock.now()))
        if (!updated) throw problem('precondition.failed')
        await audit.record(tx, caller, { action: 'limits.updated', targetType: 'user', targetId: id, details: { limits: JSON.stringify(limits) } })
        return updated
      })
      await publishRevocations()
      return ownerView(row)
    },
    check(input) {
      const definition = definitions.get(input.namespace)
      if (definition) return charged(definition, input)
      return find(input.namespace).then((read) => {
        definitions.set(input.namespace, read)
        return charged(read, input)
      })
    },
    async override(caller, ask) {
      try {
        if (!caller.principal || !holds(caller.principal.permissions, OVERRIDE)) {
          throw problem('access.denied', { detail: `Limits can be lowered for a request by who holds ${OVERRIDE}` })
        }
        return await ask()
      } catch (error) {
        if (isProblem(error, 'access.denied')) {
          await audit.refused(caller, { action: 'access.denied', targetType: 'limits', targetId: '', details: { needs: [OVERRIDE] } })
        }
        throw error
      }
    },
  }
}
