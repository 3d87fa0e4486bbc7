// Keys that customers have already, by the stream.
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { BroughtKey, KeyImportQuery, KeysImported } from './schema.js'

const ROWS = ['application/x-ndjson', 'text/csv']

export default (async (app) => {
  app.takesRows()

  app.post('/', {
    schema: {
      operationId: 'importKeys', summary: 'Bring keys along by the stream', tags: ['Keys'], consumes: ROWS, produces: ['application/x-ndjson'], querystring: KeyImportQuery, response: { 200: KeysImported },
      description: 'Lines of JSON, or CSV with a header (name, ownerUserId, ownerEmail, organizationId, key, hash, start, permissions, expiresAt, addresses), also with Content-Encoding: gzip: keys that customers have, by themselves or by their hashes. '
        + 'Each row is judged by itself, with the rights of POST /keys. With an Idempotency-Key the same rows, sent again within a day, go on behind the last that was done. docs/imports.md',
    },
    config: { access: ['gatehouse:keys.write'], price: 50, errors: ['media_type.unsupported', 'rate.limited'] },
  }, async (request, reply) => reply.importing(app.imports.keys, request.query, BroughtKey))
}) satisfies FastifyPluginAsyncTypebox
