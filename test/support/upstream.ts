// Another system that knows people, for sign-ins by it: one that is written here and says whatever a test has it say, and a real one (oidc-provider).
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type CryptoKey, exportJWK, generateKeyPair, SignJWT } from 'jose'
import * as oidc from 'oidc-provider'
import type { Teardown } from './database.js'
import { sha256 } from '../../src/kernel/secrets.js'

export const CLIENT_ID = 'gatehouse'
export const CLIENT_SECRET = 'a secret between the two of them'

type Claims = Record<string, unknown>
type Handler = (request: IncomingMessage, response: ServerResponse) => void | Promise<void>

/** Who has come to the upstream, and what it says of them. Each may be changed by a test, between two requests. */
export interface Says {
  /** added to the token's claims, undefined takes one away */
  claims: Claims
  /** null: no more than the subject; of GitHub's /user: nothing */
  userinfo: Claims | null
  metadata: Claims
  /** of the redirect back; undefined takes one away */
  answer: Record<string, string | undefined>
  header: Record<string, string>
  /** added to the published key */
  key: Claims
  /** sign with a key that is not published */
  isForged: boolean
  /** leave the signature out */
  isUnsigned: boolean
  /** instead of every answer of the token endpoint */
  token: { status: number; body: Claims } | null
  isDown: boolean
}

export interface Upstream {
  issuer: string
  says: Says
  /** back to what an honest one says of `sub` */
  reset: (sub?: string) => void
  /** the parameters of each request to the token endpoint */
  tokenRequests: URLSearchParams[]
  authorizations: string[]
  asked: (path: string) => number
}

async function bodyOf(request: IncomingMessage): Promise<URLSearchParams> {
  const parts: Buffer[] = []
  for await (const part of request as AsyncIterable<Buffer>) parts.push(part)
  return new URLSearchParams(Buffer.concat(parts).toString())
}

export async function serveOnLoopback(t: Teardown, handler: Handler): Promise<string> {
  const server = createServer((request, response) => {
    Promise.resolve(handler(request, response)).catch((error: unknown) => response.writeHead(599).end(String(error)))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

const honest = (sub: string): Says => ({ claims: { sub }, userinfo: null, metadata: {}, answer: {}, header: {}, key: {}, isForged: false, isUnsigned: false, token: null, isDown: false })
const encoded = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')

/** `path`: what the issuer has after its origin. */
export async function startUpstream(t: Teardown, path = ''): Promise<Upstream> {
  const [{ privateKey, publicKey }, forger] = await Promise.all([generateKeyPair('RS256'), generateKeyPair('RS256')])
  const jwk = { ...(await exportJWK(publicKey)), kid: 'one', alg: 'RS256', use: 'sig' }
  const nonces = new Map<string, { nonce: string; challenge: string }>()
  const counts = new Map<string, number>()
  const upstream: Upstream = {
    issuer: '', says: honest('someone'), tokenRequests: [], authorizations: [],
    reset: (sub = 'someone') => { upstream.says = honest(sub) },
    asked: (place) => counts.get(place) ?? 0,
  }

  async function idToken(nonce: string | undefined): Promise<string> {
    const { says, issuer } = upstream
    const now = Math.floor(Date.now() / 1_000)
    const claims: Claims = { iss: issuer, aud: CLIENT_ID, iat: now, exp: now + 300, nonce, ...says.claims }
    for (const [name, value] of Object.entries(claims)) if (value === undefined) delete claims[name]
    if (says.isUnsigned) return `${encoded({ alg: 'none' })}.${encoded(claims)}.`
    const key: CryptoKey = says.isForged ? forger.privateKey : privateKey
    return new SignJWT(claims).setProtectedHeader({ alg: 'RS256', kid: 'one', ...says.header }).sign(key)
  }

  const origin = await serveOnLoopback(t, async (request, response) => {
    const { says, issuer } = upstream
    const url = new URL(request.url ?? '/', origin)
    const place = url.pathname.startsWith('/api/v3/') ? url.pathname.slice('/api/v3'.length) : url.pathname.slice(path.length)
    counts.set(place, (counts.get(place) ?? 0) + 1)
    const json = (body: unknown, status = 200): void => void response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
    if (says.isDown) return void response.writeHead(503).end()
    if (place === '/.well-known/openid-configuration') {
      return json({
        issuer, authorization_endpoint: `${issuer}/authorize`, token_endpoint: `${issuer}/token`, jwks_uri: `${issuer}/jwks`, userinfo_endpoint: `${issuer}/userinfo`,
        id_token_signing_alg_values_supported: ['RS256'], ...says.metadata,
      })
    }
    if (place === '/jwks') return json({ keys: [{ ...jwk, ...says.key }] })
    if (place === '/userinfo') return json(says.userinfo ?? { sub: says.claims['sub'] })
    if (place === '/authorize') {
      upstream.authorizations.push(url.href)
      const code = `code-${upstream.authorizations.length}`
      nonces.set(code, { nonce: url.searchParams.get('nonce') ?? '', challenge: url.searchParams.get('code_challenge') ?? '' })
      const back = new URL(url.searchParams.get('redirect_uri') ?? '')
      for (const [name, value] of Object.entries({ code, state: url.searchParams.get('state') ?? '', ...says.answer })) if (value !== undefined) back.searchParams.set(name, value)
      return void response.writeHead(302, { location: back.href }).end()
    }
    if (place === '/token' || place === '/access_token') {
      const params = await bodyOf(request)
      upstream.tokenRequests.push(params)
      if (says.token) return json(says.token.body, says.token.status)
      const kept = nonces.get(params.get('code') ?? '')
      // a code is used once, by who has the verifier
      if (!nonces.delete(params.get('code') ?? '') || sha256(params.get('code_verifier') ?? '').toString('base64url') !== kept?.challenge) return json({ error: 'invalid_grant' }, 400)
      return json({ access_token: 'an access token of the upstream', token_type: 'Bearer', ...(kept.nonce === '' ? {} : { id_token: await idToken(kept.nonce) }) })
    }
    if (place === '/user') return json(says.userinfo ?? {}, says.userinfo ? 200 : 401)
    if (place === '/user/emails') return json(says.claims['emails'] ?? [], says.claims['emails'] === undefined ? 404 : 200)
    return json({ error: 'not_found' }, 404)
  })
  upstream.issuer = `${origin}${path}`
  return upstream
}

/** A real provider, which signs `account` in without asking; `serve` once its client is known. */
export async function startOidcProvider(t: Teardown): Promise<{ issuer: string; account: { sub: string; email: string; verified: boolean }; serve: (redirectUri: string) => void }> {
  const account = { sub: 'ada', email: 'ada@example.com', verified: true }
  let handle: Handler = (_request, response) => void response.writeHead(503).end()
  const issuer = await serveOnLoopback(t, (request, response) => handle(request, response))
  return {
    issuer, account,
    serve(redirectUri) {
      const provider = new oidc.Provider(issuer, {
        clients: [{ client_id: CLIENT_ID, client_secret: CLIENT_SECRET, redirect_uris: [redirectUri], response_types: ['code'], grant_types: ['authorization_code'] }],
        cookies: { keys: ['a key of the test'] },
        claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name'] },
        features: { devInteractions: { enabled: false } },
        interactions: { url: (_context: unknown, { uid }: { uid: string }) => `/interaction/${uid}` },
        findAccount: (_context: unknown, accountId: string) => ({ accountId, claims: () => ({ sub: accountId, email: account.email, email_verified: account.verified, name: 'Ada Lovelace' }) }),
        async loadExistingGrant({ oidc }: { oidc: { client: { clientId: string }; session: { accountId: string } } }) {
          const grant = new provider.Grant({ clientId: oidc.client.clientId, accountId: oidc.session.accountId })
          grant.addOIDCScope('openid email profile')
          await grant.save()
          return grant
        },
      })
      const callback = provider.callback()
      handle = (request, response) => (request.url?.startsWith('/interaction/') === true ? provider.interactionFinished(request, response, { login: { accountId: account.sub } }) : callback(request, response))
    },
  }
}
