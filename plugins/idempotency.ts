// request.once: the HTTP side of Idempotency-Key.
import fp from 'fastify-plugin'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { etagOf } from '../src/kernel/etag.js'
import { problem } from '../src/kernel/errors.js'

const KEY = /^[\x21-\x7e]{1,255}$/

function keyOf(request: FastifyRequest): string | null {
  const header = request.headers['idempotency-key']
  if (header === undefined) return null
  if (typeof header !== 'string' || !KEY.test(header)) {
    throw problem('request.invalid', { errors: [{ path: 'idempotency-key', message: 'must be 1 to 255 visible ASCII characters, sent once' }] })
  }
  return header
}

function etagIfVersioned(answer: object): string | null {
  return 'id' in answer && 'version' in answer ? etagOf({ id: String(answer.id), version: Number(answer.version) }) : null
}

export default fp(async (app) => {
  app.decorateRequest('once', async function once<T extends object>(this: FastifyRequest, reply: FastifyReply, status: number, work: () => Promise<T>, beforeReplay?: (answer: T) => Promise<void>) {
    const key = keyOf(this)
    // a stranger's key counts together with the address: two strangers who pick the same key must not meet
    const { principal } = this
    // a key or a session of its own: who shares an account does not share its answers
    const scope = principal ? `${principal.type}:${principal.keyId ?? principal.sessionId ?? principal.id}` : `address:${this.ip}`
    const request = `${this.method} ${this.url}\n${JSON.stringify(this.body)}`
    const result = key === null ? { status, answer: await work(), replayed: false } : await app.idempotency.perform({ scope, key, request, status }, work)
    if (result.replayed) await beforeReplay?.(result.answer)
    const etag = etagIfVersioned(result.answer)
    if (etag !== null) void reply.header('etag', etag)
    if (result.replayed) void reply.header('idempotency-replayed', 'true')
    return reply.code(result.status).send(result.answer)
  })
}, { name: 'idempotency', dependencies: ['services'] })
