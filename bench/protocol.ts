// What the benchmark's processes say to each other over their IPC channels: a route for the bare server, a load for the
// generator, and what came of it. Plain data only.

/** One route of the bare server: the program's own schemas, and the answer the program gave. */
export interface BareRoute {
  method: 'GET' | 'POST'
  path: string
  schema: { body?: object; querystring?: object; response: Record<string, object> }
  /** its bodies are forms, not JSON */
  takesForms?: boolean
  /** null for an answer without a body */
  answer: unknown
  /** default 200 */
  status?: number
  /** sent with the answer */
  headers?: Record<string, string>
  /** the API key that a request must carry: it is hashed, looked up, and counted in a window; absent: nobody is asked */
  key?: string
  /** bcrypt hash that `body.password` is verified against before the answer; null for none */
  passwordHash: string | null
}

/** One route that lists users, written by hand on pg or on Prisma. */
export interface ListRoute {
  by: 'pg' | 'prisma'
  databaseUrl: string
  poolMax: number
  path: string
  schema: BareRoute['schema']
}

export interface BareReady {
  origin: string
}

/** One run against one URL. Connections take the bodies in turn; each keeps its own. */
export interface Load {
  url: string
  method: 'GET' | 'POST'
  headers: Record<string, string>
  bodies: string[]
  connections: number
  seconds: number
  /** every answer holds all of these, and its length is `length` within `slack` characters (default: LENGTH_SLACK) */
  markers: string[]
  length: number
  slack?: number
  /** the first marker occurs exactly as often */
  times?: number
  /** values that are among the headers of every answer */
  headerValues?: string[]
}

export interface LoadResult {
  requests: number
  requestsPerSecond: number
  p50Ms: number
  p99Ms: number
  /** part of the time that the generator had work, 0 to 1: near 1, it and not the server set the pace */
  generatorBusy: number
  /** what makes the run worthless: errors, timeouts, answers other than 2xx, wrong bodies; empty when it stands */
  faults: string[]
}

// counters and clocks in an answer (remaining, resetSeconds, token bodies) change its length by a few characters
export const LENGTH_SLACK = 48

/** What is asked for again and again with what the last answer gave: by each connection for somebody of its own. */
export interface Flow {
  /** refresh: the next refresh token; code: a code by the browser's cookie, and tokens for it */
  kind: 'refresh' | 'code'
  /** of whoever goes on with what an earlier run has left */
  name: string
  origin: string
  tokenPath: string
  /** with its query; of a code */
  authorizePaths: string[]
  /** of the token request */
  tokenHeaders: Record<string, string>
  /** of the token request, without what the last answer gave */
  tokenBody: string
  /** a refresh token or a cookie for each connection */
  credentials: string[]
  seconds: number
  markers: string[]
}

/** One key to be revoked while every node is asked about it. */
export interface ProbeOrder {
  origins: string[]
  key: string
  keyId: string
  askHeaders: Record<string, string>
  revokeHeaders: Record<string, string>
  /** index of the node that gets the DELETE */
  revokeOn: number
  /** for as long the nodes are asked before */
  delayMs: number
}

/** Times are ms from the sending of DELETE to the receipt of an answer. */
export interface ProbeResult {
  acknowledgedMs: number
  /** of each node, the first refusal */
  refusedMs: number[]
  /** between two answers of one node */
  gapsMs: number[]
  faults: string[]
}

export interface MemoryOrder {
  entries: number
  withLimit: boolean
}

export interface MemoryResult {
  /** held at the end */
  entries: number
  /** growth of the heap and of what hangs on it */
  bytesEach: number
  /** what the cache itself reckons, for DECISION_CACHE_BYTES */
  estimatedEach: number
  /** of the collections while they were filled in, of which the program stood still */
  longestPauseMs?: number
  allPausesMs?: number
  fillMs?: number
}

/** Verifications of known keys (known-keys.ts), every request of another one. */
export interface PacedOrder {
  origin: string
  headers: Record<string, string>
  /** how many keys there are */
  count: number
  draw: 'zipf' | 'uniform'
  connections: number
  seconds: number
  /** null: as fast as the answers come */
  ratePerSecond: number | null
  seed: number
}

/** Latencies count from the moment at which a request was due. */
export interface PacedResult {
  answered: number
  ratePerSecond: number
  p50Ms: number
  p99Ms: number
  maxMs: number
  generatorBusy: number
  faults: string[]
}
