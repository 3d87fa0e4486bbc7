// request.idempotently and request.performOnce: the HTTP side of Idempotency-Key.
import fp from 'fastify-plugin'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { etagOf } from '../../src/kernel/etag.js'
import { problem } from '../../src/kernel/errors.js'

const KEPT_MS = 24 * 3_600_000
const MOST = 20_000
const MOST_STRANGER = 1_000
const KEY = /^[\x21-\x7e]{1,255}$/

/** A request's Idempotency-Key, null: none. Throws request.invalid. */
export function idempotencyKeyOf(request: FastifyRequest): string | null {
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

// a key or a session of its own: who shares an account does not share its answers
const scopeOf = ({ principal, ip }: FastifyRequest): string => (principal ? `${principal.type}:${principal.keyId ?? principal.sessionId ?? principal.id}` : `address:${ip}`)

export default fp(async (app) => {
  /** A stored answer takes room for a day. Throws rate.limited. */
  async function charge(scope: string, quota: number): Promise<void> {
    const { allowed, retryAfterMs } = await app.sharedStore.limits.take([{ key: `idempotency:{${scope}}`, quota, windowMs: KEPT_MS, cost: 1 }])
    if (!allowed) throw problem('rate.limited', { detail: `At most ${quota} requests with an Idempotency-Key in 24 hours`, retryAfterSeconds: Math.ceil(retryAfterMs / 1000) })
  }

  app.decorateRequest('performOnce', async function performOnce<T extends object>(this: FastifyRequest, key: string, work: () => Promise<T>) {
    const principal = this.signedIn()
    await charge(`${principal.type}:${principal.keyId ?? principal.id}`, MOST)
    return app.idempotency.perform({ scope: scopeOf(this), key, request: `${this.method} ${this.url}\n${JSON.stringify(this.body)}`, status: 201 }, work)
  })

  app.decorateRequest('idempotently', async function idempotently<T extends object>(this: FastifyRequest, reply: FastifyReply, status: number, work: () => Promise<T>, beforeReplay?: (answer: T) => Promise<void>) {
    const key = idempotencyKeyOf(this)
    // a stranger's key counts together with the address: two strangers who pick the same key must not meet
    const { principal } = this
    const scope = scopeOf(this)
    const request = `${this.method} ${this.url}\n${JSON.stringify(this.body)}`
    // by user or key, however many sessions there are
    if (key !== null) await (principal ? charge(`${principal.type}:${principal.keyId ?? principal.id}`, MOST) : charge(scope, MOST_STRANGER))
    const result = key === null ? { status, answer: await work(), replayed: false } : await app.idempotency.perform({ scope, key, request, status }, work)
    if (result.replayed) await beforeReplay?.(result.answer)
    const etag = etagIfVersioned(result.answer)
    if (etag !== null) void reply.header('etag', etag)
    if (result.replayed) void reply.header('idempotency-replayed', 'true')
    return reply.code(result.status).send(result.answer)
  })
}, { name: 'idempotency', dependencies: ['redis', 'idempotent-answers'] })
