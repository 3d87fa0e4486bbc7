// All accounts, as a stream.
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { ExportedUsers, UserExportQuery } from './schema.js'

export default (async (app) => {
  app.get('/', {
    // a HEAD twin would read every row to throw it away
    exposeHeadRoute: false,
    schema: {
      operationId: 'exportUsers', summary: 'Export users', tags: ['Users'], produces: ['application/x-ndjson'], querystring: UserExportQuery, response: { 200: ExportedUsers },
      description: 'Every row of GET /users, the oldest first, as lines of JSON. A connection that breaks off means that it is not complete.',
    },
    config: { access: ['gatehouse:users.read'], price: 10 },
  }, async (request, reply) => {
    const body = await app.exports.lines(request.caller, {
      what: 'users',
      read: (_caller, cursor) => app.accounts.list({ ...request.query, sort: 'createdAt', limit: 200, ...(cursor === undefined ? {} : { cursor }) }),
      admitted: () => request.stillAdmitted(),
    })
    return reply.type('application/x-ndjson; charset=utf-8').header('content-disposition', 'attachment; filename="users.ndjson"').send(body)
  })
}) satisfies FastifyPluginAsyncTypebox
