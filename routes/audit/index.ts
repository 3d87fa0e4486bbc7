// The audit log, newest first: who did what to what, when, from where, by which credential.
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { AuditPage, AuditQuery } from './schema.js'

const audit: FastifyPluginAsyncTypebox = async (app) => {
  app.get('/', {
    schema: { operationId: 'listAuditEvents', summary: 'Read the audit log', tags: ['Audit'], querystring: AuditQuery, response: { 200: AuditPage } },
    config: { access: ['gatehouse:audit.read'], errors: ['cursor.invalid'] },
  }, async (request, reply) => reply.page(await app.audit.list(request.query)))
}

export default audit
