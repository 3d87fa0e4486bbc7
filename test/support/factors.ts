// People with second factors, for tests: added by the routes, as anybody would.
import type { FastifyInstance, LightMyRequestResponse } from 'fastify'
import { Secret, TOTP } from 'otpauth'
import { type AuthorizationHeaders, expectJson, type Helpers, PASSWORD, type SignedIn } from './app.js'
import { type Authenticator, createAuthenticator } from './authenticator.js'
import type { FakeClock } from './clock.js'

export interface Added {
  factor: { id: string; kind: string; name: string }
  recoveryCodes: string[] | null
}

export interface FactorHelpers {
  send: (method: 'GET' | 'POST' | 'DELETE' | 'PATCH', path: string, headers?: object, payload?: object) => Promise<LightMyRequestResponse>
  /** the code that an app shows now, or so many half minutes later */
  code: (secret: string, steps?: number) => string
  addTotp: (headers: AuthorizationHeaders, name?: string) => Promise<Added & { secret: string }>
  addPasskey: (headers: AuthorizationHeaders, passkey?: Authenticator) => Promise<Added & { passkey: Authenticator }>
  /** the challenge of a sign-in by password */
  challenge: (email: string, path?: 'login' | 'session') => Promise<string>
  /** somebody new with an app and codes; its last code has been used in the half minute of its adding */
  person: () => Promise<SignedIn & { secret: string; codes: string[]; factorId: string }>
}

export function factorHelpers(app: FastifyInstance, as: Helpers, clock: FakeClock): FactorHelpers {
  const send: FactorHelpers['send'] = (method, path, headers = {}, payload) => app.inject({ method, url: `/api/v1${path}`, headers: { ...headers }, ...(payload ? { payload } : {}) })
  const code: FactorHelpers['code'] = (secret, steps = 0) => new TOTP({ secret: Secret.fromBase32(secret) }).generate({ timestamp: clock.now() + steps * 30_000 })
  const helpers: FactorHelpers = {
    send,
    code,
    async addTotp(headers, name = 'Phone') {
      const { id, secret } = expectJson<{ id: string; secret: string }>(await send('POST', '/me/factors/totp', headers, { name }), 201)
      return { ...expectJson<Added>(await send('POST', `/me/factors/totp/${id}/confirm`, headers, { code: code(secret) }), 200), secret }
    },
    async addPasskey(headers, passkey = createAuthenticator({ origin: app.publicOrigin() })) {
      const options = expectJson<{ challenge: string; user: { id: string } }>(await send('POST', '/me/factors/passkeys/options', headers), 200)
      return { ...expectJson<Added>(await send('POST', '/me/factors/passkeys', headers, { name: 'Key', registration: passkey.register(options) }), 201), passkey }
    },
    async challenge(email, path = 'login') {
      return expectJson<{ challenge: string }>(await send('POST', `/auth/${path}`, {}, { email, password: PASSWORD }), 200).challenge
    },
    async person() {
      const somebody = await as.signUp()
      const { secret, recoveryCodes, factor } = await helpers.addTotp(somebody.headers)
      return { ...somebody, secret, codes: recoveryCodes ?? [], factorId: factor.id }
    },
  }
  return helpers
}
