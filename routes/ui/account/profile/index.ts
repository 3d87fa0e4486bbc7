// The name that others see, and the language of mails.
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { doneOf, form, formProblem } from '../../../../plugins/http/page-kit.js'

const ProfileForm = form({ name: { maxLength: 200, 'x-text': 'name' }, locale: 35, version: { maxLength: 10, pattern: '^\\d*$' } })

export default (async (app) => {
  const { accounts, clock } = app

  app.get('/', { config: { access: ['user'] } }, async (request, reply) => {
    const { email, name, locale, version } = await accounts.find(request.signedIn().id)
    return reply.show('profile', { email, name: name ?? '', locale: locale ?? '', version, problem: null, done: doneOf(request.asked('done')) })
  })

  app.post('/', { schema: { body: ProfileForm }, config: { access: ['gatehouse:own.profile'] } }, async (request, reply) => {
    const { id } = request.signedIn()
    const { name, locale, version } = request.body
    try {
      await accounts.changeOwn(request.caller, id, Number(version), { name: name.trim() === '' ? null : name, locale: locale === '' ? null : locale })
      return reply.onward('/ui/account/profile?done=saved')
    } catch (error) {
      const problem = formProblem(error, clock.now(), { 'precondition.failed': 'changed' })
      const now = await accounts.find(id)
      return reply.code(422).show('profile', { email: now.email, name, locale, version: now.version, problem, done: null })
    }
  })
}) satisfies FastifyPluginAsyncTypebox
