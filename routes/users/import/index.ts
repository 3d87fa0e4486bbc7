// Accounts by the stream.
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { problem } from '../../../src/kernel/errors.js'
import { NewUser } from '../schema.js'
import { ImportQuery, Imported } from './schema.js'

const KEY = /^[\x21-\x7e]{1,255}$/
const NDJSON = 'application/x-ndjson'
const CSV = 'text/csv'

export default (async (app) => {
  // the body is read as it arrives
  app.removeAllContentTypeParsers()
  app.addContentTypeParser([NDJSON, CSV], (_request, payload, done) => done(null, payload))
  app.addContentTypeParser('*', (_request, _payload, done) => done(problem('media_type.unsupported', { detail: `Send ${NDJSON} or ${CSV}` })))

  app.post('/', {
    schema: {
      operationId: 'importUsers', summary: 'Open accounts by the stream', tags: ['Users'], consumes: [NDJSON, CSV], produces: [NDJSON], querystring: ImportQuery, response: { 200: Imported },
      description: 'Lines of JSON as POST /users takes them, or CSV with a header (email, name, kind, roles, password, hashScheme, hash), also with Content-Encoding: gzip. Each row is judged by itself, with the rights of '
        + 'POST /users. With an Idempotency-Key the same rows, sent again within a day, go on behind the last that was done. docs/imports.md',
    },
    config: { access: ['gatehouse:users.write'], price: 50, errors: ['media_type.unsupported', 'rate.limited'] },
  }, async (request, reply) => {
    const { 'content-type': type = '', 'content-encoding': coding = 'identity', 'idempotency-key': key } = request.headers
    if (key !== undefined && (typeof key !== 'string' || !KEY.test(key))) throw problem('request.invalid', { errors: [{ path: 'idempotency-key', message: 'must be 1 to 255 visible ASCII characters, sent once' }] })
    if (coding !== 'identity' && coding !== 'gzip') throw problem('media_type.unsupported', { detail: 'Content-Encoding: gzip, or none' })
    if (request.body === undefined || request.body === null) throw problem('request.invalid', { errors: [{ path: '/', message: 'there are no rows' }] })
    request.takesItsTime()
    const answer = await app.imports.users(request.caller, {
      body: request.raw, format: type.toLowerCase().startsWith(CSV) ? 'csv' : 'ndjson', isPacked: coding === 'gzip', mode: request.query.mode ?? 'insert', tellsAll: request.query.report === 'all', key: key ?? null,
      check: app.checkOf(NewUser),
    })
    return reply.type(`${NDJSON}; charset=utf-8`).send(answer)
  })
}) satisfies FastifyPluginAsyncTypebox
