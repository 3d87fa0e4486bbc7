// The credential that a request presents: Authorization, X-API-Key or the session cookie. A client sends the same one with each
// request of a connection, so what was read from those headers is kept with the connection and used again while they are
// the same to the letter. It says what was presented, never whether it is good.
import type { Socket } from 'node:net'
import { fastifyCookie } from '@fastify/cookie'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { type Credential, findCredential } from '../../src/decisions/index.js'
import { cookieName } from '../../src/sessions/index.js'

interface Presented {
  authorization: string | undefined
  apiKey: string | string[] | undefined
  cookie: string | undefined
  credential: Credential | null
}

/** Throws credentials.malformed and credentials.ambiguous; null: none is presented. */
export type FindPresented = (request: FastifyRequest) => Credential | null

export function createFindPresented({ publicOrigin }: Pick<FastifyInstance, 'publicOrigin'>): FindPresented {
  const last = new WeakMap<Socket, Presented>()
  let name: string | undefined

  // only the routes that set cookies have the hooks of @fastify/cookie (plugins/security/session.ts)
  function sessionCookieOf(header: string | undefined): string | undefined {
    if (header === undefined) return undefined
    name ??= cookieName(publicOrigin()) // not before the port is known
    return fastifyCookie.parse(header)[name]
  }

  return ({ raw: { headers, socket } }) => {
    const { authorization, cookie } = headers
    const apiKey = headers['x-api-key']
    const known = last.get(socket)
    if (known && known.authorization === authorization && known.apiKey === apiKey && known.cookie === cookie) return known.credential
    const credential = findCredential({ authorization, apiKey: Array.isArray(apiKey) ? apiKey.join(', ') : apiKey, cookie: sessionCookieOf(cookie) })
    last.set(socket, { authorization, apiKey, cookie, credential })
    return credential
  }
}
