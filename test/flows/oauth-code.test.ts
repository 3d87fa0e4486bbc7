// People sign in to applications: from the request over our pages to tokens, what is told of them, what is remembered, and what nobody else can make of it.
import { createLocalJWKSet, jwtVerify, type JSONWebKeySet } from 'jose'
import t from 'tap'
import { expectJson, PASSWORD, startApp } from '../support/app.js'
import { API, basic, CALLBACK, claimsOf, type Form, type OAuthClientBody, oauthHouse, OTHER_API, personOf, pkce, requestOf, type TokenBody } from '../support/oauth.js'


t.test('authorization code', async (t) => {
  const main = await startApp(t, { config: { publicUrl: 'http://localhost:3000' } })
  const { app, as, clock, database } = main
  const house = await oauthHouse(main)
  const { post, client, resource, outcome, gate } = house
  const admin = await as.admin()
  const issuer = app.publicOrigin()
  await resource(API)
  await resource(OTHER_API)
  expectJson(await app.inject({ method: 'POST', url: '/api/v1/gate-rules', headers: admin, payload: { path: '/a/*', audience: API } }), 201)
  expectJson(await app.inject({ method: 'PATCH', url: '/api/v1/roles/member', headers: { ...admin, 'if-match': '*' }, payload: { permissions: ['gatehouse:own.factors', 'gatehouse:own.keys', 'gatehouse:own.profile', 'gatehouse:own.sessions', 'reports:read'] } }), 200)
  const web = await client({ kind: 'web', redirectUris: [CALLBACK], resources: [API], scopes: ['openid', 'profile', 'email', 'offline_access', 'read', 'write'] })
  const trusted = await client({ kind: 'web', redirectUris: [CALLBACK], firstParty: true })
  const spa = await client({ kind: 'web', authMethod: 'none', redirectUris: [CALLBACK] })
  const native = await client({ kind: 'native', redirectUris: ['http://127.0.0.1/cb', 'com.example.app:/cb'] })
  const own = (of: OAuthClientBody): Record<string, string> => (of.clientSecret === null ? {} : basic(of.clientId, of.clientSecret))
  const named = (of: OAuthClientBody, fields: Form): Form => (of.clientSecret === null ? { client_id: of.clientId, ...fields } : fields)
  const newPerson = async () => {
    const { user } = await as.signUp()
    return { id: user.id, ...personOf(app, user.email) }
  }
  type Person = Awaited<ReturnType<typeof newPerson>>
  const tokensOf = async (person: Person, of: OAuthClientBody, more: Form = {}): Promise<TokenBody> => {
    const { query, redeem } = requestOf(of, more)
    const { back, response } = await person.through(query)
    if (!back) throw new Error(`${response.statusCode} ${String(response.headers.location)} ${response.body.slice(0, 2_000)}`)
    return expectJson(await post('token', named(of, redeem(back.get('code') ?? '')), own(of)), 200)
  }

  t.test('signs in, says yes, and is led back with a code that is worth tokens', async (t) => {
    const person = await newPerson()
    const { query, redeem } = requestOf(web, { scope: 'openid email profile', login_hint: person.email })
    const first = await person.open(query)
    t.match(first.location, /^\/ui\/sign-in\?return_to=%2Foauth%2Fauthorize/)
    t.match((await person.pages.open(first.location)).body, person.email, 'the page knows whom the client means')
    const { back, response, location } = await person.through(query)
    t.equal(response.statusCode, 200, 'after our forms a page leads back, for browsers hold their policy against redirects')
    t.match(location, new RegExp(`^${CALLBACK}\\?code=`))
    t.same([back?.get('state'), back?.get('iss')], ['st', issuer])
    const body = expectJson<TokenBody>(await post('token', redeem(back?.get('code') ?? ''), own(web)), 200)
    t.match(body, { token_type: 'Bearer', expires_in: 300, scope: 'openid email profile' })
    const keys = createLocalJWKSet(expectJson<JSONWebKeySet>(await app.inject('/.well-known/jwks.json'), 200))
    const { payload, protectedHeader } = await jwtVerify(body.id_token ?? '', keys, { issuer, audience: web.clientId, currentDate: new Date(clock.now()) })
    t.match(protectedHeader, { alg: 'RS256', typ: 'JWT' })
    t.match(payload, { sub: person.id, nonce: 'n-1', amr: ['pwd'], acr: 'urn:gatehouse:1fa', auth_time: Math.floor(clock.now() / 1_000) })
    t.ok(payload['at_hash'])
    t.equal(payload['email'], undefined, 'what was not asked for there is told at userinfo')
    const access = claimsOf(body.access_token)
    t.match(access, { aud: `${issuer}/oauth/userinfo`, sub: person.id, client_id: web.clientId, sid: payload['sid'], scope: 'openid email profile' })
    for (const method of ['GET', 'POST'] as const) {
      const told = expectJson(await app.inject({ method, url: '/oauth/userinfo', headers: as.bearer(body.access_token) }), 200)
      t.match(told, { sub: person.id, email: person.email, email_verified: false })
    }
    t.equal((await app.inject({ url: '/api/v1/me', headers: as.bearer(body.access_token) })).statusCode, 401, 'and nothing of Gatehouse')
  })

  t.test('the code of one is nobody else\'s, is good once, for a minute, and with what it was asked for', async (t) => {
    const person = await newPerson()
    await person.signIn()
    const code = async (of = web, more: Form = {}) => {
      const { query, ...rest } = requestOf(of, more)
      return { code: (await person.through(query)).back?.get('code') ?? '', ...rest }
    }
    const one = await code()
    const attempts: [string, Form, Record<string, string>][] = [
      ['another client', one.redeem(one.code), own(trusted)], ['a public client', named(spa, one.redeem(one.code)), {}],
      ['another address', one.redeem(one.code, { redirect_uri: `${CALLBACK}/` }), own(web)], ['another verifier', one.redeem(one.code, { code_verifier: pkce().verifier }), own(web)],
      ['no verifier', one.redeem(one.code, { code_verifier: '' }), own(web)], ['a short verifier', one.redeem(one.code, { code_verifier: 'a' }), own(web)], ['the challenge', one.redeem(one.code, { code_verifier: String(requestOf(web).query['code_challenge']) }), own(web)],
      ['a prefix', one.redeem(one.code.slice(0, -1)), own(web)], ['another spelling', one.redeem(one.code.toUpperCase()), own(web)], ['nothing', one.redeem('x'), own(web)],
    ]
    for (const [name, form, headers] of attempts) t.equal(await outcome(post('token', form, headers)), '400 invalid_grant', name)
    t.equal(await outcome(post('token', one.redeem(one.code, { redirect_uri: '' }), own(web))), '400 invalid_request')
    t.equal(await outcome(post('token', one.redeem(''), own(web))), '400 invalid_request')
    t.equal(await outcome(post('token', one.redeem(one.code, { resource: API }), own(web))), '400 invalid_target', 'a resource that was not granted uses nothing up')
    const body = expectJson<TokenBody>(await post('token', one.redeem(one.code), own(web)), 200)
    t.equal((await app.inject({ url: '/oauth/userinfo', headers: as.bearer(body.access_token) })).statusCode, 200)
    clock.advance(30_000)
    t.equal(await outcome(post('token', one.redeem(one.code), own(web))), '400 invalid_grant', 'a second time')
    t.equal((await app.inject({ url: '/oauth/userinfo', headers: as.bearer(body.access_token) })).statusCode, 401, 'ends what the first has made')
    t.equal(await outcome(post('token', { grant_type: 'refresh_token', refresh_token: body.refresh_token ?? '' }, own(web))), '400 invalid_grant')
    const old = await code()
    clock.advance(60_000)
    t.equal(await outcome(post('token', old.redeem(old.code), own(web))), '400 invalid_grant', 'after a minute')
    t.ok(await database.prisma.auditEvent.findFirst({ where: { action: 'code.reused' } }))
    const other = await code()
    t.equal(await outcome(post('token', other.redeem(other.code), own(trusted))), '400 invalid_grant')
    expectJson(await post('token', other.redeem(other.code), own(web)), 200)
  })

  t.test('refresh: rotated, its client\'s alone, the same successor for ten seconds, and a copy ends the grant', async (t) => {
    const person = await newPerson()
    const first = await tokensOf(person, web, { scope: 'openid offline_access' })
    const refresh = (token: string | undefined, more: Form = {}, of = web) => post('token', { grant_type: 'refresh_token', refresh_token: token ?? '', ...more }, own(of))
    t.match(first.refresh_token, /^gor_/)
    t.equal(await outcome(refresh(first.refresh_token, {}, trusted)), '400 invalid_grant', 'B redeems A\'s')
    t.equal(await outcome(refresh(first.refresh_token, { scope: 'openid read' })), '400 invalid_scope')
    t.equal(await outcome(refresh(first.refresh_token, { resource: API })), '400 invalid_target')
    const second = expectJson<TokenBody>(await refresh(first.refresh_token), 200)
    t.equal(expectJson<TokenBody>(await refresh(first.refresh_token), 200).refresh_token, second.refresh_token, 'who lost the answer gets the same')
    const [before, after] = [claimsOf(first.id_token ?? ''), claimsOf(second.id_token ?? '')]
    t.same([after['sub'], after['auth_time'], after['sid'], after['nonce']], [before['sub'], before['auth_time'], before['sid'], undefined])
    const narrow = expectJson<TokenBody>(await refresh(second.refresh_token, { scope: 'openid' }), 200)
    t.equal(narrow.scope, 'openid')
    const third = expectJson<TokenBody>(await refresh(narrow.refresh_token), 200)
    t.equal(third.scope, 'openid offline_access', 'what was narrowed once is whole the next time')
    t.equal(await outcome(refresh(first.refresh_token)), '400 invalid_grant', 'a copy')
    t.equal(await outcome(refresh(third.refresh_token)), '400 invalid_grant', 'ends them all')
    t.equal((await app.inject({ url: '/oauth/userinfo', headers: as.bearer(third.access_token) })).statusCode, 401)
    const session = await as.signUp()
    t.equal(await outcome(refresh(session.refreshToken)), '400 invalid_grant', 'one of a session is none of a grant')
    const another = await tokensOf(person, web, { scope: 'openid offline_access' })
    t.equal((await app.inject({ method: 'POST', url: '/api/v1/auth/refresh', payload: { refreshToken: another.refresh_token } })).statusCode, 401, 'nor the other way round')
    t.equal((await app.inject({ method: 'POST', url: '/api/v1/auth/refresh', payload: { refreshToken: (another.refresh_token ?? '').replace('gor_', 'gr_') } })).statusCode, 401)
    for (const part of ['', 'x', 'gor_', (another.refresh_token ?? '').slice(0, -1), `${another.refresh_token ?? ''}A`]) t.equal((await refresh(part)).statusCode, 400)
    expectJson(await refresh(another.refresh_token), 200)
  })

  t.test('consent: remembered until more is asked for, shown with the address, said no to, withdrawn', async (t) => {
    const person = await newPerson()
    await person.signIn()
    const { query } = requestOf(web)
    const asked = await person.open(query)
    t.match(asked.location, /^\/ui\/consent\?/)
    const page = await person.pages.open(asked.location)
    t.match(page.body, 'An app')
    t.match(page.body, 'app.example.com')
    t.match(page.headers['content-security-policy'], /form-action 'self'/)
    const no = await person.through(query, { deny: true })
    t.same([no.back?.get('error'), no.back?.get('state'), no.back?.get('iss'), no.back?.get('code')], ['access_denied', 'st', issuer, null])
    t.ok((await person.through(query)).back?.get('code'))
    const again = await person.open(query)
    t.equal(again.response.statusCode, 303)
    t.ok(again.back?.get('code'), 'remembered')
    t.match((await person.open({ ...query, scope: 'openid email profile' })).location, /^\/ui\/consent/, 'more is asked for')
    t.match((await person.open({ ...query, prompt: 'consent' })).location, /^\/ui\/consent/)
    t.ok((await person.open(requestOf(trusted).query)).back?.get('code'), 'a first-party client does not ask')
    const headers = as.bearer(expectJson<{ accessToken: string }>(await app.inject({ method: 'POST', url: '/api/v1/auth/login', payload: { email: person.email, password: PASSWORD } }), 200).accessToken)
    const tokens = await tokensOf(person, web, { scope: 'openid offline_access email' })
    const mine = expectJson<{ data: { id: string; scopes: string[]; sessions: number }[] }>(await app.inject({ url: '/api/v1/me/grants', headers }), 200).data
    t.match(mine.find(({ id }) => id === web.id), { client: { clientId: web.clientId, name: 'An app', firstParty: false }, scopes: ['email', 'offline_access', 'openid'], sessions: 1 })
    t.equal((await app.inject({ method: 'DELETE', url: `/api/v1/me/grants/${web.id}`, headers: (await as.signUp()).headers })).statusCode, 404, 'nobody else\'s')
    const waiting = requestOf(web)
    const code = (await person.open(waiting.query)).back?.get('code') ?? ''
    t.equal((await app.inject({ method: 'DELETE', url: `/api/v1/me/grants/${web.id}`, headers })).statusCode, 204)
    t.equal((await app.inject({ method: 'DELETE', url: `/api/v1/me/grants/${web.id}`, headers })).statusCode, 404)
    t.equal((await app.inject({ url: '/oauth/userinfo', headers: as.bearer(tokens.access_token) })).statusCode, 401)
    t.equal(await outcome(post('token', { grant_type: 'refresh_token', refresh_token: tokens.refresh_token ?? '' }, own(web))), '400 invalid_grant')
    t.equal(await outcome(post('token', waiting.redeem(code), own(web))), '400 invalid_grant', 'a code that waited is none any more')
    t.match((await person.open(query)).location, /^\/ui\/consent/, 'and it is asked anew')
  })

  t.test('consent counts in the browser that was asked, for what was shown, and once', async (t) => {
    const [person, other] = [await newPerson(), await newPerson()]
    await person.signIn()
    await other.signIn()
    const { query } = requestOf(web)
    const { location } = await person.open(query)
    const token = await person.pages.token(location)
    const foreign = await other.pages.submit(location, { answer: 'yes', version: '0' }, { csrf: token })
    t.equal(foreign.statusCode, 403, 'the form of one browser is none of another')
    const opened = await other.pages.open(location)
    t.match(opened.body, other.email, 'the address in another browser asks for that one\'s account')
    t.equal((await person.pages.submit(location, { answer: 'yes', version: '0' }, { headers: { 'sec-fetch-site': 'cross-site' } })).statusCode, 403)
    t.equal((await person.pages.submit(location, { answer: 'maybe', version: '0' })).statusCode, 400)
    t.equal(await database.prisma.oAuthConsent.count({ where: { userId: { in: [person.id, other.id] } } }), 0)
    await person.through({ ...query, scope: 'openid' })
    const late = await person.pages.submit(location, { answer: 'yes', version: '0' })
    t.equal(late.statusCode, 303, 'what was consented to has changed: it is looked at anew')
    t.match(late.headers.location, /^\/oauth\/authorize/)
  })

  t.test('prompt, max_age and id_token_hint: what must be shown, what must not, and whose sign-in it is', async (t) => {
    const person = await newPerson()
    const { query } = requestOf(trusted)
    const none = (more: Form = {}) => person.open({ ...query, prompt: 'none', ...more })
    t.equal((await none()).back?.get('error'), 'login_required')
    await person.signIn()
    const first = await tokensOf(person, trusted)
    const at = claimsOf(first.id_token ?? '')['auth_time']
    clock.advance(100_000)
    t.ok((await none()).back?.get('code'))
    t.equal((await none({ max_age: '10' })).back?.get('error'), 'login_required')
    t.ok((await none({ max_age: '10000', id_token_hint: first.id_token ?? '' })).back?.get('code'))
    t.equal((await person.open({ ...requestOf(web).query, prompt: 'none' })).back?.get('error'), 'consent_required')
    const same = await tokensOf(person, trusted, { max_age: '10000' })
    t.equal(claimsOf(same.id_token ?? '')['auth_time'], at)
    const aged = await person.open({ ...query, max_age: '1' })
    t.match(aged.location, /^\/ui\/step-up/)
    const fresh = await tokensOf(person, trusted, { max_age: '1' })
    t.equal(claimsOf(fresh.id_token ?? '')['auth_time'], Math.floor(clock.now() / 1_000))
    clock.advance(5_000)
    const again = await tokensOf(person, trusted, { prompt: 'login' })
    t.equal(claimsOf(again.id_token ?? '')['auth_time'], Math.floor(clock.now() / 1_000))
    t.match((await person.open({ ...query, prompt: 'select_account' })).location, /^\/ui\/sign-in/)
    const other = await newPerson()
    await other.signIn()
    t.equal((await other.open({ ...query, prompt: 'none', id_token_hint: first.id_token ?? '' })).back?.get('error'), 'login_required', 'somebody else is signed in')
    t.match((await other.open({ ...query, id_token_hint: first.id_token ?? '' })).location, /^\/ui\/sign-in/)
    t.equal((await other.open({ ...requestOf(web).query, id_token_hint: first.id_token ?? '' })).back?.get('error'), 'invalid_request', 'of another client')
    for (const hint of ['x', first.access_token, `${first.id_token ?? ''}x`]) t.equal((await person.open({ ...query, id_token_hint: hint })).back?.get('error'), 'invalid_request')
    const mark = /gatehouse_resume(?:=|%3D)([\w-]+)/.exec(decodeURIComponent((await person.open({ ...query, prompt: 'login' })).location))?.[1] ?? ''
    t.ok(mark)
    clock.advance(1_000)
    t.match((await other.open({ ...query, prompt: 'login', gatehouse_resume: mark })).location, /^\/ui\/step-up/, 'a mark of another browser is none')
    const claims = JSON.stringify({ id_token: { acr: { essential: true, value: 'urn:gatehouse:mfa' } } })
    t.equal((await person.open({ ...query, claims })).back?.get('error'), 'unmet_authentication_requirements')
    t.ok((await person.open({ ...query, acr_values: 'urn:gatehouse:mfa' })).back?.get('code'), 'a wish that cannot be met is none')
  })

  t.test('resources: a token opens the one it is for, with what its owner holds', async (t) => {
    const person = await newPerson()
    const { query, redeem } = requestOf(web, { scope: 'openid read write', resource: API })
    const { back } = await person.through(query)
    const body = expectJson<TokenBody>(await post('token', redeem(back?.get('code') ?? '', { resource: API }), own(web)), 200)
    t.match(claimsOf(body.access_token), { aud: API, scope: 'read write' })
    const passed = await gate('/a/x', as.bearer(body.access_token))
    t.match(passed.headers, { 'x-auth-subject': person.id, 'x-auth-type': 'user', 'x-auth-permissions': 'reports:read' }, 'a scope is worth no more than its owner holds')
    t.equal((await app.inject({ url: '/oauth/userinfo', headers: as.bearer(body.access_token) })).statusCode, 401, 'it does not say who somebody is')
    const refreshed = expectJson<TokenBody>(await post('token', { grant_type: 'refresh_token', refresh_token: body.refresh_token ?? '', resource: `${issuer}/oauth/userinfo` }, own(web)), 200)
    t.equal((await app.inject({ url: '/oauth/userinfo', headers: as.bearer(refreshed.access_token) })).statusCode, 200)
    t.equal(await outcome(post('token', { grant_type: 'refresh_token', refresh_token: refreshed.refresh_token ?? '', resource: OTHER_API }, own(web))), '400 invalid_target')
    t.equal((await person.open({ ...query, resource: OTHER_API })).back?.get('error'), 'invalid_target')
    const service = expectJson<{ active: boolean }>(await post('introspect', { token: body.access_token }, own(web)), 200)
    t.match(service, { active: true, sub: person.id, aud: API, scope: 'read write', permissions: ['reports:read'] })
    t.match(expectJson(await post('introspect', { token: refreshed.refresh_token ?? '' }, own(web)), 200), { active: true, sub: person.id })
    t.same(expectJson(await post('introspect', { token: refreshed.refresh_token ?? '' }, own(trusted)), 200), { active: false })
  })

  t.test('what ends a sign-in or an account ends what was granted in it; an offline grant outlives the sign-in alone', async (t) => {
    const person = await newPerson()
    const online = await tokensOf(person, web, { scope: 'openid' })
    const offline = await tokensOf(person, web, { scope: 'openid offline_access' })
    const opens = async (body: TokenBody): Promise<string> => `${(await app.inject({ url: '/oauth/userinfo', headers: as.bearer(body.access_token) })).statusCode}`
    t.same([await opens(online), await opens(offline)], ['200', '200'])
    const waiting = requestOf(web, { scope: 'openid' })
    const code = (await person.open(waiting.query)).back?.get('code') ?? ''
    await person.pages.submit('/ui/sign-out', {})
    t.same([await opens(online), await opens(offline)], ['401', '200'])
    t.equal(await outcome(post('token', waiting.redeem(code), own(web))), '400 invalid_grant')
    t.equal(await outcome(post('token', { grant_type: 'refresh_token', refresh_token: online.refresh_token ?? '' }, own(web))), '400 invalid_grant')
    const next = expectJson<TokenBody>(await post('token', { grant_type: 'refresh_token', refresh_token: offline.refresh_token ?? '' }, own(web)), 200)
    await app.inject({ method: 'PATCH', url: `/api/v1/users/${person.id}`, headers: { ...admin, 'if-match': '*' }, payload: { status: 'suspended' } })
    t.equal(await opens(next), '401')
    t.equal(await outcome(post('token', { grant_type: 'refresh_token', refresh_token: next.refresh_token ?? '' }, own(web))), '400 invalid_grant')
    await app.inject({ method: 'PATCH', url: `/api/v1/users/${person.id}`, headers: { ...admin, 'if-match': '*' }, payload: { status: 'active' } })
    t.equal(await opens(next), '401', 'and stays over')
  })

  t.test('revocation of a refresh token ends all that was made of it; another client\'s does nothing', async (t) => {
    const person = await newPerson()
    const body = await tokensOf(person, web, { scope: 'openid offline_access' })
    t.equal(await outcome(post('revoke', { token: body.refresh_token ?? '' }, own(trusted))), '200')
    t.equal((await app.inject({ url: '/oauth/userinfo', headers: as.bearer(body.access_token) })).statusCode, 200)
    t.equal(await outcome(post('revoke', { token: body.refresh_token ?? '', token_type_hint: 'access_token' }, own(web))), '200')
    t.equal((await app.inject({ url: '/oauth/userinfo', headers: as.bearer(body.access_token) })).statusCode, 401)
    t.equal(await outcome(post('token', { grant_type: 'refresh_token', refresh_token: body.refresh_token ?? '' }, own(web))), '400 invalid_grant')
  })

  t.test('pushed requests: their client\'s, gone with the code, and nothing beside them counts', async (t) => {
    const person = await newPerson()
    await person.signIn()
    const { query, redeem } = requestOf(trusted)
    const pushed = expectJson<{ request_uri: string; expires_in: number }>(await post('par', query, own(trusted)), 201)
    t.match(pushed, { request_uri: /^urn:ietf:params:oauth:request_uri:/, expires_in: 600 })
    const ask = (more: Form = {}) => person.open({ client_id: trusted.clientId, request_uri: pushed.request_uri, ...more })
    t.equal((await ask({ client_id: web.clientId })).response.statusCode, 400, 'another client\'s')
    const done = await ask({ scope: 'openid profile', redirect_uri: 'https://evil.example/', state: 'other' })
    t.equal(done.back?.get('state'), 'st')
    expectJson(await post('token', redeem(done.back?.get('code') ?? ''), own(trusted)), 200)
    t.equal((await ask()).response.statusCode, 400, 'once')
    const old = expectJson<{ request_uri: string }>(await post('par', query, own(trusted)), 201)
    clock.advance(601_000)
    t.equal((await person.open({ client_id: trusted.clientId, request_uri: old.request_uri })).response.statusCode, 400)
    for (const [form, expected] of [[{ ...query, redirect_uri: 'https://evil.example/' }, '400 invalid_request'], [{ ...query, request_uri: old.request_uri }, '400 invalid_request'], [{ ...query, code_challenge_method: '' }, '400 invalid_request'], [{ ...query, client_id: web.clientId }, '400 invalid_request']] as const) t.equal(await outcome(post('par', form, own(trusted))), expected)
    t.equal(await outcome(post('par', query)), '401 invalid_client')
    const stranger = await newPerson()
    const fresh = expectJson<{ request_uri: string }>(await post('par', query, own(trusted)), 201)
    const login = await stranger.open({ client_id: trusted.clientId, request_uri: fresh.request_uri })
    t.match(login.location, /^\/ui\/sign-in/)
    t.ok((await stranger.through({ client_id: trusted.clientId, request_uri: fresh.request_uri })).back?.get('code'), 'it is used up by the code, not by the first look')
  })

  t.test('a form that another page posts is an address first; errors that concern nobody but the client go there, the others are told here', async (t) => {
    const person = await newPerson()
    const { query } = requestOf(trusted)
    const posted = await post('authorize', query)
    t.equal(posted.statusCode, 303)
    t.match(posted.headers.location, /^\/oauth\/authorize\?client_id=/)
    const page = await person.open({ ...query, redirect_uri: 'https://evil.example/' })
    t.equal(page.response.statusCode, 400)
    t.match(page.response.headers['content-type'], /text\/html/)
    t.match(page.response.body, 'redirect_uri')
    t.equal(page.back, null)
    for (const [more, error] of [[{ response_type: 'token' }, 'unsupported_response_type'], [{ response_type: '' }, 'invalid_request'], [{ response_mode: 'fragment' }, 'invalid_request'], [{ code_challenge_method: '' }, 'invalid_request'], [{ code_challenge_method: 'plain' }, 'invalid_request'], [{ code_challenge: '' }, 'invalid_request'], [{ code_challenge: 'x' }, 'invalid_request'], [{ request: 'a.b.c' }, 'request_not_supported'], [{ request_uri: 'https://a.example/' }, 'request_uri_not_supported'], [{ prompt: 'none login' }, 'invalid_request'], [{ prompt: 'create' }, 'invalid_request'], [{ max_age: '-1' }, 'invalid_request'], [{ claims: '{' }, 'invalid_request'], [{ scope: 'nothing' }, 'invalid_scope'], [{ scope: 'a"b' }, 'invalid_scope']] as const) {
      t.equal((await person.open({ ...query, ...more })).back?.get('error'), error, JSON.stringify(more))
    }
    for (const name of Object.keys(query)) t.equal((await person.pages.open(`/oauth/authorize?${new URLSearchParams(query as Record<string, string>).toString()}&${name}=x`)).statusCode, 400, `${name} twice`)
  })

  t.test('a public client redeems by its name and PKCE alone; a program of one\'s own machine is asked for each time', async (t) => {
    const person = await newPerson()
    const body = await tokensOf(person, spa)
    t.ok(body.refresh_token)
    expectJson(await post('token', { grant_type: 'refresh_token', refresh_token: body.refresh_token ?? '', client_id: spa.clientId }), 200)
    for (const redirect of ['http://127.0.0.1:51004/cb', 'com.example.app:/cb']) {
      const { query, redeem } = requestOf(native, { redirect_uri: redirect })
      const { back, location } = await person.through(query)
      t.match(location, redirect)
      expectJson(await post('token', named(native, redeem(back?.get('code') ?? '', { redirect_uri: redirect }))), 200)
      const again = await person.open(query)
      t.match(again.location, /^\/ui\/consent/)
      t.match((await person.pages.open(again.location)).body, 'on this device')
    }
  })

  t.test('discovery says what there is', async (t) => {
    const metadata = expectJson<Record<string, unknown>>(await app.inject('/.well-known/openid-configuration'), 200)
    t.match(metadata, { issuer, authorization_endpoint: `${issuer}/oauth/authorize`, code_challenge_methods_supported: ['S256'], subject_types_supported: ['public'], response_types_supported: ['code'], authorization_response_iss_parameter_supported: true })
    t.ok((metadata['id_token_signing_alg_values_supported'] as string[]).includes('RS256'))
    t.same(expectJson(await app.inject('/.well-known/oauth-authorization-server'), 200), metadata)
  })
})
