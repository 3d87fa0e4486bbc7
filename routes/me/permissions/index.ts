// What the signed-in user may do, where they act.
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'

const OwnPermissions = Type.Object({
  organizationId: Type.Union([Type.String(), Type.Null()], { description: 'That they act in' }), permissions: Type.Unsafe<readonly string[]>(Type.Array(Type.String())),
}, { examples: [{ organizationId: null, permissions: ['gatehouse:own.keys', 'reports:read'] }] })

export default (async (app) => {
  app.get('/', {
    schema: { operationId: 'readMyPermissions', summary: 'What I may do', tags: ['Account'], response: { 200: OwnPermissions } },
    config: { access: ['user'] },
  }, async (request) => {
    const { organizationId = null, permissions } = request.signedIn()
    return { organizationId, permissions }
  })
}) satisfies FastifyPluginAsyncTypebox
