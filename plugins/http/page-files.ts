// What pages load: style sheet, fonts, script, pictures. Their names hold a hash, so that browsers may keep them for ever. And the two
// addresses that browsers and password managers look for.
import fp from 'fastify-plugin'
import { problem } from '../../src/kernel/errors.js'
import { NoContent, strict } from './route-kit.js'
import { Type } from '@sinclair/typebox'

const FOR_EVER = 'public, max-age=31536000, immutable'
// an operator's picture opened by itself: nothing runs, nothing is loaded, and it is of no origin
const PICTURE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; sandbox; frame-ancestors 'none'"

const FileParams = strict({ name: Type.String({ minLength: 1, maxLength: 100 }) })

const PasskeyPages = strict({ enroll: Type.String(), manage: Type.String() }, {
  examples: [{ enroll: 'https://auth.example.com/ui/account/factors/passkey', manage: 'https://auth.example.com/ui/account/factors' }],
})

/** Does the client take brotli? */
const takesBrotli = (accepted: string): boolean => accepted.split(',').some((one) => /^\s*br\s*(;(?!\s*q=0(\.0*)?\s*$)|$)/i.test(one))

export default fp(async (app) => {
  app.get<{ Params: { name: string } }>('/ui/assets/:name', {
    schema: { params: FileParams, hide: true },
    config: { access: ['public'], asset: true, errors: ['route.not_found'] },
  }, async (request, reply) => {
    const file = await app.pages.file(request.params.name)
    if (!file) throw problem('route.not_found')
    void reply.header('cache-control', FOR_EVER).header('cross-origin-resource-policy', 'same-origin').type(file.type)
    if (file.isForeign) void reply.header('content-security-policy', PICTURE_POLICY)
    if (file.brotli === null) return reply.send(file.bytes)
    void reply.header('vary', 'accept-encoding')
    const accepted = request.headers['accept-encoding']
    if (!takesBrotli(Array.isArray(accepted) ? accepted.join() : (accepted ?? ''))) return reply.send(file.bytes)
    return reply.header('content-encoding', 'br').send(file.brotli)
  })

  app.get('/.well-known/change-password', {
    schema: { operationId: 'findPasswordPage', summary: 'Where people change their password', tags: ['Pages'], response: { 303: NoContent } },
    config: { access: ['public'] },
  }, async (_request, reply) => reply.code(303).header('location', '/ui/account/password').send(null))

  // https://w3c.github.io/webappsec-passkey-endpoints/
  app.get('/.well-known/passkey-endpoints', {
    schema: { operationId: 'findPasskeyPages', summary: 'Where people add and manage their passkeys', tags: ['Pages'], response: { 200: PasskeyPages } },
    config: { access: ['public'] },
  }, async () => ({ enroll: `${app.publicOrigin()}/ui/account/factors/passkey`, manage: `${app.publicOrigin()}/ui/account/factors` }))
}, { name: 'page-files', dependencies: ['pages', 'access'] })
