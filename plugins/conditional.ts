// Conditional reads of versioned resources (RFC 9110 13.1.2).
import fp from 'fastify-plugin'
import type { FastifyReply } from 'fastify'
import { etagOf, matches, type Versioned } from '../src/kernel/etag.js'

export default fp(async (app) => {
  app.decorateReply('versioned', function versioned<T extends Versioned>(this: FastifyReply, resource: T) {
    const etag = etagOf(resource)
    void this.header('etag', etag)
    const known = this.request.headers['if-none-match']
    const isRead = this.request.method === 'GET' || this.request.method === 'HEAD'
    return isRead && known !== undefined && matches(known, etag, 'weak') ? this.code(304).send() : this.send(resource)
  })
}, { name: 'conditional' })
