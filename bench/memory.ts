// What a credential in memory costs: the real authorizer and the real decision cache in a process of their own, filled with keys as
// the database's driver would hand them over, and the growth of the heap after garbage collections. Run with --expose-gc.
import { PerformanceObserver } from 'node:perf_hooks'
import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import { createCredentialStore } from '../src/decisions/credential-store.js'
import { createDecisionCache, type DecisionCache } from '../src/decisions/decision-cache.js'
import { createAuthorizer, type Authorizer } from '../src/decisions/authorizer.js'
import { createRevocations } from '../src/revocation/revocations.js'
import { systemClock } from '../src/kernel/clock.js'
import { newId } from '../src/kernel/ids.js'
import { formatKey } from '../src/keys/key-format.js'
import { answerMemory, usedBytes } from './memory-process.js'
import type { MemoryOrder, MemoryResult } from './protocol.js'

const LEASE_MS = 60_000
const AT_ONCE = 100
const WARM_UP_ENTRIES = 2_000
const TEXT_ARRAY = 1009
const JSONB = 3802

// the driver's types know its parsers only by name, and arrays have none
const types = pg.types as unknown as { getTypeParser: (type: number, format: 'text') => (value: string) => unknown }

/** A string of its own, as it comes off the wire. */
function text(value: string): string {
  return Buffer.from(value).toString()
}

/** A value that is read by the driver's own parser of that type. */
function column(type: number, value: string): unknown {
  return types.getTypeParser(type, 'text')(text(value))
}

function rowOf(at: number, withLimit: boolean): object {
  return {
    as_of: 1, id: text(newId()), owner_id: text(newId()), organization_id: null, owner_active: true, name: text(`memory key ${at}`),
    permissions: column(TEXT_ARRAY, '{reports:read}'), limits: column(JSONB, withLimit ? '[{"name":"calls","quota":1000,"windowSeconds":60}]' : '[]'),
    limit_group_id: text(newId()), metadata: column(JSONB, '{"plan":"free"}'), owner_limits: null, revoked: false, expires_at_ms: null,
    addresses: column(TEXT_ARRAY, '{}'), owner_addresses: column(TEXT_ARRAY, '{}'), roles: column(TEXT_ARRAY, '{member}'), owner_permissions: null,
  }
}

/** The statement's answer without the statement, for one key or for many: nothing but the driver's pool is left out. */
function fakePool(withLimit: boolean): pg.Pool {
  let made = 0
  return {
    query: async ({ values: [asked] }: { values: unknown[] }) => ({
      rows: Array.from({ length: Array.isArray(asked) ? asked.length : 1 }, (_, at) => ({ asked_at: at + 1, ...rowOf(made++, withLimit) })),
    }),
  } as unknown as pg.Pool
}

function unused(): never {
  throw new Error('the memory row asks for no such thing')
}

interface Filled {
  cache: DecisionCache
  authorizer: Authorizer
}

/** A cache that holds as many keys, each owned by somebody else. */
async function fill({ entries, withLimit }: MemoryOrder): Promise<Filled> {
  const revocations = createRevocations({ clock: systemClock, leaseMs: LEASE_MS })
  revocations.applyPoll({ startedAt: revocations.now(), server: 'memory', head: 1, rows: [] })
  const cache = createDecisionCache({ revocations, restore: async () => {}, maxEntries: entries, maxBytes: 2 ** 32 })
  const authorizer = createAuthorizer({
    store: createCredentialStore({ pool: fakePool(withLimit) }), cache, tokens: { verify: unused }, userinfo: unused, readCookie: unused, limits: { take: unused, guarantee: unused },
    lastUsed: { key: () => {}, session: unused, flush: unused, close: unused }, clock: systemClock, config: { sessionIdleSeconds: 60 },
  })
  for (let done = 0; done < entries; done += AT_ONCE) {
    await Promise.all(Array.from({ length: Math.min(AT_ONCE, entries - done) }, async () => authorizer.authenticate({ kind: 'key', value: formatKey('gk').key }, '127.0.0.1')))
  }
  return { cache, authorizer }
}

/** Gives, when it is called, the ms of each garbage collection since. */
function watchCollections(): () => number[] {
  const durations: number[] = []
  const note = (entries: readonly { duration: number }[]): void => void durations.push(...entries.map(({ duration }) => duration))
  const observer = new PerformanceObserver((list) => note(list.getEntries()))
  observer.observe({ entryTypes: ['gc'] })
  return () => {
    note(observer.takeRecords())
    observer.disconnect()
    return durations
  }
}

async function measure(order: MemoryOrder): Promise<MemoryResult> {
  // the code itself and what it keeps once are there before the first look
  await fill({ ...order, entries: WARM_UP_ENTRIES })
  const beforeBytes = usedBytes()
  const pauses = watchCollections()
  const beganMs = performance.now()
  const { cache, authorizer } = await fill(order)
  const fillMs = performance.now() - beganMs
  // collections are told of on a later turn of the loop
  await delay(50)
  const durations = pauses()
  const bytes = usedBytes() - beforeBytes
  // in use after the last collection, so that none of them could take it away
  await authorizer.authenticate({ kind: 'key', value: formatKey('gk').key }, '127.0.0.1')
  const entries = cache.entries()
  return {
    entries, bytesEach: bytes / entries, estimatedEach: cache.bytes() / entries, fillMs,
    longestPauseMs: Math.max(0, ...durations), allPausesMs: durations.reduce((sum, one) => sum + one, 0),
  }
}

answerMemory(measure)
