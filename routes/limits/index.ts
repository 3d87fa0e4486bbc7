// Limits that stand on no key: of namespaces, for whatever an API wants counted, and of owners, shared by all of their keys.
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { IdParams, NoContent } from '../../plugins/http/route-kit.js'
import { expectedVersion } from '../../src/kernel/etag.js'
import { CheckAnswer, CheckRequest, LimitList, NamespacePage, NamespaceParams, NamespaceQuery, NamespaceView, OwnerLimitList, OwnerLimits } from './schema.js'

const tags = ['Limits']

export default (async (app) => {
  const { limits } = app

  app.post('/check', {
    schema: {
      operationId: 'checkLimits', summary: 'Count against a namespace',
      description: 'Charges the identifier against all limits of the namespace, or none. 200 for both answers: the limit is yours to enforce.',
      tags, body: CheckRequest, response: { 200: CheckAnswer },
    },
    config: { access: ['gatehouse:limits.check'], price: 0, errors: ['namespace.not_found'] },
  }, async (request, reply) => {
    const answer = await limits.check(request.body)
    return reply.rateLimits(answer.limits).send(answer)
  })

  app.get('/', {
    schema: { operationId: 'listNamespaces', summary: 'List namespaces', tags, querystring: NamespaceQuery, response: { 200: NamespacePage } },
    config: { access: ['gatehouse:limits.read'], errors: ['cursor.invalid'] },
  }, async ({ query }, reply) => reply.page(await limits.list(query)))

  app.get('/:namespace', {
    schema: { operationId: 'readNamespace', summary: 'Read a namespace', tags, params: NamespaceParams, response: { 200: NamespaceView } },
    config: { access: ['gatehouse:limits.read'], errors: ['namespace.not_found'] },
  }, async ({ params }, reply) => reply.versioned(await limits.find(params.namespace)))

  app.put('/:namespace', {
    schema: {
      operationId: 'defineNamespace', summary: 'Define a namespace',
      description: 'Creates it, or replaces the limits of one that If-Match names. In force on every node within a second. Counters of limits that stay go on.',
      tags, params: NamespaceParams, body: LimitList, response: { 200: NamespaceView, 201: NamespaceView },
    },
    config: { access: ['gatehouse:limits.write'], errors: ['precondition.required', 'precondition.failed'] },
  }, async (request, reply) => {
    const { created, view } = await limits.put(request.caller, request.params.namespace, request.headers['if-match'], request.body.limits)
    return reply.code(created ? 201 : 200).versioned(view)
  })

  app.delete('/:namespace', {
    schema: { operationId: 'deleteNamespace', summary: 'Delete a namespace', description: 'If-Match is honoured when given.', tags, params: NamespaceParams, response: { 204: NoContent } },
    config: { access: ['gatehouse:limits.write'], errors: ['namespace.not_found', 'precondition.failed'] },
  }, async (request, reply) => {
    await limits.remove(request.caller, request.params.namespace, request.headers['if-match'])
    return reply.code(204).send(null)
  })

  app.get('/owners/:id', {
    schema: { operationId: 'readOwnerLimits', summary: 'Read the limits of an owner', tags, params: IdParams, response: { 200: OwnerLimits } },
    config: { access: ['gatehouse:limits.read'], errors: ['user.not_found'] },
  }, async ({ params }, reply) => reply.versioned(await limits.findOwner(params.id.toLowerCase())))

  app.put('/owners/:id', {
    schema: {
      operationId: 'setOwnerLimits', summary: 'Set the limits of an owner',
      description: 'All keys of this user share them, besides the limits of their own; an empty list removes them. '
        + 'Needs If-Match: GET answers an ETag also where none were ever set.',
      tags, params: IdParams, body: OwnerLimitList, response: { 200: OwnerLimits },
    },
    config: { access: ['gatehouse:limits.write'], errors: ['user.not_found', 'precondition.required', 'precondition.failed'] },
  }, async (request, reply) => {
    const id = request.params.id.toLowerCase()
    return reply.versioned(await limits.putOwner(request.caller, id, expectedVersion(request.headers['if-match'], id), request.body.limits))
  })
}) satisfies FastifyPluginAsyncTypebox
