// The language that whoever asks would be written to in: kept with what they ask for, because the mail is written later.
import fp from 'fastify-plugin'
import type { FastifyRequest } from 'fastify'
import { languageTag } from '../../src/kernel/language-tag.js'
import { acceptedLanguages } from '../../src/pages/index.js'

declare module 'fastify' {
  interface FastifyRequest {
    /** The first that is a language tag: of `wishes`, then of Accept-Language. Null where there is none. */
    wishedLocale: (...wishes: string[]) => string | null
  }
}

export default fp(async (app) => {
  app.decorateRequest('wishedLocale', function wishedLocale(this: FastifyRequest, ...wishes: string[]) {
    for (const wish of [...wishes, ...acceptedLanguages(this.headers['accept-language'] ?? '')]) {
      const tag = languageTag(wish)
      if (tag !== null) return tag
    }
    return null
  })
}, { name: 'request-locale' })
