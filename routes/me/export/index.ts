// All that is kept of the caller, as one document.
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import { userExample } from '../../users/schema.js'

const Everything = Type.Unsafe<Record<string, unknown>>({
  type: 'object', additionalProperties: true, required: ['exportedAt', 'account'],
  examples: [{ exportedAt: '2027-01-02T10:00:00.000Z', account: userExample, sessions: [], devices: [], keys: [], identities: [], factors: { totp: [], passkeys: [] }, applications: [], organizations: [], activity: [] }],
})

export default (async (app) => {
  app.get('/', {
    schema: {
      operationId: 'exportMe', summary: 'All that is kept of me',
      description: 'My account, sessions, devices, identities at other systems, second factors, keys (never a secret), applications that I let act for me (what I consented to, and since when), organizations that I am in with my roles there, and what I did, the newest 2000 acts. A later version may add parts.',
      tags: ['Account'], response: { 200: Everything },
    },
    config: { access: ['user'], impersonated: false, errors: ['user.not_found'], price: 50 },
  }, async (request, reply) => {
    const everything = await app.accountExports.everything(request.caller)
    return reply.header('content-disposition', 'attachment; filename="account.json"').send(everything)
  })
}) satisfies FastifyPluginAsyncTypebox
