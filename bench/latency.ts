// Latency at half of what the server can do, while a million keys are in use and the decision cache has room for a tenth.
import { bearer } from './api.js'
import { type DrawKind, keyOfRank } from './draws.js'
import type { Gatehouse } from './gatehouse.js'
import { knownKey } from './known-keys.js'
import { median } from './measure.js'
import { ask, type Child, letRunAnywhere, startChild } from './processes.js'
import type { PacedOrder, PacedResult } from './protocol.js'
import type { Figure } from './report.js'
import type { Bench, Findings } from './rows.js'
import { embeddedPostmaster, withNodes } from './stores.js'
import { issueKey, signIn } from './world.js'

const CACHE_ENTRIES = 100_000
const QUESTIONS = 1_000
// room for a burst: requests that are due find a free connection
const CONNECTIONS = 128
const TARGET_P99_MS = 5
const WARM_UP_SECONDS = 2
// usage is folded every 5 s: each round is to hold that once
const SECONDS_MIN = 5
// each at one rate: more of them would say no more. Uniformly drawn keys each need a counter of their own, of which a node keeps 200,000
const ROUNDS_MAX: Readonly<Record<DrawKind, number>> = { zipf: 3, uniform: 1 }

interface Rounds {
  atFull: PacedResult[]
  atHalf: PacedResult[]
  /** of the half-load rounds */
  hitRate: number
  entries: number
}

async function metricsOf({ api }: Gatehouse): Promise<{ misses: number; entries: number }> {
  const { text } = await api.send('/metrics')
  const read = (name: string): number => Number(new RegExp(`^${name} (.+)$`, 'm').exec(text)?.[1] ?? Number.NaN)
  return { misses: read('gatehouse_decision_cache_misses_total'), entries: read('gatehouse_decision_cache_entries') }
}

/** Has the keys read that are asked for most, those last that are asked for most of all. */
async function fillCache({ api }: Gatehouse, headers: Record<string, string>, count: number): Promise<void> {
  for (let rank = Math.min(CACHE_ENTRIES, count); rank > 0; rank -= QUESTIONS) {
    const requests = Array.from({ length: Math.min(QUESTIONS, rank) }, (_, at) => ({ key: knownKey(keyOfRank(rank - at, count)), dryRun: true }))
    await api.json('/api/v1/keys/verify/batch', { method: 'POST', headers, body: { requests } })
  }
}

async function order(paced: Child, load: PacedOrder): Promise<PacedResult> {
  const result = await ask<PacedResult>(paced, load)
  if (result.faults.length > 0) throw new Error(`latency, ${load.draw}: ${result.faults.join('; ')}`)
  return result
}

async function measureDraw(node: Gatehouse, paced: Child, { options }: Bench, headers: Record<string, string>, draw: DrawKind): Promise<Rounds> {
  const { keys: count, connections } = options
  const rounds = Math.min(options.rounds, ROUNDS_MAX[draw])
  const seconds = Math.max(options.seconds, SECONDS_MIN)
  let seed = 0
  const load = (more: Pick<PacedOrder, 'ratePerSecond' | 'connections'> & { seconds?: number }): PacedOrder => ({ origin: node.api.origin, headers, count, draw, seconds, seed: seed += 1, ...more })
  await order(paced, load({ ratePerSecond: null, connections, seconds: WARM_UP_SECONDS }))
  const atFull: PacedResult[] = []
  for (let round = 0; round < rounds; round += 1) atFull.push(await order(paced, load({ ratePerSecond: null, connections })))
  const half = medianOf(atFull, ({ ratePerSecond }) => ratePerSecond) / 2

  const before = await metricsOf(node)
  const atHalf: PacedResult[] = []
  for (let round = 0; round < rounds; round += 1) atHalf.push(await order(paced, load({ ratePerSecond: half, connections: CONNECTIONS })))
  const after = await metricsOf(node)
  const answered = atHalf.reduce((sum, one) => sum + one.answered, 0)
  return { atFull, atHalf, hitRate: 1 - (after.misses - before.misses) / answered, entries: after.entries }
}

function medianOf(results: readonly PacedResult[], pick: (result: PacedResult) => number): number {
  return median(results.map(pick))
}

function rateText(results: readonly PacedResult[]): string {
  return Math.round(medianOf(results, ({ ratePerSecond }) => ratePerSecond)).toLocaleString('en')
}

function figuresOf(draw: string, { atFull, atHalf, hitRate, entries }: Rounds): Figure[] {
  const label = `verify at half load, ${draw} (${rateText(atHalf)} of ${rateText(atFull)} req/s; ${entries.toLocaleString('en')} held, ${(hitRate * 100).toFixed(0)} % hits)`
  return [
    { label: `${label}: p50`, value: medianOf(atHalf, ({ p50Ms }) => p50Ms), unit: 'ms', digits: 2, target: null },
    { label: `${label}: p99`, value: medianOf(atHalf, ({ p99Ms }) => p99Ms), unit: 'ms', digits: 2, target: TARGET_P99_MS },
  ]
}

export async function measureLatency(bench: Bench): Promise<Findings> {
  const { world, config, options, placement } = bench
  const { accessToken } = await signIn(world)
  const { key } = await issueKey(world, accessToken, { name: 'bench latency', permissions: ['gatehouse:keys.verify'] })
  const headers = bearer(key)
  // bounded by entries, not by the 64 MiB that are the default
  const environment = { DECISION_CACHE_ENTRIES: String(CACHE_ENTRIES), DECISION_CACHE_BYTES: String(2 ** 30) }
  const node = { prefix: placement.server, databaseUrl: config.databaseUrl, redisUrl: null, environment }
  // a statement that writes usage takes PostgreSQL's core for some milliseconds: what is asked here is how long the node takes, so PostgreSQL
  // may use whichever core is free
  const postmaster = embeddedPostmaster(config.databaseUrl)
  if (postmaster !== null) letRunAnywhere(postmaster, placement)
  const paced = startChild('paced.js', placement.generator, process.env, { ipc: true })
  // a node for each: what it has counted is of one draw
  const measureOn = (draw: DrawKind): Promise<Rounds> => withNodes([node], async ([gatehouse]) => {
    if (!gatehouse) throw new Error('There is no node')
    await fillCache(gatehouse, headers, options.keys)
    return measureDraw(gatehouse, paced, bench, headers, draw)
  })
  const [zipf, uniform] = [await measureOn('zipf'), await measureOn('uniform')]
  await paced.stop()
  const keys = options.keys.toLocaleString('en')
  return { figures: [...figuresOf(`${keys} keys by Zipf 1.0`, zipf), ...figuresOf(`${keys} keys uniformly`, uniform)], details: { zipf, uniform } }
}
