// The generator of OAuth flows, a process of its own: each connection asks with what the last answer gave it, a refresh token or a code, which autocannon
// cannot. A flow that has begun is brought to its end, so that the next run of the same name can go on with what this one has left.
import { createHistogram, performance } from 'node:perf_hooks'
import type { Flow, LoadResult } from './protocol.js'
import { startSpin } from './spin.js'
import { openWire, type Reply, type Wire } from './wire.js'

/** the refresh tokens of each name as they stand, one a connection */
const left = new Map<string, string[]>()

// far from the next connection's turns
const STRIDE = 2_003

const CODE = /\r\nlocation: [^\r]*[?&]code=([^&\r]+)/i

async function send(wire: Wire, text: string): Promise<Reply> {
  return new Promise((resolve, reject) => {
    wire.send(text, (reply) => (reply ? resolve(reply) : reject(new Error('a connection broke'))))
  })
}

function post({ origin, tokenPath, tokenHeaders }: Flow, body: string): string {
  const headers = { host: new URL(origin).host, ...tokenHeaders, 'content-length': body.length }
  return `POST ${tokenPath} HTTP/1.1\r\n${Object.entries(headers).map(([name, value]) => `${name}: ${value}`).join('\r\n')}\r\n\r\n${body}`
}

/** The tokens of an answer. Throws unless it is the right one. */
function tokensOf({ status, body }: Reply, { markers }: Flow): { refresh_token?: string } {
  if (status !== 200 || !markers.every((marker) => body.includes(marker))) throw new Error(`answered ${status}: ${body.slice(0, 300)}`)
  return JSON.parse(body) as { refresh_token?: string }
}

async function refresh(wire: Wire, flow: Flow, token: string): Promise<string> {
  const { refresh_token: next = token } = tokensOf(await send(wire, post(flow, `${flow.tokenBody}&refresh_token=${token}`)), flow)
  if (next === token) throw new Error('the refresh token stayed the same')
  return next
}

/** One flow, from an address that is another each turn: what people of one address may ask for in a minute is bounded. */
async function redeem(wire: Wire, flow: Flow, cookie: string, turn: number): Promise<void> {
  const path = flow.authorizePaths[turn % flow.authorizePaths.length] ?? ''
  const { status, head, body } = await send(wire, `GET ${path} HTTP/1.1\r\nhost: ${new URL(flow.origin).host}\r\ncookie: ${cookie}\r\nx-forwarded-for: 10.9.${(turn >> 8) & 255}.${turn & 255}\r\n\r\n`)
  const code = CODE.exec(head)?.[1]
  if (code === undefined) throw new Error(`the authorization endpoint answered ${status}: ${head.slice(0, 600)} ${body.slice(0, 200)}`)
  // the client of that address, where there are several
  const client = new URLSearchParams(path.slice(path.indexOf('?'))).get('client_id') ?? ''
  tokensOf(await send(wire, post(flow, `${flow.tokenBody}&client_id=${client}&code=${code}`)), flow)
}

async function run(flow: Flow): Promise<LoadResult> {
  const { name, kind, origin, credentials, seconds } = flow
  const held = left.get(name) ?? [...credentials]
  left.set(name, held)
  const wires = await Promise.all(held.map(async () => openWire(origin)))
  const latencies = createHistogram()
  const spin = startSpin()
  const startedMs = performance.now()
  const untilMs = startedMs + seconds * 1_000
  const faults: string[] = []
  let requests = 0
  let lastMs = startedMs
  await Promise.all(wires.map(async (wire, at) => {
    for (let turn = at * STRIDE; performance.now() < untilMs && faults.length === 0; turn += 1) {
      const fromMs = performance.now()
      try {
        if (kind === 'refresh') held[at] = await refresh(wire, flow, held[at] ?? '')
        else await redeem(wire, flow, held[at] ?? '', turn)
      } catch (error) {
        faults.push(error instanceof Error ? error.message : String(error))
      }
      requests += 1
      spin.worked()
      lastMs = performance.now()
      latencies.record(Math.max(1, Math.round((lastMs - fromMs) * 1_000)))
    }
    wire.close()
  }))
  return {
    requests, requestsPerSecond: requests / (lastMs - startedMs) * 1_000, p50Ms: latencies.percentile(50) / 1_000, p99Ms: latencies.percentile(99) / 1_000, generatorBusy: spin.stop(), faults: faults.slice(0, 3),
  }
}

const failed = (error: unknown): LoadResult => ({ requests: 0, requestsPerSecond: 0, p50Ms: 0, p99Ms: 0, generatorBusy: 0, faults: [String(error)] })

process.on('message', (flow: Flow) => void run(flow).catch(failed).then((result) => process.send?.(result)))
process.on('disconnect', () => process.exit(0))
