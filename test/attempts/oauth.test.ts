// What has broken other authorization servers, tried here, each under the name it is known by. The others: CVE-2026-1035 (a refresh that is not one step), revocation
// against refresh, the family of refresh tokens, several sets for one (Ory) and one code, PAR or consent for many: test/race/oauth.test.ts. GHSA-3p3g-vpw6-4w66 (assertions
// replayed), audiences of assertions, Basic's decoding, introspection and revocation across clients, verification kept over audiences: test/routes/oauth-tokens.test.ts.
// GHSA-rww4-4w9c-7733 (consent in another browser): test/flows/oauth-code.test.ts. Registration that skips consent, documents that lead elsewhere: test/routes/oauth-registration.test.ts.
// Redirect schemes: test/domain/clients.test.ts. Logouts nobody is told of, offline sessions at logout: test/routes/oauth-logout.test.ts. CVE-2026-9689 (parameters sent twice):
// test/flows/oauth-oracle.test.ts. Of the side that signs in elsewhere (CVE-2026-55669, CVE-2026-41574, nOAuth): test/routes/federation*.test.ts.
import t from 'tap'
import { expectJson, startApp } from '../support/app.js'
import { API, basic, CALLBACK, claimsOf, type Form, type OAuthClientBody, oauthHouse, OTHER_API, personOf, pkce, requestOf, type TokenBody } from '../support/oauth.js'

t.test('what has broken others', async (t) => {
  const config = { publicUrl: 'http://localhost:3000' }
  const main = await startApp(t, { config })
  const { app, as, clock, database } = main
  const { post, client, resource, outcome, gate } = await oauthHouse(main)
  await resource(API)
  await resource(OTHER_API)
  const admin = await as.admin()
  for (const [path, audience] of [['/a/*', API], ['/b/*', OTHER_API]]) expectJson(await app.inject({ method: 'POST', url: '/api/v1/gate-rules', headers: admin, payload: { path, audience } }), 201)
  const scopes = ['openid', 'email', 'offline_access', 'read']
  const [a, b] = [await client({ kind: 'web', redirectUris: [CALLBACK], firstParty: true, resources: [API, OTHER_API], scopes }), await client({ kind: 'web', redirectUris: [CALLBACK], firstParty: true, resources: [API, OTHER_API], scopes })]
  const codes = await client({ kind: 'web', redirectUris: [CALLBACK], firstParty: true, grantTypes: ['authorization_code'] })
  const service = await client({ kind: 'service', resources: [API], scopes: ['read'] })
  const own = (of: OAuthClientBody): Record<string, string> => basic(of.clientId, of.clientSecret ?? '')
  const { user } = await as.signUp()
  const person = personOf(app, user.email)
  await person.signIn()
  const codeOf = async (of: OAuthClientBody, more: Form = {}) => {
    const { query, redeem } = requestOf(of, more)
    const { back } = await person.open(query)
    return { code: back?.get('code') ?? '', redeem, error: back?.get('error') }
  }
  const tokensOf = async (of = a, more: Form = {}): Promise<TokenBody> => {
    const { code, redeem } = await codeOf(of, { scope: 'openid offline_access', ...more })
    return expectJson(await post('token', redeem(code), own(of)), 200)
  }
  const refresh = (of: OAuthClientBody, token: string | undefined, more: Form = {}, node = app) => post('token', { grant_type: 'refresh_token', refresh_token: token ?? '', ...more }, own(of), node)
  const userinfo = async (token: string): Promise<number> => (await app.inject({ url: '/oauth/userinfo', headers: as.bearer(token) })).statusCode

  t.test('CVE-2026-55672: what is A\'s is not redeemed by B, and is good for A afterwards', async (t) => {
    const { code, redeem } = await codeOf(a, { scope: 'openid offline_access' })
    t.equal(await outcome(post('token', redeem(code), own(b))), '400 invalid_grant')
    const body = expectJson<TokenBody>(await post('token', redeem(code), own(a)), 200)
    t.equal(await outcome(refresh(b, body.refresh_token)), '400 invalid_grant')
    expectJson(await refresh(a, body.refresh_token), 200)
  })

  t.test('CVE-2026-9802: what was revoked stays so when everything starts anew', async (t) => {
    const body = await tokensOf()
    await post('revoke', { token: body.refresh_token ?? '' }, own(a))
    const reused = await tokensOf()
    const next = expectJson<TokenBody>(await refresh(a, reused.refresh_token), 200)
    await refresh(a, next.refresh_token)
    await refresh(a, reused.refresh_token)
    const anew = await startApp(t, { config, database, clock })
    for (const one of [body, reused, next]) {
      t.equal(await outcome(refresh(a, one.refresh_token, {}, anew.app)), '400 invalid_grant')
      t.equal((await anew.app.inject({ url: '/oauth/userinfo', headers: as.bearer(one.access_token) })).statusCode, 401)
    }
  })

  t.test('CVE-2023-48228: a verifier that is left out or empty is none', async (t) => {
    for (const verifier of ['', ' ', pkce().verifier]) {
      const { code, redeem } = await codeOf(a)
      t.equal(await outcome(post('token', redeem(code, { code_verifier: verifier }), own(a))), '400 invalid_grant', JSON.stringify(verifier))
      const { code_verifier: _, ...without } = redeem(code)
      t.equal(await outcome(post('token', without, own(a))), '400 invalid_grant')
      expectJson(await post('token', redeem(code), own(a)), 200)
    }
  })

  t.test('CVE-2026-7571: what is off for a client is not revived by what the request says', async (t) => {
    for (const type of ['token', 'id_token', 'id_token token', 'code token', 'code id_token', 'code id_token token', 'none']) t.equal((await codeOf(a, { response_type: type })).error, 'unsupported_response_type', type)
    const { code, redeem } = await codeOf(codes, { scope: 'openid offline_access' })
    const body = expectJson<TokenBody>(await post('token', redeem(code), own(codes)), 200)
    t.equal(body.refresh_token, undefined)
    for (const [of, form] of [[codes, { grant_type: 'refresh_token', refresh_token: (await tokensOf()).refresh_token ?? '' }], [a, { grant_type: 'client_credentials', resource: API }], [service, { grant_type: 'authorization_code', code: 'x', redirect_uri: CALLBACK }], [service, { grant_type: 'refresh_token', refresh_token: 'x' }]] as [OAuthClientBody, Form][]) t.equal(await outcome(post('token', { ...form, response_type: 'code token', scope: 'openid' }, own(of))), '400 unauthorized_client')
    t.equal((await person.open(requestOf(service).query)).response.statusCode, 400)
  })

  t.test('75: a scope that is mapped wider is not wider for who consented before: they are asked anew', async (t) => {
    const API_75 = 'https://wider.example.com/'
    const { id } = await resource(API_75)
    const shop = await client({ kind: 'web', redirectUris: [CALLBACK], firstParty: true, resources: [API_75], scopes })
    const asked = { scope: 'openid offline_access read', resource: API_75 }
    const body = await tokensOf(shop, asked)
    const waiting = await codeOf(shop, asked)
    await database.prisma.oAuthConsent.create({ data: { userId: user.id, clientId: shop.id, scopes: ['openid', 'read'], resources: [API_75], createdAt: new Date(clock.now()), updatedAt: new Date(clock.now()) } })
    const change = async (permissions: string[]) => expectJson(await app.inject({
      method: 'PATCH', url: `/api/v1/resources/${id}`, headers: { ...admin, 'if-match': '*' }, payload: { scopes: [{ name: 'read', description: 'Read', permissions }, { name: 'write', description: 'Write', permissions: ['reports:write'] }] },
    }), 200)
    await change([])
    t.equal(await userinfo(body.access_token), 401, 'a token of an API opens nothing here')
    const next = expectJson<TokenBody>(await refresh(shop, body.refresh_token), 200)
    t.equal(await database.prisma.oAuthConsent.count({ where: { clientId: shop.id } }), 1, 'narrower asks nobody')
    await change(['reports:read', 'reports:export'])
    t.equal(await outcome(refresh(shop, next.refresh_token)), '400 invalid_grant')
    t.equal(await outcome(post('token', waiting.redeem(waiting.code), own(shop))), '400 invalid_grant', 'a code that waited is none')
    t.equal(await database.prisma.oAuthConsent.count({ where: { clientId: shop.id } }), 0)
  })

  t.test('CVE-2026-4634: fifty thousand scopes cost nothing', async (t) => {
    const many = Array.from({ length: 50_000 }, (_, at) => `s${at}`).join(' ')
    const some = many.slice(0, 11_000)
    t.equal(await outcome(post('token', { grant_type: 'client_credentials', scope: many }, own(service))), '413 invalid_request')
    t.equal(await outcome(post('token', { grant_type: 'client_credentials', scope: some }, own(service))), '400 invalid_scope')
    t.equal(await outcome(post('par', { ...requestOf(a).query, scope: some }, own(a))), '413 invalid_request')
    t.equal((await person.open({ ...requestOf(a).query, scope: some.slice(0, 5_500) })).response.statusCode, 400)
    t.equal((await codeOf(a, { scope: some.slice(0, 3_000) })).error, 'invalid_scope')
  })

  t.test('GHSA-gv94-wp4h-vv8p: Bearer is one word, one space, one token', async (t) => {
    const { access_token: token } = await tokensOf()
    t.equal(await userinfo(token), 200)
    for (const authorization of [`Bearer  ${token}`, `Bearer ${token} x`, `Bearer ${token},`, `Bearer "${token}"`, `Bearer\t${token}`, `Token ${token}`, `DPoP ${token}`, token, 'Bearer', `Bearer ${token}=`, `Bearer ${token}.`]) t.equal((await app.inject({ url: '/oauth/userinfo', headers: { authorization } })).statusCode, 401, authorization.slice(0, 14))
    t.equal((await app.inject({ url: `/oauth/userinfo?access_token=${token}` })).statusCode, 401)
    t.equal((await post('userinfo', { access_token: token })).statusCode, 401)
  })

  t.test('GHSA-p2fr-6hmx-4528: a resource that was not granted is not to be had, at the code or at any refresh', async (t) => {
    const { code, redeem } = await codeOf(a, { scope: 'openid offline_access read', resource: API })
    t.equal(await outcome(post('token', redeem(code, { resource: OTHER_API }), own(a))), '400 invalid_target')
    const body = expectJson<TokenBody>(await post('token', redeem(code, { resource: API }), own(a)), 200)
    t.equal(await outcome(refresh(a, body.refresh_token, { resource: OTHER_API })), '400 invalid_target')
    t.equal(await outcome(refresh(a, body.refresh_token, { resource: [API, OTHER_API] })), '400 invalid_target')
    t.same([(await gate('/a/x', as.bearer(body.access_token))).statusCode, (await gate('/b/x', as.bearer(body.access_token))).statusCode], [200, 401])
    expectJson(await refresh(a, body.refresh_token, { resource: API }), 200)
  })

  t.test('CVE-2026-27840: a part of a token is no token', async (t) => {
    const body = await tokensOf()
    const { code, redeem } = await codeOf(a)
    const secret = a.clientSecret ?? ''
    for (const cut of [1, 2, 5, 10, 20, 40]) {
      t.equal(await userinfo(body.access_token.slice(0, -cut)), 401)
      t.equal(await outcome(refresh(a, (body.refresh_token ?? '').slice(0, -cut))), '400 invalid_grant')
      t.equal(await outcome(post('token', redeem(code.slice(0, -cut)), own(a))), '400 invalid_grant')
      t.equal(await outcome(post('token', redeem(code), basic(a.clientId, secret.slice(0, -cut)))), '401 invalid_client')
    }
    const refreshToken = body.refresh_token ?? ''
    for (let at = 4; at < refreshToken.length; at += 6) {
      const flipped = `${refreshToken.slice(0, at)}${refreshToken[at] === 'A' ? 'B' : 'A'}${refreshToken.slice(at + 1)}`
      t.equal(await outcome(refresh(a, flipped)), '400 invalid_grant', String(at))
    }
    expectJson(await post('token', redeem(code), own(a)), 200)
    expectJson(await refresh(a, refreshToken), 200)
  })

  t.test('a challenge without a method means plain elsewhere, and nothing here', async (t) => {
    for (const method of ['', 'plain', 'PLAIN', 's256']) t.equal((await codeOf(a, { code_challenge_method: method })).error, 'invalid_request', method)
  })

  t.test('Curity: other tokens that were signed here are no access tokens, and an access token is no hint', async (t) => {
    const body = await tokensOf()
    const claims = claimsOf(body.access_token)
    for (const type of ['JWT', 'logout+jwt'] as const) for (const algorithm of ['RS256', 'ES256', 'EdDSA'] as const) t.equal(await userinfo(await app.tokens.sign(claims, type, algorithm)), 401, `${type} ${algorithm}`)
    t.equal(await userinfo(body.id_token ?? ''), 401)
    t.equal(await userinfo(body.refresh_token ?? ''), 401)
    t.equal((await app.inject({ url: '/api/v1/me', headers: as.bearer(body.id_token ?? '') })).statusCode, 401)
    for (const hint of [body.access_token, await app.tokens.sign({ ...claimsOf(body.id_token ?? '') }, 'logout+jwt', 'RS256')]) t.equal((await codeOf(a, { id_token_hint: hint })).error, 'invalid_request')
  })

  t.test('pages of no origin, and of every origin, may ask, and never in anybody\'s name', async (t) => {
    for (const origin of ['null', 'https://evil.example']) {
      const answer = await post('token', { grant_type: 'client_credentials', resource: API }, { ...own(service), origin })
      t.match([answer.statusCode, answer.headers['access-control-allow-origin'], answer.headers['access-control-allow-credentials']], [200, '*', undefined])
      const page = await app.inject({ url: '/oauth/authorize?client_id=x', headers: { origin } })
      t.equal(page.headers['access-control-allow-origin'], undefined, 'our pages are read by none')
    }
  })
})
