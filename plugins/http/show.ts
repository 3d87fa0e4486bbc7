// How a route shows a page: in the language of who looks, with the policy that lets it load our files, post our forms and run nothing, kept by
// nobody. A page with passkeys alone may run our own script. Registered in the scope of the pages.
import fp from 'fastify-plugin'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { acceptedLanguages, localPath, type Sent, type View, type ViewName, type Views } from '../../src/pages/index.js'

declare module 'fastify' {
  interface FastifyRequest {
    /** What the address asks for by this name; empty where it asks for nothing, or for several things. */
    asked: (name: string) => string
    /** Where the page leads when it is done: what return_to asks for, where that is a path of this origin; else nothing. */
    returnTo: () => string
    /** What a form of this browser is bound to: its session, or the browser itself where nobody is signed in. */
    formBinding: (reply: FastifyReply) => string
  }

  interface FastifyReply {
    /** Sends a page. */
    show: <Name extends ViewName>(name: Name, props: Views[Name]) => Promise<FastifyReply>
    /** After a form: to another page, by GET (303). */
    onward: (path: string) => FastifyReply
    /** After a form that may have sent a mail: to the page that says to look for it. The address goes there in a cookie, and stands in no log. */
    mailed: (what: Sent, email: string) => FastifyReply
  }
}

const POLICY = ["default-src 'none'", "style-src 'self'", "font-src 'self'", "img-src 'self'", "form-action 'self'", "base-uri 'none'", "frame-ancestors 'none'"].join('; ')
// of pages with passkeys: our script, which makes no markup out of text
const SCRIPT_POLICY = `${POLICY}; script-src 'self'; connect-src 'self'; require-trusted-types-for 'script'; trusted-types 'none'`
const SENT_KEPT_SECONDS = 600
const LANGUAGE_KEPT_SECONDS = 31_536_000

/** What the address, the browser's cookie and the browser itself wish for, in this order. */
function wishesOf(request: FastifyRequest): string[] {
  const accepted = request.headers['accept-language'] ?? ''
  return [...request.asked('ui_locales').split(' '), request.kept('language'), ...acceptedLanguages(accepted)].filter((tag) => tag !== '')
}

export default fp(async (app) => {
  const { pages, csrf } = app

  app.decorateRequest('asked', function asked(this: FastifyRequest, name: string) {
    const value = (this.query as Record<string, unknown>)[name]
    return typeof value === 'string' ? value : ''
  })
  app.decorateRequest('returnTo', function returnTo(this: FastifyRequest) {
    return localPath(this.asked('return_to')) ?? ''
  })
  app.decorateRequest('formBinding', function formBinding(this: FastifyRequest, reply: FastifyReply) {
    return this.principal?.sessionId ?? `browser ${this.browserBinding(reply).toString('base64url')}`
  })

  app.decorateReply('onward', function onward(this: FastifyReply, path: string) {
    return this.header('location', path).code(303).send(null)
  })
  app.decorateReply('mailed', function mailed(this: FastifyReply, what: Sent, email: string) {
    return this.keep('sent', email, SENT_KEPT_SECONDS).onward(`/ui/sent?what=${what}`)
  })
  app.decorateReply('show', async function show<Name extends ViewName>(this: FastifyReply, name: Name, props: Views[Name]) {
    const { request } = this
    // a page that says what is wrong asks for nothing, and gives the browser nothing to keep
    const token = name === 'problem' || name === 'authorize-problem' ? '' : csrf.create(request.formBinding(this))
    const isScripted = 'passkey' in props && props.passkey !== null
    const { html, locale } = await pages.render({ name, props } as View, {
      wishes: wishesOf(request), here: request.url, csrf: token, requestId: request.id, isSignedIn: request.principal !== null, isScripted,
    })
    if (request.asked('ui_locales').split(' ').includes(locale)) void this.keep('language', locale, LANGUAGE_KEPT_SECONDS)
    return this
      .header('content-security-policy', isScripted ? SCRIPT_POLICY : POLICY)
      // no-referrer would make browsers send `Origin: null` with a form, and the form would be refused
      .header('referrer-policy', 'same-origin')
      .header('content-language', locale)
      .type('text/html; charset=utf-8')
      .send(html)
  })
}, { name: 'show', dependencies: ['pages', 'csrf', 'browser', 'page-cookies'] })
