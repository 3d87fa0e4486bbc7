// Keys that an organization has already, by the stream, by who may issue in it.
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { IdParams } from '../../../../../plugins/http/route-kit.js'
import { KeyImportQuery, KeysImported, OrganizationBroughtKey } from '../../../../keys/import/schema.js'

const ROWS = ['application/x-ndjson', 'text/csv']

export default (async (app) => {
  app.takesRows()

  app.post('/', {
    schema: {
      operationId: 'importOrganizationKeys', summary: 'Bring keys of an organization along by the stream', tags: ['Organizations'], params: IdParams, consumes: ROWS, produces: ['application/x-ndjson'],
      querystring: KeyImportQuery, response: { 200: KeysImported },
      description: 'Right keys.write. As POST /keys/import, for this organization: lines of JSON, or CSV with a header (name, key, permissions, expiresAt, addresses), 2,000 at most. Each row is judged as POST /keys would judge it with '
        + 'organizationId, and brings the key itself. docs/imports.md',
    },
    config: { access: ['user', 'gatehouse:keys.write'], price: 300, errors: ['organization.not_found', 'media_type.unsupported', 'rate.limited'] },
  }, async (request, reply) => {
    const { caller, params: { id } } = request
    await app.audit.recordingRefusal(caller, { targetType: 'organization', targetId: id }, () => app.keys.mayIssue(caller, { organizationId: id }))
    return reply.importing(app.imports.keysOf(id), request.query, OrganizationBroughtKey)
  })
}) satisfies FastifyPluginAsyncTypebox
