// OAuth clients, for those who let applications in.
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { IdParams, NoContent } from '../../plugins/http/route-kit.js'
import { expectedVersion } from '../../src/kernel/etag.js'
import { ClientPage, ClientPatch, ClientQuery, ClientView, CreatedClient, CreatedClientSecret, NewClient, NewClientSecret, SecretParams } from './schema.js'

const tags = ['OAuth clients']

export default (async (app) => {
  const { clients } = app

  app.get('/', {
    schema: { operationId: 'listClients', summary: 'List OAuth clients', tags, querystring: ClientQuery, response: { 200: ClientPage } },
    config: { access: ['gatehouse:clients.read'], errors: ['cursor.invalid'] },
  }, async (request, reply) => reply.page(await clients.list(request.caller, request.query)))

  app.post('/', {
    schema: {
      operationId: 'createClient', summary: 'Let an application in',
      description: 'Whoever does holds what its scopes are worth at its resources. The secret, where it has one, is in this answer only.', tags, body: NewClient, response: { 201: CreatedClient },
    },
    config: { access: ['gatehouse:clients.write'], idempotent: true, errors: ['client.cap_reached', 'client.taken', 'permission.not_held'] },
  }, async (request, reply) => request.idempotently(reply, 201, () => clients.create(request.caller, request.body)))

  app.get('/:id', {
    schema: { operationId: 'readClient', summary: 'Read an OAuth client', tags, params: IdParams, response: { 200: ClientView } },
    config: { access: ['gatehouse:clients.read'], errors: ['client.not_found'] },
  }, async (request, reply) => reply.versioned(await clients.find(request.caller, request.params.id)))

  app.patch('/:id', {
    schema: { operationId: 'changeClient', summary: 'Change an OAuth client', description: 'Its kind stays. Disabling it takes no more than the right to write clients.', tags, params: IdParams, body: ClientPatch, response: { 200: ClientView } },
    config: { access: ['gatehouse:clients.write'], errors: ['client.not_found', 'permission.not_held', 'precondition.required', 'precondition.failed'] },
  }, async (request, reply) => {
    const { id } = request.params
    return reply.versioned(await clients.update(request.caller, id, expectedVersion(request.headers['if-match'], id), request.body))
  })

  app.delete('/:id', {
    schema: { operationId: 'deleteClient', summary: 'Delete an OAuth client', description: 'Its tokens open nothing from then on.', tags, params: IdParams, response: { 204: NoContent } },
    config: { access: ['gatehouse:clients.write'], errors: ['client.not_found', 'precondition.failed'] },
  }, async (request, reply) => {
    const { id } = request.params
    const header = request.headers['if-match']
    await clients.remove(request.caller, id, header === undefined ? '*' : expectedVersion(header, id))
    return reply.code(204).send(null)
  })

  app.post('/:id/secrets', {
    schema: {
      operationId: 'addClientSecret', summary: 'Add a secret', description: 'Up to five at a time: one takes over from another without a gap.', tags, params: IdParams, body: NewClientSecret, response: { 201: CreatedClientSecret },
    },
    config: { access: ['gatehouse:clients.write'], idempotent: true, errors: ['client.not_found', 'client.no_secret', 'client.secrets_full', 'permission.not_held'] },
  }, async (request, reply) => {
    const { expiresAt, ...rest } = request.body
    return request.idempotently(reply, 201, () => clients.addSecret(request.caller, request.params.id, { ...rest, ...(expiresAt === undefined ? {} : { expiresAt: new Date(expiresAt) }) }))
  })

  app.delete('/:id/secrets/:secretId', {
    schema: { operationId: 'deleteClientSecret', summary: 'Delete a secret', tags, params: SecretParams, response: { 204: NoContent } },
    config: { access: ['gatehouse:clients.write'], errors: ['client.not_found', 'client.secret_not_found'] },
  }, async (request, reply) => {
    await clients.removeSecret(request.caller, request.params.id, request.params.secretId)
    return reply.code(204).send(null)
  })
}) satisfies FastifyPluginAsyncTypebox
