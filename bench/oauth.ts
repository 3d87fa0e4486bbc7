// The OAuth rows: the token endpoint, introspection and the documents that clients read, beside a bare Fastify and beside oidc-provider on Redis, in one run.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { alternate, compare, type Figures, type Side, startBare } from './measure.js'
import { FLOW_ROWS, type FlowRow, type Request, REQUEST_ROWS, type RequestRow } from './oauth-loads.js'
import { type OAuthWorld, prepareOAuth } from './oauth-world.js'
import { ask, type Child, startChild } from './processes.js'
import type { BareReady, BareRoute, Flow, MemoryOrder, MemoryResult } from './protocol.js'
import type { Figure, Row } from './report.js'
import type { Bench, Extra, Findings } from './rows.js'

const PEERS = join(import.meta.dirname, '..', '..', 'bench', 'peers')
const CACHED_CLIENTS = 20_000
const CACHED_CLIENT_BYTES = 2_048

/** What the peer offers: where and how the same is asked of it. */
interface Peer {
  version: string
  pid?: number | undefined
  requests: Record<RequestRow['theirs'], Request>
  flows: Record<'refresh' | 'code', Omit<Flow, 'seconds'>>
}

interface Ready {
  oauth: OAuthWorld
  /** null: there is no Redis, or the peers are not installed */
  peer: Peer | null
  flows: Child
}

const NO_PEER = 'oidc-provider on Redis: there is no Redis at 127.0.0.1:6379 or in REDIS_URL, or npm run bench:peers has not installed it'
const preparing = new WeakMap<Bench, Promise<Ready>>()

async function startPeer({ placement, redisUrl, options }: Bench): Promise<Peer | null> {
  if (redisUrl === null || !existsSync(join(PEERS, 'node_modules'))) return null
  const child = startChild('../../bench/peers/oidc-provider.mjs', placement.server, { ...process.env, NODE_ENV: 'production' }, { ipc: true })
  return { ...(await ask<Peer>(child, { redisUrl, connections: options.connections, onRedis: true })), pid: child.process.pid }
}

async function prepare(bench: Bench): Promise<Ready> {
  return { peer: await startPeer(bench), oauth: await prepareOAuth(bench.world), flows: startChild('oauth-flows.js', bench.placement.generator, process.env, { ipc: true }) }
}

/** What all rows of a run share; it ends with the run. */
async function readyFor(bench: Bench): Promise<Ready> {
  const known = preparing.get(bench) ?? prepare(bench)
  preparing.set(bench, known)
  return known
}

const compared = (label: string, one: Figures, other: Figures, target?: number): Omit<Row, 'name' | 'failure'> => ({ label, target, measured: compare(one, other) })
const atLeast = (label: string, { requestsPerSecond: value }: Figures, target: number): Figure => ({ label, value, unit: '/s', digits: 0, target, isLeast: true })

/** A right answer. Throws when it is not. */
async function answerOf(who: string, { url, method, headers, bodies: [body], markers }: Request): Promise<string> {
  const response = await fetch(url, { method, headers, ...(body === undefined ? {} : { body }) })
  const text = await response.text()
  const missing = markers.filter((marker) => !text.includes(marker))
  if (response.status !== 200 || missing.length > 0) throw new Error(`${who} answered ${response.status} without ${missing.join(', ')}: ${text.slice(0, 500)}`)
  return text
}

async function sideOf(who: string, { options: { connections, seconds } }: Bench, request: Request, pid: number | undefined): Promise<Side> {
  return { who, pid, load: { ...request, connections, seconds, length: (await answerOf(who, request)).length } }
}

/** A schema by which fast-json-stringify writes exactly this answer. */
function schemaOf(value: unknown): object {
  if (Array.isArray(value)) return { type: 'array', items: value.every((one) => typeof one === 'string') ? { type: 'string' } : {} }
  if (typeof value === 'object' && value !== null) return { type: 'object', properties: Object.fromEntries(Object.entries(value).map(([name, one]) => [name, schemaOf(one)])) }
  return { type: typeof value }
}

/** The same answer by a Fastify that does nothing for it. */
async function bareSide(bench: Bench, bare: Child, request: Request): Promise<Side> {
  const { method, url } = request
  const path = new URL(url).pathname
  const answer = JSON.parse(await answerOf('Gatehouse', request)) as unknown
  const schema = { ...(method === 'POST' ? { body: { type: 'object', additionalProperties: { type: 'string' } } } : {}), response: { 200: schemaOf(answer) } }
  const { origin } = await ask<BareReady>(bare, { method, path, schema, takesForms: method === 'POST', answer, passwordHash: null } satisfies BareRoute)
  return sideOf('the bare server', bench, { ...request, url: `${origin}${path}` }, bare.process.pid)
}

async function measureRequest(bench: Bench, { label, theirs, bare: bareTarget, peer: peerTarget, rate, prepare: ready }: RequestRow): Promise<Findings> {
  const { peer, oauth } = await readyFor(bench)
  const request = await ready(oauth)
  const bare = startBare(bench.placement)
  try {
    const other = peer ? [await sideOf(peer.version, bench, peer.requests[theirs], peer.pid)] : []
    const [ours, plain, beside] = await alternate(bench.generator, bench.options.rounds, [await sideOf('Gatehouse', bench, request, bench.serverPid), await bareSide(bench, bare, request), ...other])
    return {
      compared: [compared(`${label} : bare Fastify`, ours, plain, bareTarget), ...(peer && beside ? [compared(`${label} : ${peer.version}, Redis`, ours, beside, peerTarget)] : [])],
      ...(rate === undefined ? {} : { figures: [atLeast(label, ours, rate)] }),
      ...(peer ? {} : { skipped: NO_PEER }),
    }
  } finally {
    await bare.stop()
  }
}

async function measureFlow(bench: Bench, { label, theirs, rate, p99Ms, prepare: ready }: FlowRow): Promise<Findings> {
  const { peer, oauth, flows } = await readyFor(bench)
  const { seconds, rounds } = bench.options
  const flow = await ready(oauth)
  const other = peer && theirs ? [{ who: peer.version, pid: peer.pid, load: { ...peer.flows[theirs], seconds } }] : []
  const [ours, beside] = await alternate(flows, rounds, [{ who: 'Gatehouse', pid: bench.serverPid, load: { ...flow, seconds } }, ...other])
  return {
    ...(peer && beside ? { compared: [compared(`${label} : ${peer.version}, Redis`, ours, beside)] } : {}),
    figures: [atLeast(label, ours, rate), ...(ours.coreUs === null ? [] : [{ label: `${label}: time of a core, PostgreSQL's share included`, value: ours.coreUs, unit: 'us', digits: 0, target: null }]), { label: `${label}: p99`, value: ours.p99Ms, unit: 'ms', digits: 1, target: p99Ms ?? null }],
    ...(peer || theirs === null ? {} : { skipped: NO_PEER }),
  }
}

async function measureMemory({ placement }: Bench): Promise<Findings> {
  const child = startChild('oauth-memory.js', placement.generator, process.env, { ipc: true, nodeFlags: ['--expose-gc'] })
  const { entries, bytesEach } = await ask<MemoryResult>(child, { entries: CACHED_CLIENTS, withLimit: false } satisfies MemoryOrder)
  await child.stop()
  if (entries !== CACHED_CLIENTS) throw new Error(`the directory holds ${entries} of ${CACHED_CLIENTS} clients`)
  return { figures: [{ label: `memory of a cached client (of ${CACHED_CLIENTS.toLocaleString('en')})`, value: bytesEach, unit: 'bytes', digits: 0, target: CACHED_CLIENT_BYTES }] }
}

export const OAUTH_ROWS: readonly Extra[] = [
  ...REQUEST_ROWS.map((row): Extra => ({ name: row.name, measure: (bench) => measureRequest(bench, row) })),
  ...FLOW_ROWS.map((row): Extra => ({ name: row.name, measure: (bench) => measureFlow(bench, row) })),
  { name: 'oauth-memory', measure: measureMemory },
]
