// How one scenario is measured: warm-up, then rounds that alternate between the two servers and change who goes first, and
// of each number the median. A run with a single wrong answer is no measurement: it throws.
import { setTimeout as delay } from 'node:timers/promises'
import { type Api, sizeOf } from './api.js'
import { coreSecondsOf } from './core-time.js'
import { NODE_FLAGS } from './environment.js'
import { ask, type Child, type Placement, startChild } from './processes.js'
import type { BareReady, BareRoute, Flow, Load, LoadResult } from './protocol.js'
import { type OpenApi, schemasOf } from './schemas.js'
import type { Prepared } from './world.js'

const WARM_UP_SECONDS_MAX = 2
const DRAIN_MIN_MS = 50
const DRAIN_MAX_MS = 3_000

export interface Figures {
  requestsPerSecond: number
  p50Ms: number
  p99Ms: number
  generatorBusy: number
  /** time of a core per request, of the server and its embedded PostgreSQL; null where it was not measured */
  coreUs: number | null
  rounds: Round[]
}

interface Round extends LoadResult {
  coreUs: number | null
}

export interface Measured {
  gatehouse: Figures
  bare: Figures
  /** requests a second of Gatehouse, in parts of the bare server's */
  ratio: number
  /** requests per second of a core, in parts of the bare server's: the ratio as it is on a machine that does nothing else; null where it was not measured */
  coreRatio?: number | null
}

export function median(values: number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const upper = sorted[Math.floor(sorted.length / 2)] ?? 0
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[sorted.length / 2 - 1] ?? 0)) / 2
}

/** Requests a second of one side in parts of the other's: the median over the rounds, each against its neighbour, for a machine's own speed changes meanwhile. */
function ratioOf(one: Figures, other: Figures): number {
  return median(one.rounds.map(({ requestsPerSecond }, at) => requestsPerSecond / (other.rounds[at]?.requestsPerSecond ?? 0)))
}

/** One side in parts of the other, by requests a second and by the time of a core. */
export function compare(one: Figures, other: Figures): Measured {
  return { gatehouse: one, bare: other, ratio: ratioOf(one, other), coreRatio: one.coreUs === null || other.coreUs === null ? null : other.coreUs / one.coreUs }
}

function figuresOf(rounds: Round[]): Figures {
  const of = (pick: (round: Round) => number): number => median(rounds.map(pick))
  const cores = rounds.flatMap(({ coreUs }) => (coreUs === null ? [] : [coreUs]))
  return {
    requestsPerSecond: of((round) => round.requestsPerSecond), p50Ms: of((round) => round.p50Ms), p99Ms: of((round) => round.p99Ms),
    generatorBusy: of((round) => round.generatorBusy), coreUs: cores.length === 0 ? null : median(cores), rounds,
  }
}

async function run(generator: Child, load: Load | Flow): Promise<LoadResult> {
  const result = await ask<LoadResult>(generator, load)
  // the answers that nobody waits for any more are still being made, on the core that the next run needs
  await delay(Math.min(DRAIN_MAX_MS, DRAIN_MIN_MS + 2 * result.p50Ms))
  return result
}

async function runOnce(generator: Child, { who, load, pid }: Side): Promise<Round> {
  const before = coreSecondsOf(pid)
  const result = await run(generator, load)
  const after = coreSecondsOf(pid)
  if (result.faults.length > 0) throw new Error(`${who}: ${result.faults.join('; ')}`)
  return { ...result, coreUs: before === null || after === null ? null : (after - before) * 1e6 / result.requests }
}

export interface Side {
  who: string
  load: Load | Flow
  /** of the server, for the time of a core that it takes; absent where that is not asked */
  pid?: number | undefined
}

/** Warms all up, then lets them take turns, and who goes first as well. Throws when one of them gives one wrong answer. */
export async function alternate<const Sides extends readonly Side[]>(generator: Child, rounds: number, sides: Sides): Promise<{ [At in keyof Sides]: Figures }> {
  const measured = sides.map((side) => ({ ...side, results: [] as Round[] }))
  // what goes wrong here goes wrong in the rounds, which count
  for (const { load } of measured) await run(generator, { ...load, seconds: Math.min(load.seconds, WARM_UP_SECONDS_MAX) })
  for (let round = 0; round < rounds; round++) {
    for (const side of round % 2 === 0 ? measured : measured.toReversed()) side.results.push(await runOnce(generator, side))
  }
  return measured.map(({ results }) => figuresOf(results)) as { [At in keyof Sides]: Figures }
}

/** The answer that both servers are to give, taken from Gatehouse. Throws when it is not the right one. */
export async function sample(api: Api, { method, path, headers, bodies, markers }: Prepared): Promise<string> {
  const [first] = bodies
  const { status, text } = await api.send(path, { method, headers, ...(first === undefined ? {} : { body: JSON.parse(first) as unknown }) })
  if (status !== 200) throw new Error(`Gatehouse answered ${status}: ${text.slice(0, 500)}`)
  const missing = markers.filter((marker) => !text.includes(marker))
  if (missing.length > 0) throw new Error(`Gatehouse's answer lacks ${missing.join(', ')}: ${text.slice(0, 500)}`)
  return text
}

export interface Measurement {
  api: Api
  /** of the measured server */
  serverPid: number | undefined
  document: OpenApi
  generator: Child
  placement: Placement
  rounds: number
}

export function startBare({ server }: Placement): Child {
  return startChild('bare-server.js', server, { ...process.env, NODE_ENV: 'production' }, { ipc: true, nodeFlags: NODE_FLAGS })
}

/**
 * A route of the same schemas that gives the same answer; one without a body is made up to the same size in all by a header. `more`: what it does beside, and then all headers of its
 * answer. Gives its origin.
 */
export async function openBare(bare: Child, api: Api, document: OpenApi, prepared: Prepared, text: string, more?: Required<Pick<BareRoute, 'headers' | 'key'>>): Promise<string> {
  const { method, path, headers, headerValues = [], passwordHash } = prepared
  const [route = path] = path.split('?')
  const base: BareRoute = { method, path: route, passwordHash, ...(text === '' ? { schema: { response: {} }, answer: null } : { schema: schemasOf(document, method, route), answer: JSON.parse(text) as unknown }) }
  const open = async (beside: Partial<BareRoute>): Promise<string> => (await ask<BareReady>(bare, { ...base, ...beside })).origin
  if (more || text !== '') return open(more ?? {})
  const filled = (filler: number): Promise<string> => open({ headers: { 'x-checked': headerValues.join(' '), 'x-filler': 'x'.repeat(filler) } })
  const missing = await sizeOf(api.originOf(path), path, headers) - await sizeOf(await filled(0), path, headers)
  return filled(Math.max(0, missing))
}

export function loadFor(origin: string, { path, method, headers, bodies, connections, seconds, markers, headerValues = [] }: Prepared, text: string): Load {
  return { url: `${origin}${path}`, method, headers, bodies, connections, seconds, markers, headerValues, length: text.length }
}

/** Measures Gatehouse and a bare server made for this scenario. Throws when either gives one wrong answer. */
export async function measure({ api, serverPid, document, generator, placement, rounds }: Measurement, prepared: Prepared): Promise<Measured> {
  const text = await sample(api, prepared)
  const bare = startBare(placement)
  try {
    const origin = await openBare(bare, api, document, prepared, text)
    const loadOf = (server: string): Load => loadFor(server, prepared, text)
    const [gatehouse, other] = await alternate(generator, rounds, [
      { who: 'Gatehouse', load: loadOf(api.originOf(prepared.path)), pid: serverPid }, { who: 'the bare server', load: loadOf(origin), pid: bare.process.pid },
    ])
    return compare(gatehouse, other)
  } finally {
    await bare.stop()
  }
}
