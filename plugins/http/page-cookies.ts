// What a page hands to the next one without showing it: a token of a link, a challenge that waits for its answer. In a cookie that scripts cannot
// read and that is gone in minutes: it stands in no address, no history and no log. It is judged by whoever takes it, like anything that is sent.
import { fastifyCookie } from '@fastify/cookie'
import fp from 'fastify-plugin'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { cookieAttributes, cookieName } from '../../src/sessions/index.js'

/** What may be handed on, each in a cookie of its own. */
export type Kept = 'challenge' | 'reset' | 'sent' | 'magic' | 'magic-link' | 'language' | 'address' | 'confirm' | 'invitation' | 'organization'

declare module 'fastify' {
  interface FastifyRequest {
    /** What an earlier page kept by this name; empty where there is nothing. */
    kept: (name: Kept) => string
  }

  interface FastifyReply {
    /** Keeps something in the browser for so many seconds. */
    keep: (name: Kept, value: string, seconds: number) => FastifyReply
    drop: (name: Kept) => FastifyReply
  }
}

// a browser drops a larger one, and a header has an end
const MOST_CHARACTERS = 1_000

export default fp(async (app) => {
  const nameOf = (name: Kept): string => `${cookieName(app.publicOrigin())}-${name}`

  app.decorateRequest('kept', function kept(this: FastifyRequest, name: Kept) {
    const { cookie } = this.headers
    const value = cookie === undefined ? undefined : fastifyCookie.parse(cookie)[nameOf(name)]
    return value === undefined || value.length > MOST_CHARACTERS ? '' : value
  })
  app.decorateReply('keep', function keep(this: FastifyReply, name: Kept, value: string, seconds: number) {
    // nothing of ours is as long
    if (value.length > MOST_CHARACTERS) return this
    return this.header('set-cookie', fastifyCookie.serialize(nameOf(name), value, { ...cookieAttributes(app.publicOrigin()), maxAge: seconds }))
  })
  app.decorateReply('drop', function drop(this: FastifyReply, name: Kept) {
    return this.header('set-cookie', fastifyCookie.serialize(nameOf(name), '', { ...cookieAttributes(app.publicOrigin()), maxAge: 0 }))
  })
}, { name: 'page-cookies', dependencies: ['sessions'] })
