// Who and where a client is when proxies stand between: request.ip, request.host and request.protocol. X-Forwarded-* is believed of
// the addresses in TRUSTED_PROXIES alone. Fastify's own trustProxy takes any text for an address, so that each spelling of one
// would be another client.
import fp from 'fastify-plugin'
import type { FastifyRequest } from 'fastify'
import type { TLSSocket } from 'node:tls'
import { addressMatcher, clientAddress } from '../../src/kernel/address.js'

/** Headers sent several times are one list (RFC 9110 5.3). */
function listOf(header: string | string[] | undefined): string | undefined {
  return Array.isArray(header) ? header.join(',') : header
}

function lastOf(header: string | string[] | undefined): string | undefined {
  return listOf(header)?.split(',').at(-1)?.trim()
}

function remoteOf(request: FastifyRequest): string {
  return request.raw.socket.remoteAddress ?? ''
}

export default fp(async (app) => {
  const isTrusted = addressMatcher(app.config.trustedProxies)
  const isProxied = (request: FastifyRequest): boolean => isTrusted(clientAddress(remoteOf(request), undefined, isTrusted))

  app.decorateRequest('ip', {
    getter(this: FastifyRequest) {
      return clientAddress(remoteOf(this), listOf(this.raw.headers['x-forwarded-for']), isTrusted)
    },
  })
  app.decorateRequest('host', {
    getter(this: FastifyRequest) {
      const told = lastOf(this.raw.headers['x-forwarded-host'])
      const host = told !== undefined && told !== '' && isProxied(this) ? told : (this.raw.headers.host ?? '')
      return host.endsWith(':') ? host.slice(0, -1) : host // an empty port is the scheme's own
    },
  })
  app.decorateRequest('protocol', {
    getter(this: FastifyRequest) {
      const told = lastOf(this.raw.headers['x-forwarded-proto'])?.toLowerCase()
      if ((told === 'https' || told === 'http') && isProxied(this)) return told
      return (this.raw.socket as Partial<TLSSocket>).encrypted === true ? 'https' : 'http'
    },
  })
}, { name: 'client-address', dependencies: ['prisma'] })
