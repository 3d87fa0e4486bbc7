// Libraries by which web apps and services sign in, each as its own documentation has it, against one Gatehouse that listens: oauth4webapi, Auth.js by its guide's
// example, express-openid-connect, MSAL.
import { createServer } from 'node:http'
import { join } from 'node:path'
import { Auth } from '@auth/core'
import { getToken } from '@auth/core/jwt'
import { ConfidentialClientApplication } from '@azure/msal-node'
import * as oauth from 'oauth4webapi'
import t from 'tap'
import { QUEUED_WORK } from '../../src/queue/index.js'
import { startApp } from '../support/app.js'
import { liveClock } from '../support/clock.js'
import { serve } from '../support/mcp.js'
import { API, basic, browserOf, CALLBACK, oauthHouse, personOf } from '../support/oauth.js'
import { eventually } from '../support/redis.js'
import { ROOT } from '../support/sources.js'

// two of them have no types
const load = async (name: string): Promise<unknown> => import(name)

t.test('web apps and services', async (t) => {
  const clock = liveClock()
  const config = { outboundAllow: ['127.0.0.0/8'] }
  const main = await startApp(t, { clock, config })
  const { app, as } = main
  await app.listen({ host: '127.0.0.1', port: 0 })
  const { client, post, resource } = await oauthHouse(main)
  const issuer = app.publicOrigin()
  await resource(API)
  const { user } = await as.signUp()
  const person = personOf(app, user.email)
  const visit = async (address: string | URL, who = person): Promise<URL> => new URL((await who.through(Object.fromEntries(new URL(address).searchParams))).location)

  t.test('oauth4webapi: everything by hand, and fifty refreshes at once of one token', async (t) => {
    const insecure = { [oauth.allowInsecureRequests]: true }
    const web = await client({ kind: 'web', redirectUris: [CALLBACK] })
    const [own, proof] = [{ client_id: web.clientId }, oauth.ClientSecretBasic(web.clientSecret ?? '')]
    const server = await oauth.processDiscoveryResponse(new URL(issuer), await oauth.discoveryRequest(new URL(issuer), { algorithm: 'oauth2', ...insecure }))
    t.ok(server.authorization_response_iss_parameter_supported)
    const verifier = oauth.generateRandomCodeVerifier()
    const nonce = oauth.generateRandomNonce()
    const parameters = new URLSearchParams({ client_id: web.clientId, response_type: 'code', redirect_uri: CALLBACK, scope: 'openid email offline_access', state: 's', nonce, code_challenge: await oauth.calculatePKCECodeChallenge(verifier), code_challenge_method: 'S256' })
    const pushed = await oauth.processPushedAuthorizationResponse(server, own, await oauth.pushedAuthorizationRequest(server, own, proof, parameters, insecure))
    const back = await visit(`${server.authorization_endpoint ?? ''}?${new URLSearchParams({ client_id: web.clientId, request_uri: pushed.request_uri }).toString()}`)
    const forged = new URL(back)
    forged.searchParams.set('iss', 'https://evil.example')
    t.throws(() => oauth.validateAuthResponse(server, own, forged, 's'))
    const answer = oauth.validateAuthResponse(server, own, back, 's')
    const tokens = await oauth.processAuthorizationCodeResponse(server, own, await oauth.authorizationCodeGrantRequest(server, own, proof, answer, CALLBACK, verifier, insecure), { expectedNonce: nonce, requireIdToken: true })
    t.equal(oauth.getValidatedIdTokenClaims(tokens)?.sub, user.id)
    t.match(await oauth.processUserInfoResponse(server, own, user.id, await oauth.userInfoRequest(server, own, tokens.access_token, insecure)), { email: user.email })
    const refresh = async (token: string) => oauth.processRefreshTokenResponse(server, own, await oauth.refreshTokenGrantRequest(server, own, proof, token, insecure))
    const all = await Promise.all(Array.from({ length: 50 }, () => refresh(tokens.refresh_token ?? '')))
    t.equal(new Set(all.map(({ refresh_token: token }) => token)).size, 1, 'one successor')
    const next = all[0]?.refresh_token ?? ''
    t.match(await oauth.processIntrospectionResponse(server, own, await oauth.introspectionRequest(server, own, proof, next, insecure)), { active: true, sub: user.id })
    await oauth.processRevocationResponse(await oauth.revocationRequest(server, own, proof, next, insecure))
    t.match(await oauth.processIntrospectionResponse(server, own, await oauth.introspectionRequest(server, own, proof, next, insecure)), { active: false })
    t.equal(await refresh(next).then(() => 'none', ({ error }: { error: string }) => error), 'invalid_grant')
    const signing = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign', 'verify'])
    const { kty, crv, x, y } = await crypto.subtle.exportKey('jwk', signing.publicKey)
    const keyed = await client({ kind: 'service', authMethod: 'private_key_jwt', jwks: { keys: [{ kty, crv, x, y, kid: 'mine' }] }, resources: [API], scopes: ['read'] })
    const asking = { client_id: keyed.clientId }
    const granted = await oauth.processClientCredentialsResponse(server, asking, await oauth.clientCredentialsGrantRequest(server, asking, oauth.PrivateKeyJwt({ key: signing.privateKey, kid: 'mine' }), { resource: API }, insecure))
    t.equal(granted.scope, 'read')
    const refused = await oauth.userInfoRequest(server, asking, granted.access_token, insecure)
    await t.rejects(oauth.processUserInfoResponse(server, asking, oauth.skipSubjectCheck, refused), { cause: [{ scheme: 'bearer', parameters: { error: 'invalid_token' } }] }, 'a challenge that it can read')
  })

  t.test('express-openid-connect: in, out, and told of the end of a session', async (t) => {
    const { default: express } = (await load('express')) as { default: () => { use: (handler: unknown) => void; get: (path: string, handler: (req: { oidc: { user?: object } }, res: { json: (body: unknown) => void }) => void) => void } }
    const { auth } = (await load('express-openid-connect')) as { auth: (options: object) => unknown }
    const apps = express()
    const server = createServer(apps as never)
    const baseURL = await serve(t, server)
    const web = await client({ kind: 'web', redirectUris: [`${baseURL}/callback`], postLogoutRedirectUris: [baseURL], backchannelLogoutUri: `${baseURL}/backchannel-logout` })
    const noted = new Map<string, unknown>()
    const store = { get: (id: string, done: (error: null, found?: unknown) => void) => done(null, noted.get(id)), set: (id: string, value: unknown, done: (error: null) => void) => (noted.set(id, value), done(null)), destroy: (id: string, done: (error: null) => void) => (noted.delete(id), done(null)) }
    apps.use(auth({ issuerBaseURL: issuer, baseURL, clientID: web.clientId, clientSecret: web.clientSecret, secret: 'a long secret of the app', authRequired: false, idpLogout: true, backchannelLogout: { store }, authorizationParams: { response_type: 'code', scope: 'openid email', claims: JSON.stringify({ id_token: { email: null } }) } }))
    apps.get('/me', (req, res) => res.json(req.oidc.user ?? null))
    const browser = browserOf()
    const signIn = async (who = person): Promise<void> => {
      const begun = await browser(`${baseURL}/login`)
      t.equal((await browser((await visit(begun.headers.get('location') ?? '', who)).href)).headers.get('location'), baseURL)
    }
    const me = async (): Promise<unknown> => (await browser(`${baseURL}/me`)).json()
    await signIn()
    t.match(await me(), { sub: user.id, email: user.email })
    const end = new URL((await browser(`${baseURL}/logout`)).headers.get('location') ?? '')
    t.equal((await person.pages.open(`${end.pathname}${end.search}`)).headers.location, baseURL)
    t.equal(await me(), null)
    // of that end it is told, too, and takes every sign-in of the same second for ended
    await app.jobs.run('promising to tell clients of logouts')
    await app.jobs.run(QUEUED_WORK)
    noted.clear()
    const other = personOf(app, user.email)
    await signIn(other)
    t.match(await me(), { sub: user.id })
    await other.pages.submit('/ui/sign-out', {})
    await app.jobs.run('promising to tell clients of logouts')
    await app.jobs.run(QUEUED_WORK)
    await eventually(async () => (await me()) === null, 20_000)
    t.ok(noted.has(`${issuer}|${user.id}`), 'told, in a token that it has read')
  })

  t.test('MSAL: a user by code, silently renewed, and a service', async (t) => {
    // it takes an authority by https alone
    const { app: secure } = await startApp(t, { clock, config: { ...config, publicUrl: 'https://auth.example.com' }, database: main.database })
    const send = (method: 'GET' | 'POST') => async (address: string, options?: { headers?: Record<string, string>; body?: string }) => {
      const { pathname, search } = new URL(address)
      const { statusCode, headers, body } = await secure.inject({ method, url: `${pathname}${search}`, headers: options?.headers ?? {}, ...(options?.body === undefined ? {} : { payload: options.body }) })
      return { status: statusCode, headers: headers as Record<string, string>, body: JSON.parse(body) as never }
    }
    const msal = ({ clientId, clientSecret }: { clientId: string; clientSecret: string | null }): ConfidentialClientApplication => new ConfidentialClientApplication({
      auth: { clientId, clientSecret: clientSecret ?? '', authority: 'https://auth.example.com', knownAuthorities: ['auth.example.com'] },
      system: { protocolMode: 'OIDC', networkClient: { sendGetRequestAsync: send('GET'), sendPostRequestAsync: send('POST') } },
    })
    const web = await client({ kind: 'web', redirectUris: [CALLBACK], authMethod: 'client_secret_post' })
    const mine = msal(web)
    const verifier = oauth.generateRandomCodeVerifier()
    const asked = { redirectUri: CALLBACK, scopes: ['email'] }
    const address = await mine.getAuthCodeUrl({ ...asked, codeChallenge: await oauth.calculatePKCECodeChallenge(verifier), codeChallengeMethod: 'S256' })
    const back = await visit(address, personOf(secure, user.email))
    const tokens = await mine.acquireTokenByCode({ ...asked, code: back.searchParams.get('code') ?? '', codeVerifier: verifier })
    t.match(tokens, { uniqueId: user.id, tokenType: 'Bearer' })
    if (!tokens.account) throw new Error('nobody')
    const renewed = await mine.acquireTokenSilent({ account: tokens.account, scopes: ['email'], forceRefresh: true })
    t.not(renewed.accessToken, tokens.accessToken)
    const robot = await client({ kind: 'service', authMethod: 'client_secret_post', resources: [API], scopes: ['read'] })
    t.match(await msal(robot).acquireTokenByClientCredential({ scopes: ['read'] }), { tokenType: 'Bearer', scopes: ['read'] })
  })

  t.test('Auth.js, by the example of its guide: in, renewed, and out at both', async (t) => {
    const { endAddress, gatehouse } = (await load(join(ROOT, 'docs/guides/examples/oauth-auth-js.js'))) as { endAddress: (how: object) => string; gatehouse: (how: object) => object }
    const site = 'https://app.example.com'
    const web = await client({ kind: 'web', redirectUris: [`${site}/auth/callback/gatehouse`], postLogoutRedirectUris: [`${site}/`] })
    const setUp = { ...gatehouse({ issuer, clientId: web.clientId, clientSecret: web.clientSecret, now: clock.now }), secret: 'a secret of the app', trustHost: true, basePath: '/auth' }
    const jar = new Map<string, string>()
    const cookie = (): string => [...jar].map(([name, value]) => `${name}=${value}`).join('; ')
    const ask = async (path: string, init: RequestInit = {}): Promise<Response> => {
      const answer = await Auth(new Request(`${site}${path}`, { ...init, headers: { ...(init.headers as Record<string, string> | undefined), cookie: cookie() } }), setUp as Parameters<typeof Auth>[1])
      for (const line of answer.headers.getSetCookie()) jar.set(line.slice(0, line.indexOf('=')), /=([^;]*)/.exec(line)?.[1] ?? '')
      return answer
    }
    const session = async () => (await (await ask('/auth/session')).json()) as { user?: { id: string; email: string } } | null
    const kept = async () => (await getToken({ req: { headers: { cookie: cookie() } }, secret: 'a secret of the app', secureCookie: true }))
    t.equal(await session(), null)
    const { csrfToken } = (await (await ask('/auth/csrf')).json()) as { csrfToken: string }
    const begun = await ask('/auth/signin/gatehouse', { method: 'POST', headers: { 'content-type': 'application/x-www-form-urlencoded' }, body: new URLSearchParams({ csrfToken }).toString() })
    const back = await visit(begun.headers.get('location') ?? '')
    t.equal((await ask(`${back.pathname}${back.search}`)).headers.get('location'), site)
    t.match(await session(), { user: { id: user.id, email: user.email } })
    t.notMatch(JSON.stringify(await session()), 'eyJ', 'no token reaches the page')
    const before = await kept()
    clock.advance(290_000)
    t.match(await session(), { user: { id: user.id } })
    const after = await kept()
    t.not(after?.['accessToken'], before?.['accessToken'], 'renewed')
    const end = new URL(endAddress({ issuer, idToken: after?.['idToken'], back: `${site}/` }))
    t.equal((await person.pages.open(`${end.pathname}${end.search}`)).headers.location, `${site}/`)
    t.match(await session(), { user: { id: user.id } }, 'offline_access: until the app signs out, too')
    await post('revoke', { token: String(after?.['refreshToken']) }, basic(web.clientId, web.clientSecret ?? ''))
    clock.advance(290_000)
    t.equal(await session(), null, 'and nobody is in when the grant has ended')
  })
})
