// The sign-in page, with the ways to sign in that there are: shown by its own route, and by those whose way in has come to nothing.
import fp from 'fastify-plugin'
import type { FastifyReply } from 'fastify'
import type { Done, FormProblem } from '../../src/pages/index.js'

declare module 'fastify' {
  interface FastifyReply {
    /** Sends the sign-in page. */
    showSignIn: (shown: { returnTo: string; email?: string; problem?: FormProblem; done?: Done | null }) => Promise<FastifyReply>
  }
}

export default fp(async (app) => {
  app.decorateReply('showSignIn', async function showSignIn(this: FastifyReply, { returnTo, email = '', problem, done = null }) {
    const [providers, options] = await Promise.all([app.identityProviders.listEnabled(), app.mfa.signInOptions(this.request.browserBinding(this))])
    if (problem) void this.code(422)
    return this.show('sign-in', { returnTo, email, problem: problem ?? null, done, providers: providers.map(({ id, name }) => ({ id, name })), canSignUp: app.config.signUp === 'open', hasMagicLink: app.config.magicLink, passkey: { options } })
  })
}, { name: 'sign-in-page', dependencies: ['show', 'federation', 'factors'] })
