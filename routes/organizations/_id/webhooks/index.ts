// /organizations/:id/webhooks: where an organization has its events sent, for who has the right to in it. To whoever is not in it there is nothing here.
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { IdParams, NoContent } from '../../../../plugins/http/route-kit.js'
import { expectedVersion } from '../../../../src/kernel/etag.js'
import type { Access, Caller } from '../../../../src/kernel/principal.js'
import {
  FailurePage, FailureQuery, NewWebhook, OrganizationWebhookParams, OrganizationWebhookQuery, Replay, RotateSecret, Tested, Webhook, WebhookPage, WebhookPatch, WebhookWithSecret,
} from '../../../webhooks/schema.js'

const tags = ['Organizations']
const LOOK: Access[] = ['user', 'gatehouse:organizations.read', 'gatehouse:organizations.write']
const CHANGE: Access[] = ['user', 'gatehouse:organizations.write']

export default (async (app) => {
  const { webhooks, audit } = app
  const recorded = <T>(request: { caller: Caller; params: { id: string } }, work: () => Promise<T>): Promise<T> => audit.recordingRefusal(request.caller, { targetType: 'organization', targetId: request.params.id }, work)

  app.get('/', {
    schema: { operationId: 'listOrganizationWebhooks', summary: 'List the webhook endpoints of an organization', description: 'Right webhooks.read.', tags, params: IdParams, querystring: OrganizationWebhookQuery, response: { 200: WebhookPage } },
    config: { access: LOOK, errors: ['organization.not_found', 'cursor.invalid'] },
  }, async ({ caller, params, query }, reply) => reply.page(await webhooks.list(caller, query, params.id)))

  app.post('/', {
    schema: {
      operationId: 'createOrganizationWebhook', summary: 'Add a webhook endpoint of an organization', tags, params: IdParams, body: NewWebhook, response: { 201: WebhookWithSecret },
      description: 'Rights webhooks.write and audit.read. From now on it is told of events of these kinds, as far as they are in the organization\'s log, whoever gave it and whatever becomes of them. As many as its operator says (webhooksMax). '
        + 'The secret is told this once.',
    },
    config: { access: CHANGE, idempotent: true, errors: ['organization.not_found', 'webhook.cap_reached'] },
  }, async (request, reply) => recorded(request, async () => {
    const { id } = request.params
    // also before a stored answer is given: who may not have its secret may not have it again
    await webhooks.mayWrite(request.caller, id)
    return request.idempotently(reply, 201, () => webhooks.create(request.caller, request.body, id), async (answer) => void (await webhooks.find(request.caller, answer.id, id)))
  }))

  app.get('/:webhookId', {
    schema: { operationId: 'readOrganizationWebhook', summary: 'Read a webhook endpoint of an organization', description: 'Right webhooks.read.', tags, params: OrganizationWebhookParams, response: { 200: Webhook } },
    config: { access: LOOK, errors: ['organization.not_found', 'webhook.not_found'] },
  }, async ({ caller, params }, reply) => reply.versioned(await webhooks.find(caller, params.webhookId, params.id)))

  app.patch('/:webhookId', {
    schema: {
      operationId: 'changeOrganizationWebhook', summary: 'Change a webhook endpoint of an organization', tags, params: OrganizationWebhookParams, body: WebhookPatch, response: { 200: Webhook },
      description: 'Right webhooks.write; where it goes, what it is told and enabling it take audit.read, too. Enabling it begins with what happens from now on: replay what it missed.',
    },
    config: { access: CHANGE, errors: ['organization.not_found', 'webhook.not_found', 'precondition.required', 'precondition.failed'] },
  }, async (request, reply) => {
    const { id, webhookId } = request.params
    return reply.versioned(await recorded(request, () => webhooks.update(request.caller, webhookId, expectedVersion(request.headers['if-match'], webhookId), request.body, id)))
  })

  app.delete('/:webhookId', {
    schema: { operationId: 'deleteOrganizationWebhook', summary: 'Remove a webhook endpoint of an organization', description: 'Right webhooks.write. If-Match is honoured when given.', tags, params: OrganizationWebhookParams, response: { 204: NoContent } },
    config: { access: CHANGE, errors: ['organization.not_found', 'webhook.not_found', 'precondition.failed'] },
  }, async (request, reply) => {
    const { id, webhookId } = request.params
    const header = request.headers['if-match']
    await recorded(request, () => webhooks.remove(request.caller, webhookId, header === undefined ? '*' : expectedVersion(header, webhookId), id))
    return reply.code(204).send(null)
  })

  app.post('/:webhookId/secret', {
    schema: {
      operationId: 'rotateOrganizationWebhookSecret', summary: 'Give a webhook endpoint of an organization another secret', description: 'Rights webhooks.write and audit.read.', tags, params: OrganizationWebhookParams,
      body: RotateSecret, response: { 200: WebhookWithSecret },
    },
    config: { access: CHANGE, errors: ['organization.not_found', 'webhook.not_found'] },
  }, (request) => recorded(request, () => webhooks.rotate(request.caller, request.params.webhookId, request.body.overlapHours, request.params.id)))

  app.post('/:webhookId/test', {
    schema: {
      operationId: 'testOrganizationWebhook', summary: 'Send a message that tells of nothing', description: 'Right webhooks.write. Of type webhook.test, once; the answer says what came of it.', tags, params: OrganizationWebhookParams,
      response: { 200: Tested },
    },
    config: { access: CHANGE, errors: ['organization.not_found', 'webhook.not_found'], price: 20 },
  }, (request) => recorded(request, () => webhooks.test(request.caller, request.params.webhookId, request.params.id)))

  app.post('/:webhookId/replay', {
    schema: {
      operationId: 'replayOrganizationWebhook', summary: 'Have events told once more', tags, params: OrganizationWebhookParams, body: Replay, response: { 204: NoContent },
      description: 'Rights webhooks.write and audit.read. One event of the organization\'s by its id, or all since a time, in their order. Their ids are the same as before.',
    },
    config: { access: CHANGE, errors: ['organization.not_found', 'webhook.not_found', 'webhook.full', 'events.expired'], price: 20 },
  }, async (request, reply) => {
    const { body, params: { id, webhookId } } = request
    await recorded(request, () => webhooks.replay(request.caller, webhookId, body.what === 'event' ? { eventId: body.eventId } : { since: body.since }, id))
    return reply.code(204).send(null)
  })

  app.get('/:webhookId/failures', {
    schema: {
      operationId: 'listOrganizationWebhookFailures', summary: 'What a webhook endpoint of an organization has not taken', description: 'Right webhooks.read.', tags, params: OrganizationWebhookParams, querystring: FailureQuery,
      response: { 200: FailurePage },
    },
    config: { access: LOOK, errors: ['organization.not_found', 'webhook.not_found', 'cursor.invalid'] },
  }, async ({ caller, params, query }, reply) => reply.page(await webhooks.failures(caller, params.webhookId, query, params.id)))
}) satisfies FastifyPluginAsyncTypebox
