// Events: as a stream that goes on, and as a list.
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { EVENT_STREAM, resumedAt } from '../../plugins/http/route-kit.js'
import { EventList, EventStream, ListQuery, StreamQuery } from './schema.js'

const tags = ['Events']

export default (async (app) => {
  app.get('/', {
    // a HEAD twin would be a stream that nobody reads
    exposeHeadRoute: false,
    schema: {
      operationId: 'streamEvents', summary: 'Be told of events as they happen', tags, produces: ['text/event-stream'], querystring: StreamQuery, response: { 200: EventStream },
      description: 'From now on, or after `Last-Event-ID` (which wins over `after`) on any node. Of each kind of event one is told who may see its subject (docs/events.md). Ends when the credential does, '
        + 'and when the reader does not keep up; the last `id` is where to go on.',
    },
    config: { access: ['gatehouse:events.read'], errors: ['cursor.invalid', 'events.expired', 'events.too_many_streams', 'server.busy'], price: 5 },
  }, async (request, reply) => {
    const stream = await app.events.stream(request.signedIn(), resumedAt(request.query, request.headers), () => request.stillAdmitted())
    return reply.headers(EVENT_STREAM).send(stream)
  })

  app.get('/list', {
    schema: {
      operationId: 'listEvents', summary: 'List events', tags, querystring: ListQuery, response: { 200: EventList },
      description: 'The oldest first, from the first that is kept or after a place. `next` is always there: whoever asks again with it later misses nothing.',
    },
    config: { access: ['gatehouse:events.read'], errors: ['cursor.invalid', 'events.expired'] },
  }, (request) => app.events.list(request.signedIn(), request.query, request.query.limit ?? 50))
}) satisfies FastifyPluginAsyncTypebox
