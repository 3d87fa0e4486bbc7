// The events of one organization, for who may see them there: a list that can be gone on with for ever.
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import { IdParams, strict } from '../../../../plugins/http/route-kit.js'
import { EventList, ListQuery } from '../../../events/schema.js'

const { types, subject, limit } = ListQuery.properties
const Query = strict({ types, subject, limit, after: Type.Optional(Type.String({ minLength: 1, maxLength: 200, pattern: '^[A-Za-z0-9_-]+$', description: '`next` of an answer before: what came after it' })) })

export default (async (app) => {
  app.get('/', {
    schema: {
      operationId: 'listOrganizationEvents', summary: 'List the events of an organization', tags: ['Organizations'], params: IdParams, querystring: Query, response: { 200: EventList },
      description: 'Right audit.read. What was done in it, and to its keys and clients. The oldest first, from the first that is kept or after a place. `next` is always there: whoever asks again with it later misses nothing.',
    },
    config: { access: ['user', 'gatehouse:audit.read'], errors: ['organization.not_found', 'cursor.invalid', 'events.expired'], price: 20 },
  }, (request) => app.organizationLog.events(request.caller, request.params.id, request.query, request.query.limit ?? 50))
}) satisfies FastifyPluginAsyncTypebox
