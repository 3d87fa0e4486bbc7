// The generator of the latency rows: every request asks about another key. Either as fast as the answers come, or at a given
// rate whatever the answers do: then requests are due at times of their own (Poisson), and a latency counts from the time
// at which a request was due, not from when a connection was free for it. A process of its own.
import { createHistogram, performance } from 'node:perf_hooks'
import { createDraw } from './draws.js'
import { knownKey, knownName } from './known-keys.js'
import type { PacedOrder, PacedResult } from './protocol.js'
import { createRandom } from './random.js'
import { type Spin, startSpin } from './spin.js'
import { openWire, type Reply, type Wire } from './wire.js'

const GIVE_UP_MS = 10_000

interface Request {
  key: number
  dueMs: number
}

/** What was made of the order so far. */
interface Run {
  order: PacedOrder
  spin: Spin
  latencies: ReturnType<typeof createHistogram>
  answered: number
  lastMs: number
  fault: string | null
}

const keys = new Map<number, string>()

function keyText(at: number): string {
  const known = keys.get(at)
  if (known !== undefined) return known
  const made = knownKey(at)
  keys.set(at, made)
  return made
}

function textOf({ order: { origin, headers } }: Run, { key }: Request): string {
  const body = JSON.stringify({ key: keyText(key), permissions: ['reports:read'] })
  const all = { host: new URL(origin).host, ...headers, 'content-type': 'application/json', 'content-length': body.length }
  return `POST /api/v1/keys/verify HTTP/1.1\r\n${Object.entries(all).map(([name, value]) => `${name}: ${value}`).join('\r\n')}\r\n\r\n${body}`
}

function note(run: Run, { key, dueMs }: Request, reply: Reply | null): void {
  run.lastMs = performance.now()
  run.spin.worked()
  if (!reply) run.fault ??= 'a connection broke'
  else if (reply.status !== 200 || !reply.body.includes('"code":"valid"') || !reply.body.includes(`"name":"${knownName(key)}"`)) {
    run.fault ??= `answered ${reply.status} for ${knownName(key)}: ${reply.body.slice(0, 300)}`
  }
  run.answered += 1
  run.latencies.record(Math.max(1, Math.round((run.lastMs - dueMs) * 1000)))
}

async function turn(): Promise<void> {
  return new Promise((resolve) => { setImmediate(resolve) })
}

/** Every connection asks again as soon as it is answered. */
async function asFastAsItGoes(run: Run, wires: readonly Wire[], draw: () => number, untilMs: number): Promise<void> {
  await Promise.all(wires.map(async (wire) => new Promise<void>((resolve) => {
    const next = (): void => {
      if (performance.now() >= untilMs || run.fault !== null) {
        resolve()
        return
      }
      const request = { key: draw(), dueMs: performance.now() }
      wire.send(textOf(run, request), (reply) => {
        note(run, request, reply)
        next()
      })
    }
    next()
  })))
}

/** Requests are sent when they are due, or as soon as a connection is free after that. */
async function atRate(run: Run, wires: readonly Wire[], draw: () => number, untilMs: number, gapMs: () => number): Promise<void> {
  let dueMs = performance.now()
  let due: Request[] = []
  while (run.fault === null) {
    const now = performance.now()
    for (; dueMs <= now && dueMs < untilMs; dueMs += gapMs()) due.push({ key: draw(), dueMs })
    let sent = 0
    for (const wire of due.length > 0 ? wires : []) {
      const request = due[sent]
      if (!request) break
      if (!wire.isFree()) continue
      wire.send(textOf(run, request), (reply) => note(run, request, reply))
      run.spin.worked()
      sent += 1
    }
    if (sent > 0) due = due.slice(sent)
    if (dueMs >= untilMs && due.length === 0 && wires.every((wire) => wire.isFree())) return
    if (now > untilMs + GIVE_UP_MS) run.fault = `${due.length} requests were never sent, or not answered`
    await turn()
  }
}

async function load(order: PacedOrder): Promise<PacedResult> {
  const random = createRandom(order.seed)
  const draw = createDraw(order.draw, order.count, random)
  const wires = await Promise.all(Array.from({ length: order.connections }, async () => openWire(order.origin)))
  const spin = startSpin()
  const startedMs = performance.now()
  const run: Run = { order, spin, latencies: createHistogram(), answered: 0, lastMs: startedMs, fault: null }
  const untilMs = startedMs + order.seconds * 1000
  const { ratePerSecond } = order
  try {
    if (ratePerSecond === null) await asFastAsItGoes(run, wires, draw, untilMs)
    else await atRate(run, wires, draw, untilMs, () => -Math.log(1 - random()) * 1000 / ratePerSecond)
  } finally {
    for (const wire of wires) wire.close()
  }
  const { latencies, answered, lastMs, fault } = run
  return {
    answered, ratePerSecond: answered / (lastMs - startedMs) * 1000, p50Ms: latencies.percentile(50) / 1000, p99Ms: latencies.percentile(99) / 1000,
    maxMs: latencies.max / 1000, generatorBusy: spin.stop(), faults: [...(fault === null ? [] : [fault]), ...(answered === 0 ? ['no answer'] : [])],
  }
}

function failed(error: unknown): PacedResult {
  return { answered: 0, ratePerSecond: 0, p50Ms: 0, p99Ms: 0, maxMs: 0, generatorBusy: 0, faults: [String(error)] }
}

async function answer(order: PacedOrder): Promise<void> {
  process.send?.(await load(order).catch(failed))
}

process.on('message', (order: PacedOrder) => void answer(order))
process.on('disconnect', () => process.exit(0))
