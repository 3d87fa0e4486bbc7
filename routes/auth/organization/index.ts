// In which organization the session acts.
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import { Id, strict } from '../../../plugins/http/route-kit.js'

const ID = '0198c0de-7d3a-7c1e-9a53-0d9a3c0b6f50'
const ActIn = strict({ organizationId: Type.Union([Id, Type.Null()], { description: 'null: in none' }) }, { examples: [{ organizationId: ID }] })
const ActsIn = Type.Object({
  organizationId: Type.Union([Type.String(), Type.Null()]),
  accessToken: Type.Optional(Type.String({ description: 'Of a session of tokens: the one to go on with. The one before is good where it was until it ends' })),
  expiresIn: Type.Optional(Type.Integer({ description: 'Seconds it lives' })),
}, { examples: [{ organizationId: ID, accessToken: 'eyJhbGciOiJFZERTQSIsInR5cCI6ImF0K2p3dCJ9.e30.AA', expiresIn: 300 }] })

export default (async (app) => {
  app.post('/', {
    schema: {
      operationId: 'actInOrganization', summary: 'Act in an organization', tags: ['Sign-in'], body: ActIn, response: { 200: ActsIn },
      description: 'The session acts in it from then on: at the application it is worth what the user\'s roles in the organization are, and nothing of their own; at this API it may what it could before. A token says so in `org`, and is refused from '
        + 'the moment its user has left, or the organization is suspended; the next refresh gives one without.',
    },
    config: { access: ['user'], errors: ['organization.not_found', 'session.not_found'] },
  }, async (request) => app.organizationSwitch.actIn(request.caller, request.body.organizationId))
}) satisfies FastifyPluginAsyncTypebox
