// One line for each answered request, as much of it as LOG_REQUESTS asks for: who asked which route, and what came of it. The route is
// its pattern and the asker an id, so that no query, header or secret gets into a line. Refusals are many where somebody floods:
// of those at most so many are told in a second, and then how many more there were.
import fp from 'fastify-plugin'
import type { FastifyRequest } from 'fastify'
import type { Config } from '../../src/config.js'
import type { OnHead } from './answers.js'

const ERROR = 400
const FAULT = 500
const REFUSALS_A_SECOND = 50
const SECOND_MS = 1_000

interface LogLine {
  requestId: string
  method: string
  /** the pattern, never the URL */
  route: string
  status: number
  /** until the head of the answer */
  elapsedMs: number
  principalId?: string
  keyId?: string
}

export interface RequestLogDeps {
  log: { info: (fields: object, message: string) => void; warn: (fields: object, message: string) => void }
  clock: { monotonic: () => number }
}

function lineOf(request: FastifyRequest, status: number, elapsedMs: number): LogLine {
  const { id, method, principal, declared } = request
  const line: LogLine = { requestId: id, method, route: declared.url ?? 'none', status, elapsedMs: Math.round(elapsedMs * 10) / 10 }
  if (!principal) return line
  line.principalId = principal.id
  if (principal.keyId !== undefined) line.keyId = principal.keyId
  return line
}

/** What is told of each answer; null: nothing. */
export function createRequestLog(mode: Config['logRequests'], { log, clock }: RequestLogDeps): OnHead | null {
  if (mode === 'none') return null
  if (mode === 'all') return (request, status, elapsedMs) => log.info(lineOf(request, status, elapsedMs), 'request')
  let second = -1
  let told = 0
  let untold = 0
  return (request, status, elapsedMs) => {
    if (status < ERROR) return
    const now = Math.floor(clock.monotonic() / SECOND_MS)
    if (now !== second) {
      if (untold > 0) log.warn({ count: untold }, 'refused requests that have no line')
      second = now
      told = untold = 0
    }
    // a fault of ours is always told
    if (status < FAULT && (told += 1) > REFUSALS_A_SECOND) untold += 1
    else log.info(lineOf(request, status, elapsedMs), 'request')
  }
}

export default fp(async (app) => {
  const listener = createRequestLog(app.config.logRequests, app)
  if (listener) app.answers.onHead(listener)
}, { name: 'request-log', dependencies: ['prisma', 'answers'] })
