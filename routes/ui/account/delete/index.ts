// Deleting my account: what goes with it is said in figures first.
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyRequest } from 'fastify'
import { form, formProblem } from '../../../../plugins/http/page-kit.js'
import { RECENT } from '../../../../plugins/http/route-kit.js'

const DeleteForm = form({ email: 320, sure: 5 })
const COUNTED = 200

/** How many there are; from 200 on, at least that many. */
function countOf({ json }: { json: string }): string {
  const { data, page } = JSON.parse(json) as { data: unknown[]; page: { nextCursor: string | null } }
  return page.nextCursor === null ? String(data.length) : `${COUNTED}+`
}

export default (async (app) => {
  const { accounts, accountChanges, clock, keys, sessions } = app

  async function shown(request: FastifyRequest) {
    const { id, sessionId } = request.signedIn()
    const [{ email }, ofKeys, ofSessions] = await Promise.all([
      accounts.find(id), keys.list(request.caller, { limit: COUNTED, ownerUserId: id, status: 'active', fields: 'id' }), sessions.list(id, { limit: COUNTED, fields: 'id' }, sessionId),
    ])
    return { email: email ?? '', keys: countOf(ofKeys), sessions: countOf(ofSessions) }
  }

  app.get('/', { config: { access: ['user'], stepUp: RECENT } }, async (request, reply) => reply.show('delete-account', { ...(await shown(request)), problem: null }))

  app.post('/', { schema: { body: DeleteForm }, config: { access: ['user'], stepUp: RECENT, price: 10 } }, async (request, reply) => {
    if (request.body.sure === '') return reply.code(422).show('delete-account', { ...(await shown(request)), problem: { code: 'missing', at: 'sure' } })
    try {
      await accountChanges.removeOwn(request.caller)
    } catch (error) {
      const problem = formProblem(error, clock.now(), { 'admin.last': 'admin.last', 'organization.last_owner': 'organization.last-owner' })
      return reply.code(422).show('delete-account', { ...(await shown(request)), problem })
    }
    await request.session.destroy()
    return reply.dropSessionCookie().onward('/ui/account-deleted')
  })
}) satisfies FastifyPluginAsyncTypebox
