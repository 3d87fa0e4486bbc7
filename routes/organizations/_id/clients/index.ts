// /organizations/:id/clients: the OAuth clients of an organization, for who has the right to in it. To whoever is not in it there is nothing here.
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { IdParams, NoContent } from '../../../../plugins/http/route-kit.js'
import { expectedVersion } from '../../../../src/kernel/etag.js'
import type { Access, Caller } from '../../../../src/kernel/principal.js'
import {
  ClientPage, ClientView, CreatedClient, CreatedClientSecret, NewClientSecret, NewOrganizationClient, OrganizationClientParams, OrganizationClientPatch, OrganizationClientQuery, OrganizationSecretParams,
} from '../../../clients/schema.js'

const tags = ['Organizations']
const LOOK: Access[] = ['user', 'gatehouse:organizations.read', 'gatehouse:organizations.write']
const CHANGE: Access[] = ['user', 'gatehouse:organizations.write']

export default (async (app) => {
  const { clients, audit } = app
  const recorded = <T>(request: { caller: Caller; params: { id: string } }, work: () => Promise<T>): Promise<T> => audit.recordingRefusal(request.caller, { targetType: 'organization', targetId: request.params.id }, work)

  app.get('/', {
    schema: { operationId: 'listOrganizationClients', summary: 'List the OAuth clients of an organization', description: 'Right clients.read.', tags, params: IdParams, querystring: OrganizationClientQuery, response: { 200: ClientPage } },
    config: { access: LOOK, errors: ['organization.not_found', 'cursor.invalid'] },
  }, async (request, reply) => reply.page(await clients.list(request.caller, request.query, request.params.id)))

  app.post('/', {
    schema: {
      operationId: 'createOrganizationClient', summary: 'Make an OAuth client of an organization', tags, params: IdParams, body: NewOrganizationClient, response: { 201: CreatedClient },
      description: 'Right clients.write, and all that its scopes are worth, within what the organization is entitled to, of which it has never more. As many as its operator says (clientsMax). People are always asked. The secret, where it has one, is in this answer only.',
    },
    config: { access: CHANGE, idempotent: true, errors: ['organization.not_found', 'client.cap_reached', 'client.taken', 'permission.not_held'] },
  }, async (request, reply) => recorded(request, async () => {
    const { id } = request.params
    // also before a stored answer is given: who may not have its secret may not have it again
    await clients.mayWrite(request.caller, id)
    return request.idempotently(reply, 201, () => clients.create(request.caller, request.body, id), async (answer) => void (await clients.find(request.caller, answer.id, id)))
  }))

  app.get('/:clientId', {
    schema: { operationId: 'readOrganizationClient', summary: 'Read an OAuth client of an organization', description: 'Right clients.read.', tags, params: OrganizationClientParams, response: { 200: ClientView } },
    config: { access: LOOK, errors: ['organization.not_found', 'client.not_found'] },
  }, async (request, reply) => reply.versioned(await clients.find(request.caller, request.params.clientId, request.params.id)))

  app.patch('/:clientId', {
    schema: {
      operationId: 'changeOrganizationClient', summary: 'Change an OAuth client of an organization', tags, params: OrganizationClientParams, body: OrganizationClientPatch, response: { 200: ClientView },
      description: 'Right clients.write, and all that it is worth before and after. Disabling it takes the right alone. Its kind stays.',
    },
    config: { access: CHANGE, errors: ['organization.not_found', 'client.not_found', 'permission.not_held', 'precondition.required', 'precondition.failed'] },
  }, async (request, reply) => {
    const { id, clientId } = request.params
    return reply.versioned(await recorded(request, () => clients.update(request.caller, clientId, expectedVersion(request.headers['if-match'], clientId), request.body, id)))
  })

  app.delete('/:clientId', {
    schema: { operationId: 'deleteOrganizationClient', summary: 'Delete an OAuth client of an organization', description: 'Right clients.write. Its tokens open nothing from then on. If-Match is honoured when given.', tags, params: OrganizationClientParams, response: { 204: NoContent } },
    config: { access: CHANGE, errors: ['organization.not_found', 'client.not_found', 'precondition.failed'] },
  }, async (request, reply) => {
    const { id, clientId } = request.params
    const header = request.headers['if-match']
    await recorded(request, () => clients.remove(request.caller, clientId, header === undefined ? '*' : expectedVersion(header, clientId), id))
    return reply.code(204).send(null)
  })

  app.post('/:clientId/secrets', {
    schema: {
      operationId: 'addOrganizationClientSecret', summary: 'Add a secret', description: 'Right clients.write, and all that the client is worth. Up to five at a time: one takes over from another without a gap.', tags, params: OrganizationClientParams,
      body: NewClientSecret, response: { 201: CreatedClientSecret },
    },
    config: { access: CHANGE, idempotent: true, errors: ['organization.not_found', 'client.not_found', 'client.no_secret', 'client.secrets_full', 'permission.not_held'] },
  }, async (request, reply) => {
    const { expiresAt, ...rest } = request.body
    const { id, clientId } = request.params
    return recorded(request, async () => {
      await clients.mayWrite(request.caller, id)
      return request.idempotently(reply, 201, () => clients.addSecret(request.caller, clientId, { ...rest, ...(expiresAt === undefined ? {} : { expiresAt: new Date(expiresAt) }) }, id))
    })
  })

  app.delete('/:clientId/secrets/:secretId', {
    schema: { operationId: 'deleteOrganizationClientSecret', summary: 'Delete a secret', description: 'Right clients.write.', tags, params: OrganizationSecretParams, response: { 204: NoContent } },
    config: { access: CHANGE, errors: ['organization.not_found', 'client.not_found', 'client.secret_not_found'] },
  }, async (request, reply) => {
    const { id, clientId, secretId } = request.params
    await recorded(request, () => clients.removeSecret(request.caller, clientId, secretId, id))
    return reply.code(204).send(null)
  })
}) satisfies FastifyPluginAsyncTypebox
