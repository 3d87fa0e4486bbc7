// The devices that the caller has signed in from, and how one is forgotten.
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { IdParams, NoContent } from '../../../plugins/http/route-kit.js'
import { DeviceList } from './schema.js'

const tags = ['Account']

export default (async (app) => {
  const { devices } = app

  app.get('/', {
    schema: {
      operationId: 'listMyDevices', summary: 'List my devices',
      description: 'Where I have signed in from, for 90 days after the last time; at most 20. A device that is known is not held back by guesses of others.',
      tags, response: { 200: DeviceList },
    },
    config: { access: ['gatehouse:own.sessions'] },
  }, async (request) => ({ data: await devices.list(request.signedIn().id, request.knownDevice().deviceToken) }))

  app.delete('/:id', {
    schema: {
      operationId: 'forgetMyDevice', summary: 'Forget a device',
      description: 'Its next sign-in is a stranger\'s. Sessions are not ended: DELETE /sessions/:id does that.',
      tags, params: IdParams, response: { 204: NoContent },
    },
    config: { access: ['user'], errors: ['device.not_found'] },
  }, async (request, reply) => {
    await devices.forget(request.caller, request.signedIn().id, request.params.id)
    return reply.code(204).send(null)
  })
}) satisfies FastifyPluginAsyncTypebox
