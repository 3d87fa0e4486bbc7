// Watches one revocation from outside: asks every node about the key in a tight loop, revokes it on one of them, and notes when
// each refused it. A process of its own on the generator's core, whose event loop does not wait, so that it reads its clock in time.
import { Agent, request } from 'node:http'
import { performance } from 'node:perf_hooks'
import type { ProbeOrder, ProbeResult } from './protocol.js'
import { startSpin } from './spin.js'

const EVERY_MS = 0.5
const GIVE_UP_MS = 5_000
/** for as long every node is still asked after all have refused: none may fall back */
const AFTERWARDS_MS = 20

const kept = new Map<string, Agent>()

/** One connection for each node and purpose, kept. */
function connectionOf(name: string): Agent {
  const connection = kept.get(name) ?? new Agent({ keepAlive: true, maxSockets: 1 })
  kept.set(name, connection)
  return connection
}

async function send(connection: string, url: string, method: string, headers: Record<string, string>, body?: string): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const asked = request(url, {
      method, agent: connectionOf(connection), headers: { ...headers, ...(body === undefined ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }) },
    }, (response) => {
      let text = ''
      response.setEncoding('utf8')
      response.on('data', (part: string) => { text += part })
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text }))
      response.on('error', reject)
    })
    asked.on('error', reject)
    asked.end(body)
  })
}

async function until(atMs: number): Promise<void> {
  while (performance.now() < atMs) await new Promise((resolve) => { setImmediate(resolve) })
}

interface Watched {
  /** receipt of the first refusal */
  refusedMs: number | null
  gapsMs: number[]
  fault: string | null
}

interface Watch {
  isOver: () => boolean
  order: ProbeOrder
}

/** Asks one node until the watch is over. */
async function watch(origin: string, node: Watched, { isOver, order }: Watch): Promise<void> {
  const body = JSON.stringify({ key: order.key })
  let lastMs = performance.now()
  while (!isOver() && node.fault === null) {
    await until(lastMs + EVERY_MS)
    const { status, text } = await send(`ask ${origin}`, `${origin}/api/v1/keys/verify`, 'POST', order.askHeaders, body)
    const nowMs = performance.now()
    node.gapsMs.push(nowMs - lastMs)
    lastMs = nowMs
    const isValid = text.includes('"code":"valid"')
    if (status !== 200 || (!isValid && !text.includes('"code":"revoked"'))) node.fault = `answered ${status}: ${text.slice(0, 300)}`
    else if (!isValid) node.refusedMs ??= nowMs
    else if (node.refusedMs !== null) node.fault = 'accepted the key again after it had refused it'
  }
}

async function probe(order: ProbeOrder): Promise<ProbeResult> {
  const { origins, revokeOn, keyId, revokeHeaders, delayMs } = order
  const nodes = origins.map((): Watched => ({ refusedMs: null, gapsMs: [], fault: null }))
  let overMs = Infinity
  const startedMs = performance.now()
  const isOver = (): boolean => performance.now() > Math.min(overMs, startedMs + delayMs + GIVE_UP_MS)
  const watching = Promise.all(nodes.map((node, at) => watch(origins[at] ?? '', node, { isOver, order })))

  await until(startedMs + delayMs)
  const early = nodes.some(({ refusedMs }) => refusedMs !== null)
  const sentMs = performance.now()
  const { status, text } = await send(`revoke ${origins[revokeOn]}`, `${origins[revokeOn]}/api/v1/keys/${keyId}`, 'DELETE', revokeHeaders)
  const acknowledgedMs = performance.now()
  while (nodes.some(({ refusedMs, fault }) => refusedMs === null && fault === null) && !isOver()) await until(performance.now() + EVERY_MS)
  overMs = performance.now() + AFTERWARDS_MS
  await watching

  const faults = nodes.flatMap(({ refusedMs, fault }, at) => fault ?? (refusedMs === null ? `node ${at + 1} still accepted the key after ${GIVE_UP_MS} ms` : []))
  if (early) faults.push('a node refused the key before it was revoked')
  if (status !== 200) faults.push(`DELETE answered ${status}: ${text.slice(0, 300)}`)
  return {
    acknowledgedMs: acknowledgedMs - sentMs, refusedMs: nodes.map(({ refusedMs }) => (refusedMs ?? Infinity) - sentMs), gapsMs: nodes.flatMap(({ gapsMs }) => gapsMs), faults,
  }
}

async function answer(order: ProbeOrder): Promise<void> {
  const spin = startSpin()
  const result = await probe(order).catch((error: unknown): ProbeResult => ({ acknowledgedMs: 0, refusedMs: [], gapsMs: [], faults: [String(error)] }))
  spin.stop()
  process.send?.(result)
}

process.on('message', (order: ProbeOrder) => void answer(order))
process.on('disconnect', () => process.exit(0))
