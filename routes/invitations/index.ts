// Invitations, for those who may open accounts.
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { IdParams, NoContent } from '../../plugins/http/route-kit.js'
import { Invitation, InvitationPage, InvitationQuery, NewInvitation } from './schema.js'

const tags = ['Users']

export default (async (app) => {
  const { invitations } = app

  app.get('/', {
    schema: { operationId: 'listInvitations', summary: 'List invitations', description: 'Those that can still be accepted.', tags, querystring: InvitationQuery, response: { 200: InvitationPage } },
    config: { access: ['gatehouse:users.read'], errors: ['cursor.invalid'] },
  }, async ({ query }, reply) => reply.page(await invitations.list(query)))

  app.post('/', {
    schema: {
      operationId: 'invite', summary: 'Invite somebody', tags, body: NewInvitation, response: { 201: Invitation },
      description: 'Mails a link by which whoever reads the mail of the address opens an account, within seven days and once. Only where SIGN_UP is not closed. Without `roles` they become a member; '
        + 'a role can be given only by someone who holds its permissions, now and when it is accepted. A hundred may wait at a time for each who invites; three an hour go to one address.',
    },
    config: {
      access: ['gatehouse:users.write'], idempotent: true, price: 10,
      errors: ['signup.closed', 'email.taken', 'role.unknown', 'permission.not_held', 'invitation.cap_reached', 'rate.limited'],
    },
  }, async (request, reply) => request.idempotently(reply, 201, () => invitations.give(request.caller, request.body)))

  app.delete('/:id', {
    schema: { operationId: 'revokeInvitation', summary: 'Revoke an invitation', tags, params: IdParams, response: { 204: NoContent } },
    config: { access: ['gatehouse:users.write', 'gatehouse:brake'], errors: ['invitation.not_found', 'permission.not_held'] },
  }, async (request, reply) => {
    await invitations.revoke(request.caller, request.params.id)
    return reply.code(204).send(null)
  })
}) satisfies FastifyPluginAsyncTypebox
