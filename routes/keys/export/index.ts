// All keys, as a stream.
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { ExportedKeys, KeyExportQuery } from './schema.js'

export default (async (app) => {
  app.get('/', {
    // a HEAD twin would read every row to throw it away
    exposeHeadRoute: false,
    schema: {
      operationId: 'exportKeys', summary: 'Export keys', tags: ['Keys'], produces: ['application/x-ndjson'], querystring: KeyExportQuery, response: { 200: ExportedKeys },
      description: 'Every row of GET /keys (your own; with gatehouse:keys.read everybody\'s), the oldest first, as lines of JSON and without the keys themselves. A connection that breaks off means that it is not complete.',
    },
    config: { access: ['user', 'gatehouse:keys.read'], price: 10 },
  }, async (request, reply) => {
    const body = await app.exports.lines(request.caller, {
      what: 'keys',
      isOwn: app.keys.seesOwnAlone(request.caller, request.query),
      read: (caller, cursor) => app.keys.list(caller, { ...request.query, sort: 'createdAt', limit: 200, ...(cursor === undefined ? {} : { cursor }) }),
      admitted: () => request.stillAdmitted(),
    })
    return reply.type('application/x-ndjson; charset=utf-8').header('content-disposition', 'attachment; filename="keys.ndjson"').send(body)
  })
}) satisfies FastifyPluginAsyncTypebox
