// Identity providers, for those who say whose word counts.
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { IdParams, NoContent } from '../../plugins/http/route-kit.js'
import { expectedVersion } from '../../src/kernel/etag.js'
import { IdentitiesQuery, IdentityProviderPage, IdentityProviderPatch, IdentityProviderQuery, IdentityProviderView, NewIdentityProvider } from './schema.js'

const tags = ['Identity providers']

export default (async (app) => {
  const { identityProviders } = app

  app.get('/', {
    schema: { operationId: 'listIdentityProviders', summary: 'List identity providers', tags, querystring: IdentityProviderQuery, response: { 200: IdentityProviderPage } },
    config: { access: ['gatehouse:providers.read'], errors: ['cursor.invalid'] },
  }, async ({ query }, reply) => reply.page(await identityProviders.list(query)))

  app.post('/', {
    schema: {
      operationId: 'createIdentityProvider', summary: 'Add an identity provider',
      description: 'Its issuer is asked when somebody signs in by it, and nothing is asked now. Addresses of special use need OUTBOUND_ALLOW (docs/configuration.md).',
      tags, body: NewIdentityProvider, response: { 201: IdentityProviderView },
    },
    config: { access: ['gatehouse:providers.write'], idempotent: true, errors: ['provider.taken', 'provider.cap_reached'] },
  }, async (request, reply) => request.idempotently(reply, 201, () => identityProviders.create(request.caller, request.body)))

  app.get('/:id', {
    schema: { operationId: 'readIdentityProvider', summary: 'Read an identity provider', tags, params: IdParams, response: { 200: IdentityProviderView } },
    config: { access: ['gatehouse:providers.read'], errors: ['provider.not_found'] },
  }, async ({ params }, reply) => reply.versioned(await identityProviders.find(params.id)))

  app.patch('/:id', {
    schema: {
      operationId: 'changeIdentityProvider', summary: 'Change an identity provider', description: 'Kind and issuer stay: people\'s identities hang on them. `clientSecret: null` makes it a public client.',
      tags, params: IdParams, body: IdentityProviderPatch, response: { 200: IdentityProviderView },
    },
    config: { access: ['gatehouse:providers.write'], errors: ['provider.not_found', 'provider.taken', 'precondition.required', 'precondition.failed'] },
  }, async (request, reply) => {
    const { id } = request.params
    return reply.versioned(await identityProviders.update(request.caller, id, expectedVersion(request.headers['if-match'], id), request.body))
  })

  app.delete('/:id', {
    schema: { operationId: 'deleteIdentityProvider', summary: 'Delete an identity provider', tags, params: IdParams, querystring: IdentitiesQuery, response: { 204: NoContent } },
    config: { access: ['gatehouse:providers.write'], errors: ['provider.not_found', 'provider.in_use', 'precondition.failed'] },
  }, async (request, reply) => {
    const { id } = request.params
    const header = request.headers['if-match']
    await identityProviders.remove(request.caller, id, header === undefined ? '*' : expectedVersion(header, id), request.query.identities === 'delete')
    return reply.code(204).send(null)
  })
}) satisfies FastifyPluginAsyncTypebox
