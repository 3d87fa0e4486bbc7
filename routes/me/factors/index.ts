// One's own second factors. What changes them asks for a recent proof of who asks.
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { IdParams, NoContent, RECENT, registrationOf } from '../../../plugins/http/route-kit.js'
import { CreationOptions } from '../../auth/mfa/schema.js'
import { AddedFactor, BegunTotp, Factors, NewPasskey, NewTotp, RecoveryCodes, TotpCode } from './schema.js'

const tags = ['Factors']
const access = ['gatehouse:own.factors'] satisfies ['gatehouse:own.factors']

export default (async (app) => {
  const { factors } = app

  app.get('/', {
    schema: { operationId: 'listMyFactors', summary: 'My second factors', tags, response: { 200: Factors } },
    config: { access },
  }, async (request) => factors.list(request.signedIn().id))

  app.post('/totp', {
    schema: {
      operationId: 'beginTotp', summary: 'Begin to add an authenticator app', description: 'It counts once it has been confirmed with a code, within 15 minutes.', tags, body: NewTotp, response: { 201: BegunTotp },
    },
    config: { access, stepUp: RECENT, price: 10, errors: ['factor.cap_reached'] },
  }, async (request, reply) => reply.code(201).send(await factors.beginTotp(request.caller, request.body.name)))

  app.post('/totp/:id/confirm', {
    schema: {
      operationId: 'confirmTotp', summary: 'Add the authenticator app', description: 'From then on signing in asks for it. This session has proven it with this.', tags, params: IdParams, body: TotpCode,
      response: { 200: AddedFactor },
    },
    config: { access, price: 10, errors: ['factor.not_found', 'factor.invalid', 'factor.cap_reached', 'session.not_found'] },
  }, async (request) => factors.confirmTotp(request.caller, request.params.id, request.body.code))

  app.post('/passkeys/options', {
    schema: { operationId: 'readNewPasskeyOptions', summary: 'Begin to add a passkey', tags, response: { 200: CreationOptions } },
    config: { access, stepUp: RECENT, price: 10 },
  }, async (request) => factors.passkeyOptions(request.caller))

  app.post('/passkeys', {
    schema: { operationId: 'addPasskey', summary: 'Add a passkey', description: 'In the session that got the options, within five minutes.', tags, body: NewPasskey, response: { 201: AddedFactor } },
    config: { access, price: 10, errors: ['factor.invalid', 'factor.taken', 'factor.cap_reached', 'session.not_found'] },
  }, async (request, reply) => {
    const { name, registration } = request.body
    return reply.code(201).send(await factors.addPasskey(request.caller, { name, registration: registrationOf(registration) }))
  })

  app.post('/recovery-codes', {
    schema: { operationId: 'makeRecoveryCodes', summary: 'Make recovery codes anew', description: 'The ones before stop working.', tags, response: { 201: RecoveryCodes } },
    config: { access, stepUp: RECENT, price: 10, errors: ['factor.none'] },
  }, async (request, reply) => reply.code(201).send({ recoveryCodes: await factors.renewCodes(request.caller) }))

  app.delete('/:id', {
    schema: { operationId: 'removeFactor', summary: 'Remove a factor', description: 'Ends sign-ins that wait for a factor. With the last one the recovery codes go.', tags, params: IdParams, response: { 204: NoContent } },
    config: { access, stepUp: RECENT, errors: ['factor.not_found', 'factor.needed'] },
  }, async (request, reply) => {
    await factors.remove(request.caller, request.params.id)
    return reply.code(204).send(null)
  })
}) satisfies FastifyPluginAsyncTypebox
