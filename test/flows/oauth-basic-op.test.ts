// The modules of the OpenID Foundation's Basic OP and Config plans, each under its own name, as requests and answers. Those of parameters that are not taken here (request
// objects) say so. docs/oauth.md has the differences.
import { createLocalJWKSet, decodeJwt, type JSONWebKeySet, jwtVerify } from 'jose'
import t from 'tap'
import { expectJson, startApp } from '../support/app.js'
import { basic, CALLBACK, claimsOf, type Form, type OAuthClientBody, oauthHouse, personOf, requestOf, type TokenBody } from '../support/oauth.js'

t.test('oidcc-basic-certification-test-plan', async (t) => {
  const main = await startApp(t, { config: { publicUrl: 'http://localhost:3000' } })
  const { app, as, clock } = main
  const { post, client, outcome } = await oauthHouse(main)
  const issuer = app.publicOrigin()
  const web = await client({ kind: 'web', redirectUris: [CALLBACK], scopes: ['openid', 'profile', 'email', 'address', 'phone', 'offline_access'] })
  const posting = await client({ kind: 'web', redirectUris: [CALLBACK], authMethod: 'client_secret_post' })
  const plain = await client({ kind: 'web', redirectUris: [CALLBACK], requirePkce: false })
  const own = (of: OAuthClientBody = web) => basic(of.clientId, of.clientSecret ?? '')
  const { user } = await as.signUp()
  await app.inject({ method: 'PATCH', url: '/api/v1/me', headers: { authorization: `Bearer ${(await as.signUp()).accessToken}`, 'if-match': '*' }, payload: { name: 'Ada' } })
  const person = personOf(app, user.email)
  const logIn = async (more: Form = {}, of = web): Promise<TokenBody> => {
    const { query, redeem } = requestOf(of, more)
    const { back, response } = await person.through(query)
    if (!back?.get('code')) throw new Error(`${response.statusCode} ${back?.get('error') ?? response.body.slice(0, 500)}`)
    return expectJson(await post('token', redeem(back.get('code') ?? ''), own(of)), 200)
  }
  const userinfo = async (body: TokenBody, method: 'GET' | 'POST' = 'GET') => expectJson<Record<string, unknown>>(await app.inject({ method, url: '/oauth/userinfo', headers: as.bearer(body.access_token) }), 200)
  const errorOf = async (more: Form, of = web) => (await person.open(requestOf(of, more).query)).back?.get('error')

  t.test('oidcc-server', async (t) => t.equal((await userinfo(await logIn()))['sub'], claimsOf((await logIn()).id_token ?? '')['sub']))
  t.test('oidcc-response-type-missing', async (t) => {
    const { back } = await person.open(requestOf(web, { response_type: '' }).query)
    t.same([back?.get('error'), back?.get('code')], ['invalid_request', null])
  })
  t.test('oidcc-idtoken-signature', async (t) => {
    const keys = createLocalJWKSet(expectJson<JSONWebKeySet>(await app.inject('/.well-known/jwks.json'), 200))
    const { protectedHeader } = await jwtVerify((await logIn()).id_token ?? '', keys, { issuer, audience: web.clientId, currentDate: new Date(clock.now()) })
    t.equal(protectedHeader.alg, 'RS256')
  })
  t.test('oidcc-idtoken-unsigned: refused at registration', async (t) => {
    t.equal((await app.inject({ method: 'POST', url: '/api/v1/clients', headers: await as.admin(), payload: { kind: 'web', name: 'x', redirectUris: [CALLBACK], idTokenAlgorithm: 'none' } })).statusCode, 400)
  })
  t.test('oidcc-userinfo-get, -post-header; -post-body is refused', async (t) => {
    const body = await logIn()
    t.same(await userinfo(body), await userinfo(body, 'POST'))
    t.equal((await post('userinfo', { access_token: body.access_token })).statusCode, 401)
  })
  t.test('oidcc-ensure-request-without-nonce-succeeds-for-code-flow', async (t) => t.equal(claimsOf((await logIn({ nonce: '' })).id_token ?? '')['nonce'], undefined))
  t.test('oidcc-scope-profile, -email, -address, -phone, -all', async (t) => {
    t.same(Object.keys(await userinfo(await logIn({ scope: 'openid profile' }))).toSorted(), ['sub', 'updated_at'])
    t.match(await userinfo(await logIn({ scope: 'openid email' })), { email: user.email, email_verified: false })
    for (const scope of ['address', 'phone']) t.same(Object.keys(await userinfo(await logIn({ scope: `openid ${scope}` }))), ['sub'], `${scope}: nothing is known`)
    t.match(await userinfo(await logIn({ scope: 'openid profile email address phone' })), { email: user.email, updated_at: Number })
  })
  t.test('oidcc-alternate-happy-flow: another order of parameters', async (t) => {
    const { query } = requestOf(web)
    t.ok((await person.open(Object.fromEntries(Object.entries(query).toReversed()))).back?.get('code'))
  })
  t.test('oidcc-display-page, -popup', async (t) => {
    for (const display of ['page', 'popup']) t.ok((await logIn({ display })).id_token)
  })
  t.test('oidcc-prompt-login', async (t) => {
    const before = Number(claimsOf((await logIn()).id_token ?? '')['auth_time'])
    clock.advance(2_000)
    t.ok(Number(claimsOf((await logIn({ prompt: 'login' })).id_token ?? '')['auth_time']) > before)
  })
  t.test('oidcc-prompt-none-not-logged-in, -logged-in', async (t) => {
    t.equal((await personOf(app, user.email).open(requestOf(web, { prompt: 'none' }).query)).back?.get('error'), 'login_required')
    const [first, second] = [await logIn(), await logIn({ prompt: 'none' })].map(({ id_token: token = '' }) => decodeJwt(token))
    t.same([second?.sub, second?.['auth_time']], [first?.sub, first?.['auth_time']])
  })
  t.test('oidcc-max-age-1, -10000', async (t) => {
    const before = Number(claimsOf((await logIn()).id_token ?? '')['auth_time'])
    t.equal(claimsOf((await logIn({ max_age: '10000' })).id_token ?? '')['auth_time'], before)
    clock.advance(2_000)
    t.ok(Number(claimsOf((await logIn({ max_age: '1' })).id_token ?? '')['auth_time']) > before)
  })
  t.test('oidcc-ensure-request-with-unknown-parameter-succeeds, -with-acr-values-succeeds; oidcc-login-hint, -ui-locales, -claims-locales', async (t) => {
    for (const more of [{ extra: 'foobar' }, { acr_values: '1 2' }, { login_hint: 'buffy@example.com' }, { ui_locales: 'se' }, { claims_locales: 'se' }]) t.ok((await logIn(more)).id_token, JSON.stringify(more))
  })
  t.test('oidcc-id-token-hint', async (t) => {
    const first = await logIn()
    t.equal(claimsOf((await logIn({ prompt: 'none', id_token_hint: first.id_token ?? '' })).id_token ?? '')['sub'], user.id)
  })
  t.test('oidcc-codereuse, -30seconds', async (t) => {
    const { query, redeem } = requestOf(web)
    const code = (await person.open(query)).back?.get('code') ?? ''
    const body = expectJson<TokenBody>(await post('token', redeem(code), own()), 200)
    await userinfo(body)
    clock.advance(30_000)
    t.equal(await outcome(post('token', redeem(code), own())), '400 invalid_grant')
    t.equal((await app.inject({ url: '/oauth/userinfo', headers: as.bearer(body.access_token) })).statusCode, 401)
  })
  t.test('oidcc-ensure-registered-redirect-uri', async (t) => {
    const { back, response } = await person.open(requestOf(web, { redirect_uri: `${CALLBACK}/other` }).query)
    t.match([back, response.statusCode], [null, 400])
  })
  t.test('oidcc-ensure-post-request-succeeds', async (t) => {
    const posted = await post('authorize', requestOf(web).query)
    t.ok(new URL((await person.pages.open(String(posted.headers.location))).headers.location ?? '').searchParams.get('code'))
  })
  t.test('oidcc-server-client-secret-post', async (t) => {
    const { query, redeem } = requestOf(posting)
    const code = (await person.through(query)).back?.get('code') ?? ''
    t.match(expectJson(await post('token', { ...redeem(code), client_id: posting.clientId, client_secret: posting.clientSecret ?? '' }), 200), { token_type: 'Bearer' })
  })
  t.test('oidcc-request-uri-unsigned-, unsigned-request-object-supported-correctly-or-rejected-as-unsupported; oidcc-ensure-request-object-with-redirect-uri', async (t) => {
    t.same([await errorOf({ request_uri: 'https://app.example.com/r' }), await errorOf({ request: 'eyJhbGciOiJub25lIn0.e30.' })], ['request_uri_not_supported', 'request_not_supported'])
  })
  t.test('oidcc-claims-essential', async (t) => {
    t.match(await userinfo(await logIn({ scope: 'openid', claims: JSON.stringify({ userinfo: { email: { essential: true } } }) })), { email: user.email })
    t.equal(claimsOf((await logIn({ scope: 'openid', claims: JSON.stringify({ id_token: { email: { essential: true } } }) })).id_token ?? '')['email'], user.email)
  })
  t.test('oidcc-refresh-token', async (t) => {
    const body = await logIn({ scope: 'openid offline_access', prompt: 'consent' })
    t.equal(await outcome(post('token', { grant_type: 'refresh_token', refresh_token: body.refresh_token ?? '' }, own(plain))), '400 invalid_grant')
    const next = expectJson<TokenBody>(await post('token', { grant_type: 'refresh_token', refresh_token: body.refresh_token ?? '' }, own()), 200)
    t.equal(claimsOf(next.id_token ?? '')['sub'], user.id)
  })
  t.test('oidcc-ensure-request-with-valid-pkce-succeeds; without it for a client of whom it is not asked, with a nonce', async (t) => {
    t.ok((await logIn({}, plain)).id_token)
    const bare = { code_challenge: '', code_challenge_method: '' }
    const { query, redeem } = requestOf(plain, bare)
    const code = (await person.open(query)).back?.get('code') ?? ''
    t.equal(await outcome(post('token', redeem(code), own(plain))), '400 invalid_grant', 'a verifier for a code without a challenge')
    t.match(expectJson(await post('token', redeem(code, { code_verifier: '' }), own(plain)), 200), { token_type: 'Bearer' })
    t.equal(await errorOf({ ...bare, nonce: '' }, plain), 'invalid_request')
    t.equal(await errorOf(bare), 'invalid_request')
  })
  t.test('oidcc-discovery-endpoint-verification', async (t) => {
    const answer = await app.inject('/.well-known/openid-configuration')
    t.match(answer.headers['content-type'], /^application\/json/)
    const metadata = expectJson<Record<string, string[]>>(answer, 200)
    t.equal(metadata['issuer'], issuer)
    for (const [name, value] of Object.entries({ id_token_signing_alg_values_supported: 'RS256', subject_types_supported: 'public', response_types_supported: 'code', scopes_supported: 'openid', code_challenge_methods_supported: 'S256', token_endpoint_auth_methods_supported: 'none' })) t.ok(metadata[name]?.includes(value), name)
    for (const key of expectJson<{ keys: object[] }>(await app.inject('/.well-known/jwks.json'), 200).keys) for (const member of ['d', 'p', 'q', 'dp', 'dq', 'qi', 'k']) t.notOk(member in key)
  })
})
