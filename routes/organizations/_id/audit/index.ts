// The audit log of one organization, for who may see it there.
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { IdParams } from '../../../../plugins/http/route-kit.js'
import { OrganizationAuditPage, OrganizationAuditQuery } from './schema.js'

export default (async (app) => {
  app.get('/', {
    schema: {
      operationId: 'listOrganizationAuditEvents', summary: 'Read the audit log of an organization', tags: ['Organizations'], params: IdParams, querystring: OrganizationAuditQuery, response: { 200: OrganizationAuditPage },
      description: 'Right audit.read. What was done in it, and to its keys and clients, by whomever; refusals are not in it.',
    },
    config: { access: ['user', 'gatehouse:audit.read'], errors: ['organization.not_found', 'cursor.invalid'] },
  }, async (request, reply) => reply.page(await app.organizationLog.audit(request.caller, request.params.id, request.query)))
}) satisfies FastifyPluginAsyncTypebox
