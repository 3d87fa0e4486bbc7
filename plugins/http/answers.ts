// The program's own ServerResponse (an option of node:http). Two things that every answer needs are done where they cost least:
// the security headers are one prepared text instead of seven headers to be checked and joined each time, and whoever counts is
// told when a head is written, where Fastify's onResponse hook costs each request two listeners and their removal.
// Under app.inject() answers are not of this class: they get the same in the plain way.
import { type IncomingMessage, type OutgoingHttpHeader, type OutgoingHttpHeaders, ServerResponse, validateHeaderValue } from 'node:http'
import fp from 'fastify-plugin'
import type { FastifyContextConfig, FastifyReply, FastifyRequest } from 'fastify'
import type { Clock } from '../../src/kernel/clock.js'

declare module 'fastify' {
  interface FastifyInstance {
    answers: Answers
  }

  interface FastifyRequest {
    /** the `config` of its route; `request.routeOptions` would make it anew, with a dozen others, at each look */
    declared: FastifyContextConfig & { url?: string }
  }
}

/** Told of an answer when its head is written: `elapsedMs` since the request's head had been read. */
export type OnHead = (request: FastifyRequest, status: number, elapsedMs: number) => void

export interface Answers {
  ServerResponse: typeof ServerResponse
  /** Sees to it that a request's answer carries the fixed headers, and that the listener is told of it. */
  follow: (request: FastifyRequest, reply: FastifyReply) => void
  /** Tells one more listener, after those that are there. */
  onHead: (listener: OnHead) => void
  /** From now on each answer is the last of its connection: whoever sends more must connect anew, and may do so elsewhere. */
  drain: () => void
  /** The same, while this node stays ready: another process of it goes on. */
  leave: () => void
  isDraining: () => boolean
  /** Adds headers to an answer. They must be none that the answer sets in any other way. */
  add: (reply: FastifyReply, headers: PreparedHeaders) => void
}

/** Headers that were checked once and may be sent many times. */
export interface PreparedHeaders {
  list: readonly (readonly [string, string])[]
  text: string
}

/** Throws what node:http throws for a value that no header may have. Names are of this program. */
export function prepareHeaders(list: PreparedHeaders['list']): PreparedHeaders {
  for (const [name, value] of list) validateHeaderValue(name, value)
  return { list, text: list.map(([name, value]) => `${name}: ${value}\r\n`).join('') }
}

type Headers = OutgoingHttpHeaders | OutgoingHttpHeader[]
type StoreHeader = (this: ServerResponse, firstLine: string, headers: OutgoingHttpHeaders | undefined) => void

// not documented, and the same in every Node since 0.4: should it go, the headers are set one by one
const storeHeader = Reflect.get(ServerResponse.prototype, '_storeHeader') as StoreHeader | undefined

/** `fixed`: lower-case names and values that every answer carries, unless it sets that name itself. */
export function createAnswers({ fixed, clock }: { fixed: readonly (readonly [string, string])[]; clock: Clock }): Answers {
  let listener: OnHead | null = null
  let isDraining = false
  let isLeaving = false
  const lines = fixed.map(([name, value]) => ({ name, line: `${name}: ${value}\r\n` }))
  const all = lines.map(({ line }) => line).join('')
  const names = new Set(fixed.map(([name]) => name))

  function linesFor(headers: OutgoingHttpHeaders | undefined): string {
    // an answer has two or three headers of its own: these are looked up among the fixed, not the other way round
    for (const own in headers) {
      if (names.has(own)) return lines.map(({ name, line }) => (headers[name] === undefined ? line : '')).join('')
    }
    return all
  }

  class Answer<Request extends IncomingMessage = IncomingMessage> extends ServerResponse<Request> {
    request: FastifyRequest | null = null
    added = ''
    readonly startedMs = clock.monotonic()

    override writeHead(status: number, message?: string | Headers, headers?: Headers): this {
      if (isLeaving) this.shouldKeepAlive = false // node:http then says `Connection: close`, and closes
      if (this.request !== null) listener?.(this.request, status, clock.monotonic() - this.startedMs)
      return super.writeHead(status, message as string, headers)
    }
  }
  if (storeHeader) {
    Object.defineProperty(Answer.prototype, '_storeHeader', {
      value(this: Answer, firstLine: string, headers: OutgoingHttpHeaders | undefined) {
        const id = this.request === null ? '' : `x-request-id: ${this.request.id}\r\n`
        storeHeader.call(this, firstLine + linesFor(headers) + id + this.added, headers)
      },
    })
  }

  return {
    ServerResponse: Answer,
    follow(request, reply) {
      const { raw } = reply
      const isOurs = raw instanceof Answer
      if (!isOurs || !storeHeader) {
        for (const [name, value] of fixed) void reply.header(name, value)
        void reply.header('x-request-id', request.id)
      }
      if (isOurs) {
        raw.request = request
        return
      }
      const startedMs = clock.monotonic()
      raw.once('finish', () => listener?.(request, raw.statusCode, clock.monotonic() - startedMs))
    },
    onHead(next) {
      const before = listener
      listener = before === null ? next : (request, status, elapsedMs) => {
        before(request, status, elapsedMs)
        next(request, status, elapsedMs)
      }
    },
    drain() {
      isLeaving = true
      isDraining = true
    },
    leave() {
      isLeaving = true
    },
    isDraining: () => isDraining,
    add(reply, { list, text }) {
      const { raw } = reply
      if (raw instanceof Answer && storeHeader) raw.added += text
      else for (const [name, value] of list) void reply.header(name, value)
    },
  }
}

/** The first hook: security headers and the request's id on every answer, and what the route declares at hand. */
export default fp<{ answers: Answers }>(async (app, { answers }) => {
  app.decorate('answers', answers)
  app.decorateRequest('declared')
  app.addHook('onRequest', (request, reply, done) => {
    request.declared = request.routeOptions.config
    answers.follow(request, reply)
    done()
  })
}, { name: 'answers' })
