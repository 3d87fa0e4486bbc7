// Mails that there was no mail server for: for whoever develops on this machine, and nobody else. On an installation that is meant for others there is
// no such page, nor for a request from elsewhere or one that was passed on.
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import { Time } from '../../../plugins/http/route-kit.js'
import { problem } from '../../../src/kernel/errors.js'

const Letter = Type.Object({
  id: Type.String({ description: 'The same as in its Message-ID' }),
  kind: Type.String(),
  to: Type.String(),
  at: Time,
  subject: Type.String(),
  text: Type.String(),
  html: Type.String(),
})
const EXAMPLE = { id: '0198c0de-7d3a-7c1e-9a53-0d9a3c0b6f44', kind: 'password.reset_link', to: 'ada@example.com', at: '2027-01-01T09:00:00.000Z', subject: 'Choose a new password', text: '...', html: '...' }
const Letters = Type.Object({ data: Type.Array(Letter, { description: 'The newest first, at most 50' }) }, { examples: [{ data: [EXAMPLE] }] })

export default (async (app) => {
  const { outbox } = app

  app.get('/', {
    schema: {
      operationId: 'listOutbox', summary: 'Mails that were not sent',
      description: 'While you develop: on the embedded database, without SMTP_URL, from this machine, not through a proxy; elsewhere 404. What has been kept since the start.',
      tags: ['Development'], response: { 200: Letters },
    },
    config: { access: ['gatehouse:outbox.read'], errors: ['route.not_found'] },
  }, async (request, reply) => {
    if (!outbox.isOpen() || !request.isLocal()) throw problem('route.not_found')
    return reply.header('cache-control', 'no-store').send({ data: [...outbox.list()] })
  })
}) satisfies FastifyPluginAsyncTypebox
