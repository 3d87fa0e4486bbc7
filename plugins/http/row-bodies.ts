// Bodies that are rows, worked on while they arrive: what routes that import have in common.
import type { TSchema } from '@sinclair/typebox'
import fp from 'fastify-plugin'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { BulkBody, RunImport } from '../../src/bulk/index.js'
import { problem } from '../../src/kernel/errors.js'
import { idempotencyKeyOf } from './idempotency.js'

declare module 'fastify' {
  interface FastifyInstance {
    /** The routes of this plugin take rows, and nothing else. */
    takesRows: () => void
  }
  interface FastifyReply {
    /** Runs an import over the request's rows, each of which is of a shape; what has come of it is the answer. Throws request.invalid, media_type.unsupported. */
    importing: (run: RunImport, query: { mode?: 'insert' | 'upsert'; report?: 'failed' | 'all' }, row: TSchema) => Promise<BulkBody>
  }
}

const NDJSON = 'application/x-ndjson'
const CSV = 'text/csv'

export default fp(async (app) => {
  app.decorate('takesRows', function takesRows(this: FastifyInstance) {
    this.removeAllContentTypeParsers()
    this.addContentTypeParser([NDJSON, CSV], (_request: FastifyRequest, payload: unknown, done: (error: Error | null, body?: unknown) => void) => done(null, payload))
    this.addContentTypeParser('*', (_request: FastifyRequest, _payload: unknown, done: (error: Error | null) => void) => done(problem('media_type.unsupported', { detail: `Send ${NDJSON} or ${CSV}` })))
  })
  app.decorateReply('importing', async function importing(this: FastifyReply, run, { mode = 'insert', report }, row) {
    const { request } = this
    const { 'content-type': type = '', 'content-encoding': coding = 'identity' } = request.headers
    const key = idempotencyKeyOf(request)
    if (coding !== 'identity' && coding !== 'gzip') throw problem('media_type.unsupported', { detail: 'Content-Encoding: gzip, or none' })
    if (request.body === undefined || request.body === null) throw problem('request.invalid', { errors: [{ path: '/', message: 'there are no rows' }] })
    request.takesItsTime()
    const answer = await run(request.caller, {
      body: request.raw, format: type.toLowerCase().startsWith(CSV) ? 'csv' : 'ndjson', isPacked: coding === 'gzip', mode, tellsAll: report === 'all', key, check: app.checkOf(row),
    })
    this.type(`${NDJSON}; charset=utf-8`)
    return answer
  })
}, { name: 'row-bodies', dependencies: ['long-bodies'] })
