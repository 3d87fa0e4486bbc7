// Clients that come by themselves: by registration, where it is on, and by documents; what they may not give themselves, how many there may be, and their end.
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { EXPIRY } from '../../src/database/expiry.js'
import { expectJson, PASSWORD, startApp } from '../support/app.js'
import { serve } from '../support/mcp.js'
import { API, basic, clientKeys, oauthHouse, OTHER_API, personOf, requestOf, type TokenBody } from '../support/oauth.js'

const CALLBACK = 'https://app.example.com/cb'
const REGISTRATION = { client_name: 'An app', redirect_uris: [CALLBACK], token_endpoint_auth_method: 'none' }

interface Registered {
  client_id: string
  client_secret?: string
  registration_access_token: string
  registration_client_uri: string
  [member: string]: unknown
}

t.test('clients that come by themselves', async (t) => {
  const config = { publicUrl: 'http://localhost:3000', outboundAllow: ['127.0.0.0/8'], oauthRegistration: 'open' as const, oauthClientDocuments: true, oauthDynamicClientsMax: 40 }
  const main = await startApp(t, { config })
  const { app, as, clock, database } = main
  const second = await startApp(t, { config, database, clock })
  const { post, resource, outcome } = await oauthHouse(main)
  const admin = await as.admin()
  await resource(API, { openToAll: true })
  await resource(OTHER_API)
  let count = 0
  const send = (method: 'POST' | 'PUT' | 'GET' | 'DELETE', path: string, payload?: object | string, headers: Record<string, string> = {}, node = app) => node.inject({
    method, url: `/oauth/register${path}`, headers: { ...(payload === undefined ? {} : { 'content-type': 'application/json' }), ...headers }, remoteAddress: `10.1.${(count += 1) >> 8}.${count & 255}`, ...(payload === undefined ? {} : { payload }),
  })
  const register = async (more: object = {}): Promise<Registered> => expectJson(await send('POST', '', { ...REGISTRATION, ...more }), 201)
  const newPerson = async () => personOf(app, (await as.signUp()).user.email)
  const asClient = ({ client_id: clientId, client_secret: clientSecret }: Registered) => ({ id: clientId, clientId, clientSecret: clientSecret ?? null, version: 1 })

  t.test('201: what it is, its own token, and people sign in to it', async (t) => {
    const made = await register({ scope: 'openid email reports', grant_types: ['authorization_code', 'refresh_token', 'urn:ietf:params:oauth:grant-type:device_code'], logo_uri: 'https://app.example.com/logo.png', unknown: { a: 1 } })
    t.match(made, { client_name: 'An app', redirect_uris: [CALLBACK], grant_types: ['authorization_code', 'refresh_token'], response_types: ['code'], token_endpoint_auth_method: 'none', scope: 'openid email', registration_client_uri: `http://localhost:3000/oauth/register/${made.client_id}` })
    t.equal(made.client_secret, undefined)
    t.match(made.registration_access_token, /^gcr_[\w-]{43}$/)
    const person = await newPerson()
    const { query, redeem } = requestOf(asClient(made), { scope: 'openid read', resource: API })
    const first = await person.through(query)
    const body = expectJson<TokenBody>(await post('token', { client_id: made.client_id, ...redeem(first.back?.get('code') ?? '') }), 200)
    t.equal(body.scope, 'read', 'a resource that is open to all')
    const secret = await register({ token_endpoint_auth_method: undefined })
    t.match(secret, { token_endpoint_auth_method: 'client_secret_basic', client_secret: /^gcs_/, client_secret_expires_at: 0 })
    t.match(await database.prisma.oAuthClient.findUniqueOrThrow({ where: { id: made.client_id } }), { registration: 'dynamic', issuedBy: null })
    t.equal((await database.prisma.auditEvent.count({ where: { action: 'client.registered', targetId: made.client_id } })), 1)
  })

  t.test('nobody gives themselves what is an administrator\'s: every word that means it is passed over', async (t) => {
    const privileged = { first_party: true, firstParty: true, skip_consent: true, trusted: true, require_pkce: false, requirePkce: false, resources: [OTHER_API], permissions: ['*:*'], scopes: ['read'], enabled: true, registration: 'administrator', issued_by: 'x', client_id: 'mine', client_secret: 'mine', id: 'x', backchannel_logout_uri: 'https://victim.example/' }
    const made = await register(privileged)
    t.match(await database.prisma.oAuthClient.findUniqueOrThrow({ where: { id: made.client_id } }), { firstParty: false, requirePkce: true, resources: [], registration: 'dynamic', issuedBy: null, backchannelLogoutUri: null })
    t.not(made.client_id, 'mine')
    const person = await newPerson()
    await person.signIn()
    t.match((await person.open(requestOf(asClient(made)).query)).location, /^\/ui\/consent/)
    t.equal((await person.open(requestOf(asClient(made), { resource: OTHER_API }).query)).back?.get('error'), 'invalid_target')
    t.equal(await outcome(send('POST', '', { ...REGISTRATION, grant_types: ['client_credentials'] })), '400 invalid_client_metadata')
    t.match((await person.pages.open((await person.open(requestOf(asClient(made)).query)).location)).body, 'Nobody here has checked')
  })

  t.test('400 in the words of RFC 7591', async (t) => {
    const bad: [object | string, string][] = [
      [{ ...REGISTRATION, redirect_uris: [] }, 'invalid_redirect_uri'], [{ ...REGISTRATION, redirect_uris: undefined }, 'invalid_redirect_uri'], [{ ...REGISTRATION, redirect_uris: ['javascript:alert(1)'] }, 'invalid_redirect_uri'], [{ ...REGISTRATION, redirect_uris: ['http://evil.example/'] }, 'invalid_redirect_uri'],
      [{ ...REGISTRATION, redirect_uris: ['https://a.example/#x'] }, 'invalid_redirect_uri'], [{ ...REGISTRATION, redirect_uris: 'https://a.example/' }, 'invalid_client_metadata'], [{ ...REGISTRATION, redirect_uris: [1] }, 'invalid_client_metadata'], [{ ...REGISTRATION, redirect_uris: Array.from({ length: 21 }, (_, at) => `https://a.example/${at}`) }, 'invalid_client_metadata'],
      [{ ...REGISTRATION, token_endpoint_auth_method: 'tls_client_auth' }, 'invalid_client_metadata'], [{ ...REGISTRATION, response_types: ['token'] }, 'invalid_client_metadata'], [{ ...REGISTRATION, client_name: 'a\u202eb' }, 'invalid_client_metadata'], [{ ...REGISTRATION, client_name: 7 }, 'invalid_client_metadata'], [{ ...REGISTRATION, application_type: 'tv' }, 'invalid_client_metadata'],
      [{ ...REGISTRATION, id_token_signed_response_alg: 'none' }, 'invalid_client_metadata'], [{ ...REGISTRATION, id_token_signed_response_alg: 'HS256' }, 'invalid_client_metadata'], [{ ...REGISTRATION, token_endpoint_auth_method: 'private_key_jwt' }, 'invalid_client_metadata'], [{ ...REGISTRATION, jwks_uri: 'https://169.254.169.254/' }, 'invalid_client_metadata'], [{ ...REGISTRATION, jwks_uri: 'file:///x' }, 'invalid_client_metadata'],
      [{ ...REGISTRATION, policy_uri: 'javascript:x' }, 'invalid_client_metadata'], [{ ...REGISTRATION, default_max_age: -1 }, 'invalid_client_metadata'], ['[]', 'invalid_client_metadata'], ['"x"', 'invalid_client_metadata'], ['{', 'invalid_client_metadata'], ['null', 'invalid_client_metadata'],
    ]
    for (const [payload, error] of bad) t.equal(await outcome(send('POST', '', payload)), `400 ${error}`, JSON.stringify(payload).slice(0, 90))
    t.equal((await app.inject({ method: 'POST', url: '/oauth/register', headers: { 'content-type': 'application/x-www-form-urlencoded' }, payload: 'client_name=x' })).statusCode, 400)
  })

  t.test('its own token reads, replaces and removes it, and no other', async (t) => {
    const [made, other] = [await register(), await register()]
    const token = { authorization: `Bearer ${made.registration_access_token}` }
    t.match(expectJson(await send('GET', `/${made.client_id}`, undefined, token), 200), { client_id: made.client_id })
    for (const headers of [{}, { authorization: `Bearer ${other.registration_access_token}` }, { authorization: 'Bearer x' }, { ...admin }]) for (const method of ['GET', 'DELETE'] as const) t.equal(await outcome(send(method, `/${made.client_id}`, undefined, headers)), '401 invalid_token')
    t.equal(await outcome(send('PUT', `/${made.client_id}`, { ...REGISTRATION, client_id: other.client_id }, token)), '400 invalid_request')
    const person = await newPerson()
    await person.through(requestOf(asClient(made)).query)
    t.ok((await person.open(requestOf(asClient(made)).query)).back?.get('code'), 'remembered')
    const changed = expectJson<Registered>(await send('PUT', `/${made.client_id}`, { ...REGISTRATION, client_id: made.client_id, redirect_uris: [CALLBACK, 'https://app.example.com/other'], client_name: 'Another' }, token), 200)
    t.match(changed, { client_name: 'Another', redirect_uris: [CALLBACK, 'https://app.example.com/other'] })
    t.match((await person.open(requestOf(asClient(made)).query)).location, /^\/ui\/consent/, 'what was consented to was another')
    t.equal((await send('DELETE', `/${made.client_id}`, undefined, token)).statusCode, 204)
    t.equal(await outcome(send('GET', `/${made.client_id}`, undefined, token)), '401 invalid_token')
    t.equal(await outcome(post('token', { grant_type: 'refresh_token', refresh_token: 'x', client_id: made.client_id })), '401 invalid_client')
  })

  t.test('closed and by token: 403, and 401 to whoever may not write clients', async (t) => {
    const closed = await startApp(t, { config: { ...config, oauthRegistration: 'closed', oauthClientDocuments: false }, database, clock })
    t.equal(await outcome(send('POST', '', REGISTRATION, {}, closed.app)), '403 registration_not_supported')
    t.equal((expectJson<Record<string, unknown>>(await closed.app.inject('/.well-known/openid-configuration'), 200))['registration_endpoint'], undefined)
    const token = await startApp(t, { config: { ...config, oauthRegistration: 'token' }, database, clock })
    t.equal(await outcome(send('POST', '', REGISTRATION, {}, token.app)), '401 invalid_token')
    t.equal(await outcome(send('POST', '', REGISTRATION, (await as.signUp()).headers, token.app)), '401 invalid_token')
    t.equal(await outcome(send('POST', '', REGISTRATION, (await as.key(['gatehouse:clients.write'])).headers, token.app)), '201')
    t.equal((expectJson<Record<string, unknown>>(await app.inject('/.well-known/openid-configuration'), 200))['registration_endpoint'], 'http://localhost:3000/oauth/register')
  })

  t.test('a client named by its document: read once, as it says, again after an hour, and never for nothing', async (t) => {
    let asked = 0
    let document: Record<string, unknown> | string = {}
    let status = 200
    const server = createServer((_request, response) => {
      asked += 1
      response.writeHead(status, { 'content-type': 'application/json' }).end(typeof document === 'string' ? document : JSON.stringify(document))
    })
    await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
    t.teardown(() => server.close())
    const name = `http://127.0.0.1:${(server.address() as AddressInfo).port}/client.json`
    document = { client_id: name, client_name: 'Documented', redirect_uris: [CALLBACK, 'http://127.0.0.1/cb'], grant_types: ['authorization_code', 'refresh_token'], token_endpoint_auth_method: 'none' }
    const client = { id: '', clientId: name, clientSecret: null, version: 1 }
    const person = await newPerson()
    await person.signIn()
    const { query, redeem } = requestOf(client)
    const opened = await Promise.all(Array.from({ length: 20 }, () => person.open(query)))
    t.ok(opened.every(({ location }) => location.startsWith('/ui/consent')))
    t.equal(asked, 1, 'once for all who come at that moment')
    const page = await person.pages.open(opened[0]?.location ?? '')
    t.match(page.body, 'Documented')
    t.match(page.body, 'Nobody here has checked')
    const { back } = await person.through(query)
    const body = expectJson<TokenBody>(await post('token', { client_id: name, ...redeem(back?.get('code') ?? '') }), 200)
    expectJson(await post('token', { client_id: name, grant_type: 'refresh_token', refresh_token: body.refresh_token ?? '' }, {}, second.app), 200)
    t.equal(asked, 1)
    document = { ...document, redirect_uris: ['https://app.example.com/moved'] }
    clock.advance(3_601_000)
    const late = await newPerson()
    t.equal((await late.open(query)).response.statusCode, 400, 'what it says now counts')
    t.match((await late.open({ ...query, redirect_uri: 'https://app.example.com/moved' })).location, /^\/ui\/sign-in/)
    t.equal(asked, 2)
    const elsewhere = (path: string): string => name.replace('/client.json', path)
    for (const [what, said] of [['another name', { ...document, client_id: 'https://other.example/client.json' }], ['a secret', { ...document, token_endpoint_auth_method: 'client_secret_post' }], ['no addresses', { client_id: elsewhere('/a') }], ['no JSON', '{'], ['a list', '[]']] as const) {
      const own = elsewhere(`/${what.replaceAll(' ', '-')}`)
      document = typeof said === 'string' ? said : { ...said, ...(what === 'another name' ? {} : { client_id: own }) }
      t.equal((await late.open({ ...query, client_id: own })).response.statusCode, 400, what)
    }
    const before = asked
    t.equal((await late.open({ ...query, client_id: elsewhere('/no-JSON') })).response.statusCode, 400)
    t.equal(asked, before, 'a failure is remembered')
    status = 404
    t.equal((await late.open({ ...query, client_id: elsewhere('/missing') })).response.statusCode, 400)
    for (const odd of ['https://169.254.169.254/client.json', 'https://10.0.0.1/c', 'https://[::1]/c', 'http://example.com/c', 'https://user@example.com/c', 'https://example.com', 'https://example.com/', 'https://example.com/c#x', 'ftp://example.com/c']) t.equal((await late.open({ ...query, client_id: odd })).response.statusCode, 400, odd)
  })

  t.test('what an administrator has disabled stays so, whatever it does: by its token, by its document, by waiting', async (t) => {
    const current = async () => as.bearer(expectJson<{ accessToken: string }>(await app.inject({ method: 'POST', url: '/api/v1/auth/login', payload: { email: 'admin@example.com', password: PASSWORD, endOldest: true } }), 200).accessToken)
    const disable = async (id: string) => t.equal((await app.inject({ method: 'PATCH', url: `/api/v1/clients/${id}`, headers: { ...(await current()), 'if-match': '*' }, payload: { enabled: false } })).statusCode, 200)
    const isEnabled = async (id: string) => (await database.prisma.oAuthClient.findUnique({ where: { id } }))?.enabled
    const made = await register()
    await disable(made.client_id)
    const token = { authorization: `Bearer ${made.registration_access_token}` }
    t.equal(await outcome(send('PUT', `/${made.client_id}`, { ...REGISTRATION, client_id: made.client_id }, token)), '401 invalid_token')
    t.equal(await outcome(send('DELETE', `/${made.client_id}`, undefined, token)), '401 invalid_token')
    t.equal(await isEnabled(made.client_id), false)
    let document: Record<string, unknown> = {}
    let status = 200
    const server = createServer((_request, response) => void response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(document)))
    const name = `${await serve(t, server)}/client.json`
    document = { client_id: name, client_name: 'Documented', redirect_uris: [CALLBACK], token_endpoint_auth_method: 'none' }
    const person = await newPerson()
    const { query } = requestOf({ id: '', clientId: name, clientSecret: null, version: 1 })
    const asked = async () => (await person.open(query)).location
    t.match(await asked(), /^\/ui\/sign-in/)
    clock.advance(3_601_000)
    status = 503
    t.match(await asked(), /^\/ui\/sign-in/, 'a document that cannot be had for a while counts for a day')
    clock.advance(86_400_000)
    t.equal(await asked(), '', 'and no longer')
    status = 200
    clock.advance(61_000)
    t.match(await asked(), /^\/ui\/sign-in/)
    const { id } = await database.prisma.oAuthClient.findUniqueOrThrow({ where: { clientId: name } })
    await disable(id)
    document = { ...document, client_name: 'Another' }
    for (const waitMs of [3_601_000, 91 * 86_400_000]) {
      clock.advance(waitMs)
      await app.jobs.run(EXPIRY)
      t.equal(await asked(), '')
      t.equal(await isEnabled(id), false)
    }
  })

  t.test('there are only so many, one that nobody signs in to goes after a day, and one that is used stays', async (t) => {
    const used = await register()
    const person = await newPerson()
    await person.through(requestOf(asClient(used)).query)
    const unused = await register()
    const have = await database.prisma.oAuthClient.count({ where: { registration: { not: 'administrator' } } })
    for (let at = have; at < 40; at += 1) await register()
    t.equal(await outcome(send('POST', '', REGISTRATION)), '503 temporarily_unavailable')
    clock.advance(86_401_000)
    await app.jobs.run(EXPIRY)
    t.equal(await database.prisma.oAuthClient.count({ where: { id: unused.client_id } }), 0)
    t.equal(await database.prisma.oAuthClient.count({ where: { id: used.client_id } }), 1)
    await register()
    clock.advance(91 * 86_400_000)
    await app.jobs.run(EXPIRY)
    t.equal(await database.prisma.oAuthClient.count({ where: { id: used.client_id } }), 0, 'until nobody does for 90 days')
  })

  t.test('registrations at once on two nodes stay within the cap', async (t) => {
    const have = await database.prisma.oAuthClient.count({ where: { registration: { not: 'administrator' } } })
    const answers = await Promise.all(Array.from({ length: 50 }, (_, at) => send('POST', '', REGISTRATION, {}, at % 2 === 0 ? app : second.app)))
    t.equal(answers.filter(({ statusCode }) => statusCode === 201).length, 40 - have)
    const keys = clientKeys()
    t.ok(keys.jwks)
    t.equal(await outcome(post('introspect', { token: 'x' }, basic('nobody', 'x'))), '401 invalid_client')
  })
})
