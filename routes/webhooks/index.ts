// Webhook endpoints, for those who say where events are sent.
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { IdParams, NoContent } from '../../plugins/http/route-kit.js'
import { expectedVersion } from '../../src/kernel/etag.js'
import { FailurePage, FailureQuery, NewWebhook, Replay, RotateSecret, Tested, Webhook, WebhookPage, WebhookPatch, WebhookQuery, WebhookWithSecret } from './schema.js'

const tags = ['Webhooks']

export default (async (app) => {
  const { webhooks } = app

  app.get('/', {
    schema: { operationId: 'listWebhooks', summary: 'List webhook endpoints', tags, querystring: WebhookQuery, response: { 200: WebhookPage } },
    config: { access: ['gatehouse:webhooks.read'], errors: ['cursor.invalid'] },
  }, async ({ caller, query }, reply) => reply.page(await webhooks.list(caller, query)))

  app.post('/', {
    schema: {
      operationId: 'createWebhook', summary: 'Add a webhook endpoint',
      description: 'From now on it is told of events of these kinds, as far as you (or, with a key, that key) are told of them yourself at that moment. The secret is told this once.',
      tags, body: NewWebhook, response: { 201: WebhookWithSecret },
    },
    config: { access: ['gatehouse:webhooks.write'], idempotent: true, errors: ['permission.not_held', 'webhook.cap_reached'] },
  }, async (request, reply) => request.idempotently(reply, 201, () => webhooks.create(request.caller, request.body)))

  app.get('/:id', {
    schema: { operationId: 'readWebhook', summary: 'Read a webhook endpoint', tags, params: IdParams, response: { 200: Webhook } },
    config: { access: ['gatehouse:webhooks.read'], errors: ['webhook.not_found'] },
  }, async ({ caller, params }, reply) => reply.versioned(await webhooks.find(caller, params.id)))

  app.patch('/:id', {
    schema: {
      operationId: 'changeWebhook', summary: 'Change a webhook endpoint',
      description: 'Whoever changes where events go, or which, is from then on the one whose sight decides. Enabling it begins with what happens from now on: replay what it missed.',
      tags, params: IdParams, body: WebhookPatch, response: { 200: Webhook },
    },
    config: { access: ['gatehouse:webhooks.write'], errors: ['webhook.not_found', 'permission.not_held', 'precondition.required', 'precondition.failed'] },
  }, async (request, reply) => {
    const { id } = request.params
    return reply.versioned(await webhooks.update(request.caller, id, expectedVersion(request.headers['if-match'], id), request.body))
  })

  app.delete('/:id', {
    schema: { operationId: 'deleteWebhook', summary: 'Remove a webhook endpoint', tags, params: IdParams, response: { 204: NoContent } },
    config: { access: ['gatehouse:webhooks.write'], errors: ['webhook.not_found', 'precondition.failed'] },
  }, async (request, reply) => {
    const { id } = request.params
    const header = request.headers['if-match']
    await webhooks.remove(request.caller, id, header === undefined ? '*' : expectedVersion(header, id))
    return reply.code(204).send(null)
  })

  app.post('/:id/secret', {
    schema: { operationId: 'rotateWebhookSecret', summary: 'Give a webhook endpoint another secret', description: 'Your sight decides from then on.', tags, params: IdParams, body: RotateSecret, response: { 200: WebhookWithSecret } },
    config: { access: ['gatehouse:webhooks.write'], errors: ['webhook.not_found', 'permission.not_held'] },
  }, (request) => webhooks.rotate(request.caller, request.params.id, request.body.overlapHours))

  app.post('/:id/test', {
    schema: { operationId: 'testWebhook', summary: 'Send a message that tells of nothing', description: 'Of type webhook.test, once; the answer says what came of it.', tags, params: IdParams, response: { 200: Tested } },
    config: { access: ['gatehouse:webhooks.write'], errors: ['webhook.not_found'], price: 10 },
  }, (request) => webhooks.test(request.caller, request.params.id))

  app.post('/:id/replay', {
    schema: { operationId: 'replayWebhook', summary: 'Have events told once more', description: 'One by its id, or all since a time, in their order. Their ids are the same as before.', tags, params: IdParams, body: Replay, response: { 204: NoContent } },
    config: { access: ['gatehouse:webhooks.write'], errors: ['webhook.not_found', 'webhook.full', 'events.expired'], price: 10 },
  }, async (request, reply) => {
    const { body } = request
    await webhooks.replay(request.caller, request.params.id, body.what === 'event' ? { eventId: body.eventId } : { since: body.since })
    return reply.code(204).send(null)
  })

  app.get('/:id/failures', {
    schema: { operationId: 'listWebhookFailures', summary: 'What a webhook endpoint has not taken', tags, params: IdParams, querystring: FailureQuery, response: { 200: FailurePage } },
    config: { access: ['gatehouse:webhooks.read'], errors: ['webhook.not_found', 'cursor.invalid'] },
  }, async ({ caller, params, query }, reply) => reply.page(await webhooks.failures(caller, params.id, query)))
}) satisfies FastifyPluginAsyncTypebox
