// What the benchmark's processes say to each other over their IPC channels: a route for the bare server, a load for the
// generator, and what came of it. Plain data only.

/** One route of the bare server: the program's own schemas, and the answer the program gave. */
export interface BareRoute {
  method: 'GET' | 'POST'
  path: string
  schema: { body?: object; querystring?: object; response: Record<string, object> }
  answer: unknown
  /** bcrypt hash that `body.password` is verified against before the answer; null for none */
  passwordHash: string | null
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
  /** every answer holds all of these, and its length is `length` within `LENGTH_SLACK` characters */
  markers: string[]
  length: number
}

export interface LoadResult {
  requests: number
  requestsPerSecond: number
  p50Ms: number
  p99Ms: number
  /** part of the time that the generator was busy, 0 to 1: near 1, it and not the server set the pace */
  generatorBusy: number
  /** what makes the run worthless: errors, timeouts, answers other than 2xx, wrong bodies; empty when it stands */
  faults: string[]
}

// counters and clocks in an answer (remaining, resetSeconds, token bodies) change its length by a few characters
export const LENGTH_SLACK = 48
