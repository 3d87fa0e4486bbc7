// Documents that everybody may read and that seldom change: their bytes are made once, and whoever has them already is told so (RFC 9110 13.1.2).
import { createHash } from 'node:crypto'
import fp from 'fastify-plugin'
import type { FastifyReply } from 'fastify'
import { matches } from '../../src/kernel/etag.js'
import { type PreparedHeaders, prepareHeaders } from './answers.js'

declare module 'fastify' {
  interface FastifyReply {
    /** Sends a document, or 304 to whoever has it. */
    document: (document: PublicDocument) => FastifyReply
  }
}

export interface PublicDocument {
  bytes: Buffer
  etag: string
  headers: PreparedHeaders
}

/** A JSON text as it is sent, to be kept for five minutes by anybody; `more`: headers, lower-case. */
export function documentOf(json: string, more: PreparedHeaders['list'] = []): PublicDocument {
  const etag = `"${createHash('sha256').update(json).digest('base64url').slice(0, 22)}"`
  return { bytes: Buffer.from(json), etag, headers: prepareHeaders([['etag', etag], ...more]) }
}

export default fp(async (app) => {
  const { answers } = app
  app.decorateReply('document', function document(this: FastifyReply, { bytes, etag, headers }: PublicDocument) {
    answers.add(this, headers)
    void this.header('cache-control', 'public, max-age=300')
    const known = this.request.headers['if-none-match']
    if (known !== undefined && matches(known, etag, 'weak')) return this.code(304).send()
    return this.header('content-type', 'application/json; charset=utf-8').send(bytes)
  })
}, { name: 'documents', dependencies: ['answers'] })
