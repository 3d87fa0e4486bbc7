// Accounts by the stream.
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { NewUser } from '../schema.js'
import { ImportQuery, Imported } from './schema.js'

const ROWS = ['application/x-ndjson', 'text/csv']

export default (async (app) => {
  app.takesRows()

  app.post('/', {
    schema: {
      operationId: 'importUsers', summary: 'Open accounts by the stream', tags: ['Users'], consumes: ROWS, produces: ['application/x-ndjson'], querystring: ImportQuery, response: { 200: Imported },
      description: 'Lines of JSON as POST /users takes them, or CSV with a header (email, name, kind, roles, password, hashScheme, hash), also with Content-Encoding: gzip. Each row is judged by itself, with the rights of '
        + 'POST /users. With an Idempotency-Key the same rows, sent again within a day, go on behind the last that was done. docs/imports.md',
    },
    config: { access: ['gatehouse:users.write'], price: 50, errors: ['media_type.unsupported', 'rate.limited'] },
  }, async (request, reply) => reply.importing(app.imports.users, request.query, NewUser))
}) satisfies FastifyPluginAsyncTypebox
