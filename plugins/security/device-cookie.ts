// The cookie that names a device to its next sign-in. It proves nothing and opens nothing; signing out does not take it away.
import { fastifyCookie } from '@fastify/cookie'
import fp from 'fastify-plugin'
import type { FastifyRequest } from 'fastify'
import { deviceCookieName } from '../../src/sessions/index.js'

declare module 'fastify' {
  interface FastifyRequest {
    /** the device's token, if an earlier sign-in left one */
    knownDevice: () => { deviceToken?: string }
  }
}

export default fp(async (app) => {
  app.decorateRequest('knownDevice', function knownDevice(this: FastifyRequest) {
    const { cookie } = this.raw.headers
    const deviceToken = cookie === undefined ? undefined : fastifyCookie.parse(cookie)[deviceCookieName(app.publicOrigin())]
    return deviceToken === undefined ? {} : { deviceToken }
  })
}, { name: 'device-cookie', dependencies: ['sessions'] })
