// The organizations that the signed-in user is in, whichever they act in: for them to choose.
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { OwnOrganizations } from '../../organizations/schema.js'

export default (async (app) => {
  app.get('/', {
    schema: { operationId: 'listMyOrganizations', summary: 'List the organizations I am in', tags: ['Account'], response: { 200: OwnOrganizations } },
    config: { access: ['user'] },
  }, async (request) => ({ data: await app.organizations.own(request.signedIn().id) }))
}) satisfies FastifyPluginAsyncTypebox
