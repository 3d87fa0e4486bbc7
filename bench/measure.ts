// How one scenario is measured: warm-up, then rounds that alternate between the two servers and change who goes first, and
// of each number the median. A run with a single wrong answer is no measurement: it throws.
import { setTimeout as delay } from 'node:timers/promises'
import type { Api } from './api.js'
import { ask, type Child, type Placement, startChild } from './processes.js'
import type { BareReady, BareRoute, Load, LoadResult } from './protocol.js'
import type { Prepared } from './scenarios.js'
import { type OpenApi, schemasOf } from './schemas.js'

const WARM_UP_SECONDS_MAX = 2
const DRAIN_MIN_MS = 50
const DRAIN_MAX_MS = 3_000

export interface Figures {
  requestsPerSecond: number
  p50Ms: number
  p99Ms: number
  generatorBusy: number
  rounds: LoadResult[]
}

export interface Measured {
  gatehouse: Figures
  bare: Figures
  /** requests a second of Gatehouse, in parts of the bare server's */
  ratio: number
}

function median(values: number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const upper = sorted[Math.floor(sorted.length / 2)] ?? 0
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[sorted.length / 2 - 1] ?? 0)) / 2
}

function figuresOf(rounds: LoadResult[]): Figures {
  const of = (pick: (round: LoadResult) => number): number => median(rounds.map(pick))
  return {
    requestsPerSecond: of((round) => round.requestsPerSecond), p50Ms: of((round) => round.p50Ms), p99Ms: of((round) => round.p99Ms),
    generatorBusy: of((round) => round.generatorBusy), rounds,
  }
}

async function run(generator: Child, load: Load): Promise<LoadResult> {
  const result = await ask<LoadResult>(generator, load)
  // the answers that nobody waits for any more are still being made, on the core that the next run needs
  await delay(Math.min(DRAIN_MAX_MS, DRAIN_MIN_MS + 2 * result.p50Ms))
  return result
}

async function runOnce(generator: Child, who: string, load: Load): Promise<LoadResult> {
  const result = await run(generator, load)
  if (result.faults.length > 0) throw new Error(`${who}: ${result.faults.join('; ')}`)
  return result
}

export interface Side {
  who: string
  load: Load
}

/** Warms both up, then lets them take turns, and who goes first as well. Throws when either gives one wrong answer. */
export async function alternate(generator: Child, rounds: number, [one, other]: readonly [Side, Side]): Promise<[Figures, Figures]> {
  const sides = [{ ...one, results: [] as LoadResult[] }, { ...other, results: [] as LoadResult[] }] as const
  // what goes wrong here goes wrong in the rounds, which count
  for (const { load } of sides) await run(generator, { ...load, seconds: Math.min(load.seconds, WARM_UP_SECONDS_MAX) })
  for (let round = 0; round < rounds; round++) {
    for (const { who, load, results } of round % 2 === 0 ? sides : sides.toReversed()) results.push(await runOnce(generator, who, load))
  }
  return [figuresOf(sides[0].results), figuresOf(sides[1].results)]
}

/** The answer that both servers are to give, taken from Gatehouse. Throws when it is not the right one. */
async function sample(api: Api, { method, path, headers, bodies, markers }: Prepared): Promise<string> {
  const [first] = bodies
  const { status, text } = await api.send(path, { method, headers, ...(first === undefined ? {} : { body: JSON.parse(first) as unknown }) })
  if (status !== 200) throw new Error(`Gatehouse answered ${status}: ${text.slice(0, 500)}`)
  const missing = markers.filter((marker) => !text.includes(marker))
  if (missing.length > 0) throw new Error(`Gatehouse's answer lacks ${missing.join(', ')}: ${text.slice(0, 500)}`)
  return text
}

export interface Measurement {
  api: Api
  document: OpenApi
  generator: Child
  placement: Placement
  rounds: number
}

/** Measures Gatehouse and a bare server made for this scenario. Throws when either gives one wrong answer. */
export async function measure({ api, document, generator, placement, rounds }: Measurement, prepared: Prepared): Promise<Measured> {
  const text = await sample(api, prepared)
  const { method, path, headers, bodies, connections, seconds, markers, passwordHash } = prepared
  const [route = path] = path.split('?')
  const bare = startChild('bare-server.js', placement.server, { ...process.env, NODE_ENV: 'production' }, { ipc: true })
  try {
    const bareRoute: BareRoute = { method, path: route, schema: schemasOf(document, method, route), answer: JSON.parse(text), passwordHash }
    const { origin } = await ask<BareReady>(bare, bareRoute)
    const loadOf = (server: string): Load => ({ url: `${server}${path}`, method, headers, bodies, connections, seconds, markers, length: text.length })
    const [gatehouse, other] = await alternate(generator, rounds, [
      { who: 'Gatehouse', load: loadOf(api.origin) }, { who: 'the bare server', load: loadOf(origin) },
    ])
    return { gatehouse, bare: other, ratio: gatehouse.requestsPerSecond / other.requestsPerSecond }
  } finally {
    await bare.stop()
  }
}
