// How soon a revocation holds: three nodes on one PostgreSQL and one Redis, a key revoked on one of them, and the time until
// each of the three refuses it.
import { bearer } from './api.js'
import { ask, startChild } from './processes.js'
import type { ProbeOrder, ProbeResult } from './protocol.js'
import { createRandom, percentileOf } from './random.js'
import type { Figure } from './report.js'
import type { Bench, Findings } from './rows.js'
import { withNodes } from './stores.js'
import { issueKey, signIn } from './world.js'

const NODES = 3
const REVOCATIONS = 66
// a poll of the log comes every 250 ms: a revocation is to meet it at any phase
const DELAY_MIN_MS = 20
const DELAY_SPREAD_MS = 250
const TARGET = { p50: 10, p99: 50 }

function figuresOf(label: string, values: readonly number[], hasTarget: boolean): Figure[] {
  const figure = (name: 'p50' | 'p99', part: number): Figure => ({
    label: `revocation, ${label}: ${name}`, value: percentileOf(values, part), unit: 'ms', digits: 1, target: hasTarget ? TARGET[name] : null,
  })
  return [figure('p50', 0.5), figure('p99', 0.99)]
}

async function revokeAll(bench: Bench, origins: string[]): Promise<(ProbeResult & { revokeOn: number })[]> {
  const { world, placement } = bench
  const { accessToken } = await signIn(world)
  const service = await issueKey(world, accessToken, { name: 'bench revocation', permissions: ['gatehouse:keys.verify', 'gatehouse:keys.write'] })
  const random = createRandom(1)
  const prober = startChild('prober.js', placement.generator, process.env, { ipc: true })
  const results: (ProbeResult & { revokeOn: number })[] = []
  for (let at = 0; at < REVOCATIONS; at += 1) {
    const { id, key } = await issueKey(world, accessToken, { name: `bench revoked ${at + 1}` })
    const order: ProbeOrder = {
      origins, key, keyId: id, askHeaders: bearer(service.key), revokeHeaders: bearer(service.key), revokeOn: at % origins.length,
      delayMs: DELAY_MIN_MS + random() * DELAY_SPREAD_MS,
    }
    const result = await ask<ProbeResult>(prober, order)
    if (result.faults.length > 0) throw new Error(`revocation ${at + 1}: ${result.faults.join('; ')}`)
    results.push({ ...result, revokeOn: order.revokeOn })
  }
  await prober.stop()
  return results
}

/** Who had refused before the acknowledgement was here needed no time after it. */
function after({ acknowledgedMs }: ProbeResult, refusedMs: number): number {
  return Math.max(0, refusedMs - acknowledgedMs)
}

export async function measureRevocation(bench: Bench): Promise<Findings> {
  const { config, placement, redisUrl } = bench
  if (redisUrl === null) return { skipped: 'no Redis at 127.0.0.1:6379, and REDIS_URL is not set' }
  const node = { prefix: placement.server, databaseUrl: config.databaseUrl, redisUrl }
  const results = await withNodes(Array.from({ length: NODES }, () => node), (nodes) => revokeAll(bench, nodes.map(({ api }) => api.origin)))
  const all = results.flatMap((result) => result.refusedMs.map((refusedMs) => after(result, refusedMs)))
  const others = results.flatMap((result) => result.refusedMs.flatMap((refusedMs, at) => (at === result.revokeOn ? [] : after(result, refusedMs))))
  const gaps = results.flatMap(({ gapsMs }) => gapsMs)
  const resolution = { askedEveryMs: percentileOf(gaps, 0.5), askedEveryP99Ms: percentileOf(gaps, 0.99) }
  return {
    figures: [
      ...figuresOf(`from its acknowledgement (${REVOCATIONS} x ${NODES} nodes)`, all, true),
      ...figuresOf('from its acknowledgement, the other two nodes', others, false),
      ...figuresOf('from the sending of DELETE', results.flatMap(({ refusedMs }) => refusedMs), false),
      { label: 'revocation, from DELETE to its acknowledgement: p50', value: percentileOf(results.map(({ acknowledgedMs }) => acknowledgedMs), 0.5), unit: 'ms', digits: 1, target: null },
      { label: 'revocation: between two answers of one node, p50 (resolution)', value: resolution.askedEveryMs, unit: 'ms', digits: 2, target: null },
    ],
    details: { resolution, revocations: results.map(({ revokeOn, acknowledgedMs, refusedMs }) => ({ revokeOn, acknowledgedMs, refusedMs })) },
  }
}
