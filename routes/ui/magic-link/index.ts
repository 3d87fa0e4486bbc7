// Asking for a mail to sign in by, and where its link leads. The token goes from the address into a cookie before anything is shown; opening a link,
// as scanners of mail do, uses nothing up.
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { form, formProblem, missing, onward } from '../../../plugins/http/page-kit.js'

const AskForm = form({ email: 320 })

// what is kept on the way to a mail and back has an end
const MOST_KEPT = 300
const KEPT_SECONDS = 600

export default (async (app) => {
  const { clock, magicLinks } = app

  app.get('/', { config: { access: ['public'] }, preHandler: async () => magicLinks.requireOn() }, async (request, reply) => {
    const token = request.asked('token')
    if (token !== '') return reply.keep('magic-link', token, KEPT_SECONDS).onward('/ui/magic-link/open')
    return reply.show('magic-ask', { returnTo: request.returnTo(), email: '', problem: null })
  })

  // what an address may ask of it is counted together with what it asks of the API
  app.post('/', { schema: { body: AskForm }, config: { access: ['public'], rateLimit: { max: 20, timeWindow: 600_000, groupId: '/api/v1/auth/magic-link' } }, preHandler: async () => magicLinks.requireOn() }, async (request, reply) => {
    const { email } = request.body
    const returnTo = request.returnTo()
    try {
      const empty = missing({ email })
      if (empty) return await reply.code(422).show('magic-ask', { returnTo, email, problem: empty })
      const { id, expiresIn } = await magicLinks.ask(request.caller, { email, browser: request.browserBinding(reply), ...request.knownDevice() })
      // the link of the mail, which knows no more than its token, leads on to the same place as the code
      return reply.keep('magic', `${id} ${returnTo.length > MOST_KEPT ? '' : returnTo}`, expiresIn).keep('sent', email, expiresIn).onward(onward('/ui/magic-link/code', returnTo))
    } catch (error) {
      const problem = formProblem(error, clock.now(), { 'request.invalid': ['email.malformed', 'email'] })
      return reply.code(422).show('magic-ask', { returnTo, email, problem })
    }
  })
}) satisfies FastifyPluginAsyncTypebox
