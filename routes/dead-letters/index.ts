// Work that was given up (a mail nobody took), for administrators.
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import { IdParams, NoContent, Time } from '../../plugins/http/route-kit.js'
import { pageOf, pageQuery } from '../../src/kernel/page.js'

const DeadLetter = Type.Object({
  id: Type.String(),
  queue: Type.String({ description: 'Whose work it was: mail, for one' }),
  about: Type.Record(Type.String(), Type.String(), { description: 'What it was about; depends on the queue' }),
  attempts: Type.Integer(),
  error: Type.String({ description: 'Why the last try failed' }),
  createdAt: Time,
  failedAt: Time,
}, {
  examples: [{
    id: '0198c0de-7d3a-7c1e-9a53-0d9a3c0b6f44', queue: 'mail', about: { kind: 'password.reset', to: 'ada@example.com' }, attempts: 10, error: 'connect ECONNREFUSED 192.0.2.25:587',
    createdAt: '2027-01-01T09:00:00.000Z', failedAt: '2027-01-01T14:21:09.000Z',
  }],
})
const Query = pageQuery(['failedAt'], DeadLetter.properties, { queue: Type.Optional(Type.String({ maxLength: 100, pattern: '^[a-z][a-z0-9_.]*$' })) })

const tags = ['Dead letters']

export default (async (app) => {
  const { deadLetters } = app

  app.get('/', {
    schema: {
      operationId: 'listDeadLetters', summary: 'List work that was given up', description: 'After ten tries in about five hours, or at once where no further try would help. Kept for 30 days.',
      tags, querystring: Query, response: { 200: pageOf(DeadLetter) },
    },
    config: { access: ['gatehouse:queue.read'], errors: ['cursor.invalid'] },
  }, async ({ query }, reply) => reply.page(await deadLetters.list(query)))

  app.post('/:id/replay', {
    schema: { operationId: 'replayDeadLetter', summary: 'Have it done again', description: 'With all its tries, as if it had been asked for now. A link in a mail does not live longer for it.', tags, params: IdParams, response: { 204: NoContent } },
    config: { access: ['gatehouse:queue.write'], errors: ['dead_letter.not_found'] },
  }, async (request, reply) => {
    await deadLetters.replay(request.caller, request.params.id)
    return reply.code(204).send(null)
  })

  app.delete('/:id', {
    schema: { operationId: 'deleteDeadLetter', summary: 'Forget it', tags, params: IdParams, response: { 204: NoContent } },
    config: { access: ['gatehouse:queue.write'], errors: ['dead_letter.not_found'] },
  }, async (request, reply) => {
    await deadLetters.forget(request.caller, request.params.id)
    return reply.code(204).send(null)
  })
}) satisfies FastifyPluginAsyncTypebox
