// Whether an application may act for whoever is signed in: what it is, where it leads, and what it asks for. The answer counts for the request in the address, as
// it is then, and for this sign-in.
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { form } from '../../../plugins/http/page-kit.js'
import type { AuthorizationOutcome, AuthorizationRequest } from '../../../src/oauth/index.js'

const ConsentForm = form({ answer: { maxLength: 3, pattern: '^(yes|no)$' }, version: { maxLength: 9, pattern: '^[0-9]{1,9}$' } })

function hostOf(redirectUri: string): string {
  const { host, protocol } = new URL(redirectUri)
  return /^https?:$/.test(protocol) ? host : protocol.slice(0, -1)
}

function scopesOf({ scopes, resources }: AuthorizationRequest): { name: string; description: string | null; resource: string | null }[] {
  return scopes.map((name) => {
    const resource = resources.find((one) => one.scopes.some((scope) => scope.name === name))
    return { name, description: resource?.scopes.find((one) => one.name === name)?.description ?? null, resource: resource?.name ?? null }
  })
}

export default (async (app) => {
  const { accounts, oauth } = app

  async function answered(outcome: AuthorizationOutcome, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    if (outcome.kind !== 'show' || outcome.need !== 'consent') return reply.authorization(outcome)
    const { client: { name, registration, organizationId, clientUri, policyUri, tosUri }, redirectUri } = outcome.request
    const { email, name: person } = await accounts.find(request.signedIn().id)
    return reply.show('consent', {
      name, host: hostOf(redirectUri), isOwnMachine: !redirectUri.startsWith('https:'), isVouchedFor: registration === 'administrator' && organizationId === null, clientUri, policyUri, tosUri, account: email ?? person ?? '', scopes: scopesOf(outcome.request),
      version: outcome.consentVersion, again: outcome.path,
    })
  }

  app.get('/', { config: { access: ['user'], showsProblems: true } }, async (request, reply) => answered(await oauth.authorize(request.queryParameters(), await request.visitor(reply)), request, reply))

  app.post('/', { schema: { body: ConsentForm }, config: { access: ['user'], showsProblems: true } }, async (request, reply) => {
    const { answer, version } = request.body
    return answered(await oauth.answer(request.queryParameters(), await request.visitor(reply), { allow: answer === 'yes', consentVersion: Number(version) }), request, reply)
  })
}) satisfies FastifyPluginAsyncTypebox
