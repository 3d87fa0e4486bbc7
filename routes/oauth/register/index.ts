// Dynamic client registration (RFC 7591) and its management (RFC 7592), where it is on.
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyRequest } from 'fastify'
import { Id, strict } from '../../../plugins/http/route-kit.js'
import { NoAnswer, OAuthAnswer } from '../schema.js'

const BEARER = /^bearer ([A-Za-z0-9\-._~+/]+=*)$/i

const tokenOf = ({ headers: { authorization = '' } }: FastifyRequest): string => BEARER.exec(authorization)?.[1] ?? ''

const Params = strict({ id: Id })

export default (async (app) => {
  const { clientRegistration: registration } = app
  // pages register as well; unknown members are passed over (RFC 7591 2)
  const few = { access: ['public' as const], anyOrigin: true, takesJson: true, rateLimit: { max: 20, timeWindow: 60_000 } }

  app.post('/', { schema: { response: { 201: OAuthAnswer } }, config: few }, async (request, reply) => {
    await request.mayRegister()
    return reply.code(201).type('application/json; charset=utf-8').serializer(JSON.stringify).send(await registration.register(request.caller, request.metadata()))
  })

  app.get('/:id', { schema: { params: Params, response: { 200: OAuthAnswer } }, config: few }, async (request, reply) =>
    reply.type('application/json; charset=utf-8').serializer(JSON.stringify).send(await registration.read(request.params.id, tokenOf(request))))

  app.put('/:id', { schema: { params: Params, response: { 200: OAuthAnswer } }, config: few }, async (request, reply) =>
    reply.type('application/json; charset=utf-8').serializer(JSON.stringify).send(await registration.replace(request.caller, request.params.id, tokenOf(request), request.metadata())))

  app.delete('/:id', { schema: { params: Params, response: { 204: NoAnswer } }, config: few }, async (request, reply) => {
    await registration.remove(request.caller, request.params.id, tokenOf(request))
    return reply.code(204).send(null)
  })
}) satisfies FastifyPluginAsyncTypebox
