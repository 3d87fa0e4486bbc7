// The whole audit log, as a stream.
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { AuditExportQuery, ExportedAudit } from './schema.js'

export default (async (app) => {
  app.get('/', {
    // a HEAD twin would read every row to throw it away
    exposeHeadRoute: false,
    schema: {
      operationId: 'exportAuditEvents', summary: 'Export the audit log', tags: ['Audit'], produces: ['application/x-ndjson'], querystring: AuditExportQuery, response: { 200: ExportedAudit },
      description: 'Every row of GET /audit, the oldest first, as lines of JSON. A connection that breaks off means that it is not complete.',
    },
    config: { access: ['gatehouse:audit.read'], price: 10 },
  }, async (request, reply) => {
    const body = await app.exports.lines(request.caller, {
      what: 'audit',
      read: (_caller, cursor) => app.audit.list({ ...request.query, sort: 'at', limit: 200, ...(cursor === undefined ? {} : { cursor }) }),
      admitted: () => request.stillAdmitted(),
    })
    return reply.type('application/x-ndjson; charset=utf-8').header('content-disposition', 'attachment; filename="audit.ndjson"').send(body)
  })
}) satisfies FastifyPluginAsyncTypebox
