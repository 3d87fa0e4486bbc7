// The OAuth guides' examples as they stand there, and an MCP client that knows nothing but an address, against the real program.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { allowInsecureRequests, clockSkew } from 'openid-client'
import t from 'tap'
import { expectJson, startApp } from '../support/app.js'
import { API, CALLBACK, claimsOf, formOf, oauthHouse, personOf, requestOf, type TokenBody } from '../support/oauth.js'
import { ROOT } from '../support/sources.js'

const EXAMPLES = join(ROOT, 'docs/guides/examples')
const example = async <T>(name: string): Promise<T> => (await import(join(EXAMPLES, name))) as T

interface Page {
  createSignIn: (how: object) => { begin: (more?: object) => Promise<void>; finish: (address: string) => Promise<{ accessToken: string; endsAt: number }>; accessToken: () => Promise<string> }
}
interface Web {
  createSignIn: (how: object) => Promise<{ begin: (session: object) => Promise<string>; finish: (session: object, address: string) => Promise<{ id: string; email: string }>; end: (session: object, back: string) => string }>
}
interface Native {
  createSignIn: (how: object) => { signIn: (more?: object) => Promise<string>; accessToken: () => Promise<string>; signOut: () => Promise<void> }
}
interface Service {
  createServiceTokens: (how: object) => { headers: () => Promise<{ authorization: string }>; forget: () => void }
}

t.test('OAuth guides', async (t) => {
  const main = await startApp(t, { config: { oauthRegistration: 'open' } })
  const { app, as, clock } = main
  await app.listen({ host: '127.0.0.1', port: 0 })
  const house = await oauthHouse(main)
  const { client, resource, gate, post } = house
  const issuer = app.publicOrigin()
  await resource(API)
  const admin = await as.admin()
  const { user } = await as.signUp()
  const person = personOf(app, user.email)
  const visit = async (address: string): Promise<string> => (await person.through(Object.fromEntries(new URL(address).searchParams))).location

  t.test('a single-page app', async (t) => {
    const { createSignIn } = await example<Page>('oauth-single-page-app.js')
    const spa = await client({ kind: 'web', authMethod: 'none', redirectUris: [CALLBACK] })
    const kept = new Map<string, string>()
    const storage = { getItem: (name: string) => kept.get(name) ?? null, setItem: (name: string, value: string) => void kept.set(name, value), removeItem: (name: string) => void kept.delete(name) }
    let gone = ''
    const signIn = createSignIn({ issuer, clientId: spa.clientId, redirectUri: CALLBACK, storage, go: (to: string) => (gone = to) })
    await signIn.begin()
    const back = await visit(gone)
    const tokens = await signIn.finish(back)
    t.equal(claimsOf(tokens.accessToken)['sub'], user.id)
    tokens.endsAt = 0
    const renewed = await Promise.all([signIn.accessToken(), signIn.accessToken(), signIn.accessToken()])
    t.equal(new Set(renewed).size, 1, 'one refresh for all')
    await t.rejects(signIn.finish(back), { code: 'state' }, 'an address that did not begin here')
    await signIn.begin({ prompt: 'none' })
    t.equal(claimsOf((await signIn.finish(await visit(gone))).accessToken)['sub'], user.id)
    await signIn.begin({ prompt: 'none', max_age: '0', id_token_hint: 'x' })
    await t.rejects(signIn.finish(await visit(gone)), { code: 'invalid_request' })
  })

  t.test('a web app', async (t) => {
    const { createSignIn } = await example<Web>('oauth-web-app.js')
    const web = await client({ kind: 'web', redirectUris: [CALLBACK], postLogoutRedirectUris: ['https://app.example.com/'] })
    const signIn = await createSignIn({
      issuer, clientId: web.clientId, clientSecret: web.clientSecret, redirectUri: CALLBACK, metadata: { [clockSkew]: Math.round((clock.now() - Date.now()) / 1_000) }, execute: [allowInsecureRequests],
    })
    const session = {}
    const who = await signIn.finish(session, await visit(await signIn.begin(session)))
    t.match(who, { id: user.id, email: user.email })
    const end = new URL(signIn.end(session, 'https://app.example.com/'))
    t.equal((await person.pages.open(`${end.pathname}${end.search}`)).headers.location, 'https://app.example.com/')
    t.same(session, {})
  })

  t.test('a program on somebody\'s own machine', async (t) => {
    const { createSignIn } = await example<Native>('oauth-native-app.js')
    const native = await client({ kind: 'native', redirectUris: ['http://127.0.0.1/callback'] })
    let kept = ''
    const asked: URL[] = []
    const safe = { get: async () => kept, set: async (text: string) => void (kept = text) }
    const how = { issuer, clientId: native.clientId, safe, now: clock.now }
    const open = async (address: string): Promise<void> => {
      asked.push(new URL(address))
      const port = new URL(asked.at(-1)?.searchParams.get('redirect_uri') ?? '').origin
      // a page that somebody has open finds the port
      for (const stranger of [`${port}/callback?code=x&state=guess&iss=${issuer}`, `${port}/callback?code=x&state=${asked.at(-1)?.searchParams.get('state') ?? ''}&iss=https://evil.example`, `${port}/`, `${port}//`]) t.equal((await fetch(stranger)).status, 404)
      t.equal((await fetch(await visit(address))).status, 200)
    }
    const program = createSignIn({ ...how, open })
    await t.rejects(program.accessToken(), { code: 'login_required' })
    t.equal(claimsOf(await program.signIn())['sub'], user.id)
    const first = kept
    const again = createSignIn({ ...how, open })
    t.equal(claimsOf(await again.accessToken())['sub'], user.id, 'after a restart')
    t.not(kept, first)
    await program.signIn()
    t.not(asked[0]?.searchParams.get('redirect_uri'), asked[1]?.searchParams.get('redirect_uri'), 'any port')
    const last = kept
    await program.signOut()
    t.equal(kept, '')
    await t.rejects(createSignIn({ ...how, open, safe: { ...safe, get: async () => last } }).accessToken(), { code: 'invalid_grant' })
    await t.rejects(createSignIn({ ...how, open: async (address: string) => void (await fetch((await person.through(Object.fromEntries(new URL(address).searchParams), { deny: true })).location)) }).signIn(), { code: 'access_denied' })
    await t.rejects(createSignIn({ ...how, open: async () => undefined, patienceMs: 1 }).signIn(), { message: 'nobody came back' })
  })

  t.test('a service', async (t) => {
    const { createServiceTokens } = await example<Service>('oauth-service.js')
    const service = await client({ kind: 'service', resources: [API], scopes: ['read'] })
    expectJson(await app.inject({ method: 'POST', url: '/api/v1/gate-rules', headers: admin, payload: { path: '/service/*', audience: API, scopes: ['read'] } }), 201)
    const tokens = createServiceTokens({ issuer, clientId: service.clientId, clientSecret: service.clientSecret, resource: API })
    const [one, two] = await Promise.all([tokens.headers(), tokens.headers()])
    t.same(one, two, 'asked for once')
    t.equal((await gate('/service/x', { ...one })).statusCode, 200)
    tokens.forget()
    t.not((await tokens.headers()).authorization, one.authorization)
    await t.rejects(createServiceTokens({ issuer, clientId: service.clientId, clientSecret: 'x', resource: API }).headers(), { code: 'invalid_client' })
  })

  t.test('an MCP client finds its way from a 401', async (t) => {
    const mcp = 'https://mcp.example.com/mcp'
    await resource(mcp, { openToAll: true, scopes: [{ name: 'tools', description: 'Use our tools', permissions: [] }] })
    expectJson(await app.inject({ method: 'POST', url: '/api/v1/gate-rules', headers: admin, payload: { path: '/mcp/*', audience: mcp, scopes: ['tools'] } }), 201)
    const refused = await gate('/mcp', {})
    const metadataUrl = /resource_metadata="([^"]+)"/.exec(String(refused.headers['www-authenticate']))?.[1] ?? ''
    const metadata = (await (await fetch(metadataUrl)).json()) as { resource: string; authorization_servers: string[]; scopes_supported: string[] }
    t.equal(metadata.resource, mcp)
    const server = (await (await fetch(`${metadata.authorization_servers[0] ?? ''}/.well-known/oauth-authorization-server`)).json()) as Record<string, string> & { code_challenge_methods_supported: string[] }
    t.same(server.code_challenge_methods_supported, ['S256'])
    const redirect = 'http://127.0.0.1:33418/callback'
    const registered = (await (await fetch(server['registration_endpoint'] ?? '', {
      method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ client_name: 'A client', redirect_uris: ['http://127.0.0.1/callback'], application_type: 'native', token_endpoint_auth_method: 'none', grant_types: ['authorization_code', 'refresh_token'], response_types: ['code'] }),
    })).json()) as { client_id: string }
    const of = { id: '', clientId: registered.client_id, clientSecret: null, version: 1 }
    const { query, redeem } = requestOf(of, { redirect_uri: redirect, scope: metadata.scopes_supported.join(' '), resource: mcp })
    const page = await person.through(query)
    t.ok(page.location.startsWith(redirect))
    const answer = await fetch(server['token_endpoint'] ?? '', { method: 'POST', headers: { 'content-type': 'application/x-www-form-urlencoded' }, body: formOf({ client_id: of.clientId, resource: mcp, ...redeem(page.back?.get('code') ?? '', { redirect_uri: redirect }) }) })
    const body = (await answer.json()) as TokenBody
    t.equal((await gate('/mcp', as.bearer(body.access_token))).statusCode, 200)
    t.equal((await gate('/service/x', as.bearer(body.access_token))).statusCode, 401, 'and nothing else')
    t.equal((await post('introspect', { token: body.access_token, client_id: of.clientId })).statusCode, 401)
    const conf = readFileSync(join(EXAMPLES, 'oauth-mcp-nginx.conf'), 'utf8')
    t.match(conf, `/oauth/protected-resource?resource=${encodeURIComponent('https://mcp.example.com/mcp')}`)
  })
})
