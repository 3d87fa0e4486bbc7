// Receives webhooks in Fastify: checks the signature over the very bytes, answers at once, and does each event once.
import { createHmac, timingSafeEqual } from 'node:crypto'

const TOLERANCE_SECONDS = 300

/** Is the message ours? Standard Webhooks 1.0: HMAC-SHA-256 over id, time and body, by any of the signatures that it carries. */
export function isSigned(secret, headers, body, nowMs = Date.now()) {
  const { 'webhook-id': id = '', 'webhook-timestamp': seconds = '', 'webhook-signature': signatures = '' } = headers
  // an old message that somebody kept is not sent again by anybody else
  if (!(Math.abs(nowMs / 1000 - Number(seconds)) <= TOLERANCE_SECONDS)) return false
  const key = Buffer.from(secret.replace(/^whsec_/, ''), 'base64')
  const wanted = createHmac('sha256', key).update(`${id}.${seconds}.`).update(body).digest()
  return signatures.split(' ').some((signature) => {
    const given = Buffer.from(signature.replace(/^v1,/, ''), 'base64')
    return given.length === wanted.length && timingSafeEqual(given, wanted)
  })
}

/**
 * A Fastify plugin. `secret`: whsec_...; `handle(event)`: what to do; `once(id, work)`: does the work unless it has been done for this id, and notes the id in
 * the work's own transaction, so that neither is kept without the other. A failure is answered 500, and the message comes again.
 */
export async function webhookReceiver(app, { secret, once, handle, now = Date.now }) {
  // the bytes that were signed: parsed and written anew they would be others
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, body, done) => done(null, body))
  app.post('/gatehouse', async (request, reply) => {
    if (!isSigned(secret, request.headers, request.body, now())) return reply.code(401).send()
    const { type, data } = JSON.parse(request.body.toString())
    // Gatehouse sends at least once: the id is the same each time
    if (type !== 'webhook.test') await once(request.headers['webhook-id'], () => handle(data))
    return reply.code(204).send()
  })
}
