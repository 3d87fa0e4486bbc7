// The roles an account can have: named sets of permissions.
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'

const Role = Type.Object({
  name: Type.String(),
  description: Type.String(),
  permissions: Type.Array(Type.String(), { description: 'A last part of * covers all below it' }),
})
const RoleList = Type.Object({ data: Type.Array(Role, { description: 'All of them, by name' }) }, {
  examples: [{ data: [{ name: 'admin', description: 'Manages this installation', permissions: ['gatehouse:*'] }] }],
})

export default (async (app) => {
  app.get('/', {
    schema: { summary: 'List roles', tags: ['Users'], response: { 200: RoleList } },
    config: { access: ['gatehouse:users.read'] },
  }, async () => ({ data: await app.roles.list() }))
}) satisfies FastifyPluginAsyncTypebox
