// Receives webhooks in Express: the same as webhook-receiver.js, whose check of the signature it uses.
import express from 'express'
import { isSigned } from './webhook-receiver.js'

/**
 * A router for `app.use(webhookRouter({ ... }))`, before any parser of bodies. `secret`: whsec_...; `handle(event)`: what to do; `once(id, work)`: does the work unless it
 * has been done for this id, and notes the id in the work's own transaction. A failure is answered 500, and the message comes again.
 */
export function webhookRouter({ secret, once, handle, now = Date.now }) {
  const router = express.Router()
  // the bytes that were signed: parsed and written anew they would be others
  router.post('/gatehouse', express.raw({ type: 'application/json', limit: '1mb' }), async (req, res) => {
    if (!Buffer.isBuffer(req.body) || !isSigned(secret, req.headers, req.body, now())) return res.sendStatus(401)
    const { type, data } = JSON.parse(req.body.toString())
    // Gatehouse sends at least once: the id is the same each time
    if (type !== 'webhook.test') await once(req.headers['webhook-id'], () => handle(data))
    return res.sendStatus(204)
  })
  return router
}
