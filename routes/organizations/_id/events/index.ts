// The events of one organization, for who may see them there: as a stream that goes on, and as a list that can be gone on with for ever.
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import { EVENT_STREAM, IdParams, resumedAt, strict } from '../../../../plugins/http/route-kit.js'
import { EventList, EventStream, ListQuery } from '../../../events/schema.js'

const tags = ['Organizations']
const { types, subject, limit } = ListQuery.properties
const Place = Type.String({ minLength: 1, maxLength: 200, pattern: '^[A-Za-z0-9_-]+$', description: 'A place that was told before (`id` of a stream, `next` of a list) in this organization: what came after it' })
const StreamQuery = strict({ types, subject, after: Type.Optional(Place) })
const Query = strict({ ...StreamQuery.properties, limit })

export default (async (app) => {
  app.get('/', {
    // a HEAD twin would be a stream that nobody reads
    exposeHeadRoute: false,
    schema: {
      operationId: 'streamOrganizationEvents', summary: 'Be told of the events of an organization as they happen', tags, params: IdParams, produces: ['text/event-stream'], querystring: StreamQuery, response: { 200: EventStream },
      description: 'Right audit.read. What is done in it, and to its keys and clients, from now on or after `Last-Event-ID` (which wins over `after`) on any node. Ends when the credential does, when whoever asked leaves the '
        + 'organization or loses the right, and when the reader does not keep up; the last `id` is where to go on.',
    },
    config: { access: ['user', 'gatehouse:audit.read'], errors: ['organization.not_found', 'cursor.invalid', 'events.expired', 'events.too_many_streams', 'server.busy'], price: 20 },
  }, async (request, reply) => {
    const stream = await app.organizationLog.stream(request.caller, request.params.id, resumedAt(request.query, request.headers), () => request.stillAdmitted())
    return reply.headers(EVENT_STREAM).send(stream)
  })

  app.get('/list', {
    schema: {
      operationId: 'listOrganizationEvents', summary: 'List the events of an organization', tags, params: IdParams, querystring: Query, response: { 200: EventList },
      description: 'Right audit.read. What was done in it, and to its keys and clients. The oldest first, from the first that is kept or after a place. `next` is always there: whoever asks again with it later misses nothing.',
    },
    config: { access: ['user', 'gatehouse:audit.read'], errors: ['organization.not_found', 'cursor.invalid', 'events.expired'], price: 20 },
  }, (request) => app.organizationLog.events(request.caller, request.params.id, request.query, request.query.limit ?? 50))
}) satisfies FastifyPluginAsyncTypebox
