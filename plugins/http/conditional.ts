// How what is read is sent: versioned resources under conditions (RFC 9110 13.1.2), and the pages of lists.
import fp from 'fastify-plugin'
import type { FastifyReply } from 'fastify'
import { etagOf, matches, type Versioned } from '../../src/kernel/etag.js'
import type { PageText } from '../../src/kernel/page.js'

const JSON_TYPE = 'application/json; charset=utf-8'

export default fp(async (app) => {
  app.decorateReply('versioned', function versioned<T extends Versioned>(this: FastifyReply, resource: T) {
    const etag = etagOf(resource)
    void this.header('etag', etag)
    const known = this.request.headers['if-none-match']
    const isRead = this.request.method === 'GET' || this.request.method === 'HEAD'
    return isRead && known !== undefined && matches(known, etag, 'weak') ? this.code(304).send() : this.send(resource)
  })
  app.decorateReply('page', function page(this: FastifyReply, { json }: PageText) {
    return this.type(JSON_TYPE).send(json)
  })
}, { name: 'conditional' })
