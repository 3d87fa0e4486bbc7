// /organizations/:id/domains: the e-mail domains of an organization. To whoever is not in it there is nothing here.
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { IdParams, NoContent } from '../../../../plugins/http/route-kit.js'
import { expectedVersion } from '../../../../src/kernel/etag.js'
import type { Access, Caller } from '../../../../src/kernel/principal.js'
import { DomainList, DomainParams, DomainPatch, DomainView, NewDomain } from './schema.js'

const tags = ['Organizations']
const LOOK: Access[] = ['user', 'gatehouse:organizations.read', 'gatehouse:organizations.write']
const CHANGE: Access[] = ['user', 'gatehouse:organizations.write']

export default (async (app) => {
  const { organizationDomains: domains, audit } = app
  const recorded = <T>(request: { caller: Caller; params: { id: string } }, work: () => Promise<T>): Promise<T> => audit.recordingRefusal(request.caller, { targetType: 'organization', targetId: request.params.id }, work)

  app.get('/', {
    schema: { operationId: 'listOrganizationDomains', summary: 'List the e-mail domains of an organization', description: 'Right members.read.', tags, params: IdParams, response: { 200: DomainList } },
    config: { access: LOOK, errors: ['organization.not_found'] },
  }, async (request) => ({ data: await domains.list(request.caller, request.params.id) }))

  app.post('/', {
    schema: {
      operationId: 'askForOrganizationDomain', summary: 'Ask for a domain', tags, params: IdParams, body: NewDomain, response: { 201: DomainView },
      description: 'For owners and operators. The answer says which record proves it; one that is not proven within a week is forgotten. A domain is itself and nothing below it; what gives addresses to everybody is nobody\'s.',
    },
    config: { access: CHANGE, idempotent: true, errors: ['organization.not_found', 'permission.not_held', 'role.unknown', 'organization.domain_known', 'organization.domains_full'] },
  }, async (request, reply) => recorded(request, () =>
    request.idempotently(reply, 201, () => domains.ask(request.caller, request.params.id, { automatic: false, roles: [], ...request.body }))))

  app.get('/:domainId', {
    schema: { operationId: 'readOrganizationDomain', summary: 'Read a domain of an organization', description: 'Right members.read.', tags, params: DomainParams, response: { 200: DomainView } },
    config: { access: LOOK, errors: ['organization.not_found', 'organization.domain_not_found'] },
  }, async (request, reply) => reply.versioned(await domains.find(request.caller, request.params.id, request.params.domainId)))

  app.post('/:domainId/verify', {
    schema: {
      operationId: 'verifyOrganizationDomain', summary: 'Have the record of a domain looked up', tags, params: DomainParams, response: { 200: DomainView },
      description: 'For owners and operators, every ten seconds at most. The record stays: it is looked up again each day, and one that is gone for a week gives the domain up. Where another organization has it whose record is gone, it is this one\'s now.',
    },
    config: { access: CHANGE, price: 10, errors: ['organization.not_found', 'organization.domain_not_found', 'organization.domain_unproven', 'organization.domain_taken', 'rate.limited', 'server.busy'] },
  }, async (request, reply) => reply.versioned(await recorded(request, () => domains.verify(request.caller, request.params.id, request.params.domainId))))

  app.patch('/:domainId', {
    schema: {
      operationId: 'changeOrganizationDomain', summary: 'Say who comes in by a domain', tags, params: DomainParams, body: DomainPatch, response: { 200: DomainView },
      description: 'For owners and operators, of roles that they hold. Whoever has a confirmed address at the domain is taken in with those roles, unless they were in the organization before.',
    },
    config: { access: CHANGE, price: 20, errors: ['organization.not_found', 'organization.domain_not_found', 'permission.not_held', 'role.unknown', 'precondition.required', 'precondition.failed'] },
  }, async (request, reply) => {
    const { id, domainId } = request.params
    return reply.versioned(await recorded(request, () => domains.update(request.caller, id, domainId, expectedVersion(request.headers['if-match'], domainId), request.body)))
  })

  app.delete('/:domainId', {
    schema: { operationId: 'deleteOrganizationDomain', summary: 'Give a domain up', description: 'For owners and operators. Whoever came in by it stays. If-Match is honoured when given.', tags, params: DomainParams, response: { 204: NoContent } },
    config: { access: CHANGE, errors: ['organization.not_found', 'organization.domain_not_found', 'precondition.failed'] },
  }, async (request, reply) => {
    const { id, domainId } = request.params
    const header = request.headers['if-match']
    await recorded(request, () => domains.remove(request.caller, id, domainId, header === undefined ? '*' : expectedVersion(header, domainId)))
    return reply.code(204).send(null)
  })
}) satisfies FastifyPluginAsyncTypebox
