// Tokens of clients: how clients prove who they are, what they get, what a token opens and where, what it is said to be worth, and its end.
import { createSign, generateKeyPairSync } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createLocalJWKSet, jwtVerify, type JSONWebKeySet } from 'jose'
import t from 'tap'
import { expectJson, startApp } from '../support/app.js'
import { API, basic, claimsOf, clientKeys, type Form, type OAuthClientBody, oauthHouse, OTHER_API, type TokenBody } from '../support/oauth.js'

const GRANT = { grant_type: 'client_credentials' }
const ASSERTION_TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'

t.test('tokens of clients', async (t) => {
  const config = { outboundAllow: ['127.0.0.0/8'], trustedProxies: [] }
  const main = await startApp(t, { config })
  const { app, as, clock, database } = main
  const second = await startApp(t, { config, database, clock })
  const house = await oauthHouse(main)
  const { post, client, resource, outcome, token, gate } = house
  const admin = await as.admin()
  const patch = async (path: string, payload: object): Promise<number> => (await app.inject({ method: 'PATCH', url: `/api/v1${path}`, headers: { ...admin, 'if-match': '*' }, payload })).statusCode
  const api = await resource(API, { tokenSeconds: 600, algorithm: 'ES256' })
  await resource(OTHER_API, { algorithm: 'RS256' })
  const service = await client({ kind: 'service', resources: [API], scopes: ['read', 'write'] })
  const own = (of: OAuthClientBody = service): { authorization: string } => basic(of.clientId, of.clientSecret ?? '')
  const issuer = app.publicOrigin()
  const rule = async (payload: object): Promise<void> => void expectJson(await app.inject({ method: 'POST', url: '/api/v1/gate-rules', headers: admin, payload }), 201)
  await rule({ path: '/a/*', audience: API })
  await rule({ path: '/a/write', audience: API, scopes: ['write'] })
  await rule({ path: '/a/permitted', audience: API, permissions: ['reports:write'] })
  await rule({ path: '/b/*', audience: OTHER_API })
  await rule({ path: '/plain/*' })

  t.test('client_credentials: an RFC 9068 token for one resource, by published keys', async (t) => {
    const answer = await post('token', { ...GRANT, scope: 'read' }, own())
    const body = expectJson<{ access_token: string }>(answer, 200)
    t.match(body, { token_type: 'Bearer', expires_in: 600, scope: 'read' })
    t.match(answer.headers, { 'cache-control': 'no-store', 'access-control-allow-origin': '*' })
    const iat = Math.floor(clock.now() / 1_000)
    const { jti, ...claims } = claimsOf(body.access_token)
    t.match(jti, /^[0-9a-f-]{36}$/)
    t.same(claims, { iss: issuer, aud: API, client_id: service.clientId, sub: service.clientId, scope: 'read', iat, exp: iat + 600 })
    const keys = createLocalJWKSet(expectJson<JSONWebKeySet>(await app.inject('/.well-known/jwks.json'), 200))
    const { protectedHeader } = await jwtVerify(body.access_token, keys, { audience: API, issuer, typ: 'at+jwt', currentDate: new Date(clock.now()) })
    t.match(protectedHeader, { alg: 'ES256', typ: 'at+jwt' })
    const rsa = await client({ kind: 'service', resources: [OTHER_API, API], scopes: ['read'] })
    const other = await token(rsa, { resource: OTHER_API })
    t.match(claimsOf(other, 0), { alg: 'RS256' })
    clock.advance(1_000) // as often as a node looks for keys that others have made
    await jwtVerify(other, createLocalJWKSet(expectJson<JSONWebKeySet>(await second.app.inject('/.well-known/jwks.json'), 200)), { audience: OTHER_API, currentDate: new Date(clock.now()) })
    t.notMatch((await app.inject('/.well-known/jwks.json')).body, /"(d|p|q|dp|dq|qi)"/, 'and nothing private')
    t.same(claimsOf(await token(service))['scope'], 'read write', 'all that it may have, where it does not say')
  })

  t.test('what is asked for is within what it may have, and said in the standard\'s words', async (t) => {
    const table: [Form, string][] = [
      [{}, '400 invalid_request'], [{ grant_type: '' }, '400 invalid_request'], [{ grant_type: 'password', username: 'a', password: 'b' }, '400 unsupported_grant_type'], [{ grant_type: 'authorization_code', code: 'x' }, '400 unauthorized_client'],
      [{ ...GRANT, scope: 'read admin' }, '400 invalid_scope'], [{ ...GRANT, scope: 'openid' }, '400 invalid_scope'], [{ ...GRANT, scope: 'a"b' }, '400 invalid_scope'], [{ ...GRANT, scope: 'read '.repeat(5_000) }, '400 invalid_scope'],
      [{ ...GRANT, resource: OTHER_API }, '400 invalid_target'], [{ ...GRANT, resource: [API, OTHER_API] }, '400 invalid_target'], [{ ...GRANT, resource: 'x' }, '400 invalid_target'], [{ ...GRANT, resource: `${API}/` }, '400 invalid_target'],
      [{ ...GRANT, scope: 'read', unknown: 'x' }, '200'],
    ]
    for (const [form, expected] of table) t.equal(await outcome(post('token', form, own())), expected, JSON.stringify(form).slice(0, 80))
    const narrow = await client({ kind: 'service', resources: [API, OTHER_API], scopes: ['read'] })
    t.equal(await outcome(post('token', GRANT, own(narrow))), '400 invalid_target', 'one of several is named')
    const web = await client({ kind: 'web', redirectUris: ['https://a.example/cb'], resources: [API], scopes: ['read'] })
    t.equal(await outcome(post('token', GRANT, own(web))), '400 unauthorized_client', 'what is off for a client stays off')
  })

  t.test('each parameter once, by a form that is one', async (t) => {
    for (const name of ['grant_type', 'scope', 'client_id', 'client_secret', 'client_assertion', 'unknown']) t.equal(await outcome(post('token', `grant_type=client_credentials&${name}=read&${name}=read`, own())), '400 invalid_request', name)
    for (const body of ['grant_type=%ff', 'grant_type=%', 'grant_type=a%00b', 'grant_type=\u00e4', 'a=1&'.repeat(200)]) t.equal(await outcome(post('token', body, own())), '400 invalid_request', body.slice(0, 20))
    t.equal(await outcome(app.inject({ method: 'POST', url: '/oauth/token', headers: own(), payload: GRANT })), '400 invalid_request', 'no JSON')
    t.equal(await outcome(post('token', `scope=${'a'.repeat(40_000)}`, own())), '413 invalid_request')
    t.equal((await app.inject({ url: '/oauth/token', headers: own() })).statusCode, 405, 'and never by GET, whose address is written down')
    t.equal(await outcome(post('token', { ...GRANT, scope: Array.from({ length: 4_500 }, (_, at) => `s${at}`).join(' ') }, own())), '400 invalid_scope')
  })

  t.test('Basic: both halves are encoded, and nothing else is one', async (t) => {
    const { clientId, clientSecret } = service
    const raw = (text: string): Record<string, string> => ({ authorization: `Basic ${Buffer.from(text).toString('base64')}` })
    t.equal(await outcome(post('token', GRANT, { authorization: `bAsIc ${Buffer.from(`${clientId}:${clientSecret ?? ''}`).toString('base64')}` })), '200')
    t.equal(await outcome(post('token', GRANT, raw(`${clientId.replace('0', '%30')}:${(clientSecret ?? '').replace('_', '%5F')}`))), '200', 'percent-encoded it is the same')
    const failed = await post('token', GRANT, raw(`${clientId}:wrong`))
    t.equal(await outcome(failed), '401 invalid_client')
    t.match(failed.headers['www-authenticate'], /^Basic realm=/)
    const forms = [raw(`${clientId}:`), raw(clientId), raw(`:${clientSecret ?? ''}`), raw(`${clientId}:${clientSecret ?? ''}:`), raw(`${clientId}:${clientSecret ?? ''}%`), raw(`${clientId}:a+b`), raw(`${clientId}:a%3Ab`), raw(`caf\u00e9:\u00fc`), { authorization: `Basic ${clientId}` }, { authorization: 'Basic' },
      { authorization: `Basic  ${Buffer.from(`${clientId}:${clientSecret ?? ''}`).toString('base64')}` }, { authorization: `Bearer ${clientSecret ?? ''}` }, { authorization: 'Basic \u00ff\u00fe' }]
    for (const headers of forms) t.equal(await outcome(post('token', GRANT, headers)), '401 invalid_client', JSON.stringify(headers))
    t.equal(await outcome(post('token', { ...GRANT, client_secret: clientSecret ?? '' }, own())), '400 invalid_request', 'one way at a time')
    t.equal(await outcome(post('token', { ...GRANT, client_id: 'another' }, own())), '400 invalid_request')
    t.equal(await outcome(post('token', { ...GRANT, client_id: clientId }, own())), '200')
  })

  t.test('the way of a client is the one it is registered with', async (t) => {
    const posting = await client({ kind: 'service', authMethod: 'client_secret_post', resources: [API], scopes: ['read'] })
    const form = { ...GRANT, client_id: posting.clientId, client_secret: posting.clientSecret ?? '' }
    t.equal(await outcome(post('token', form)), '200')
    t.equal(await outcome(post('token', GRANT, own(posting))), '401 invalid_client')
    t.equal(await outcome(post('token', { ...GRANT, client_id: service.clientId, client_secret: service.clientSecret ?? '' })), '401 invalid_client')
    t.equal(await outcome(post('token', { ...GRANT, client_id: service.clientId })), '401 invalid_client', 'nobody is a client by its name')
    t.equal(await outcome(post('token', GRANT)), '401 invalid_client')
    for (const clientId of ['nobody', '', 'x'.repeat(3_000), '\' OR 1=1', service.clientId.toUpperCase()]) t.equal(await outcome(post('token', GRANT, basic(clientId, 'x'))), '401 invalid_client', clientId.slice(0, 20))
  })

  t.test('secrets overlap, and one that has ended or gone is none, on both nodes', async (t) => {
    const made = await client({ kind: 'service', resources: [API], scopes: ['read'] })
    const all = async (secret: string | null): Promise<string[]> => Promise.all([app, second.app].map((node) => outcome(post('token', GRANT, basic(made.clientId, secret ?? ''), node))))
    t.same(await all(made.clientSecret), ['200', '200'])
    const added = expectJson<{ id: string; clientSecret: string }>(await app.inject({ method: 'POST', url: `/api/v1/clients/${made.id}/secrets`, headers: admin, payload: { othersEndInSeconds: 60 } }), 201)
    await second.app.revocations.pollNow()
    t.same([await all(made.clientSecret), await all(added.clientSecret)], [['200', '200'], ['200', '200']])
    clock.advance(60_000)
    await Promise.all([app, second.app].map((node) => node.revocations.pollNow()))
    t.same([await all(made.clientSecret), await all(added.clientSecret)], [['401 invalid_client', '401 invalid_client'], ['200', '200']])
    await app.inject({ method: 'DELETE', url: `/api/v1/clients/${made.id}/secrets/${added.id}`, headers: admin })
    await second.app.revocations.pollNow()
    t.same(await all(added.clientSecret), ['401 invalid_client', '401 invalid_client'])
  })

  t.test('private_key_jwt: for this issuer, as one text, soon over, and once on whatever node', async (t) => {
    const keys = clientKeys()
    const made = await client({ kind: 'service', authMethod: 'private_key_jwt', jwks: keys.jwks, resources: [API], scopes: ['read'] })
    let count = 0
    const seconds = (): number => Math.floor(clock.now() / 1_000)
    const claims = (more: object = {}): Record<string, unknown> => ({ iss: made.clientId, sub: made.clientId, aud: issuer, exp: seconds() + 60, iat: seconds(), jti: `j${(count += 1)}`, ...more })
    const ask = (assertion: string, more: Form = {}, node = app): Promise<string> => outcome(post('token', { ...GRANT, client_assertion_type: ASSERTION_TYPE, client_assertion: assertion, ...more }, {}, node))
    t.equal(await ask(await keys.assertion(claims())), '200')
    t.equal(await ask(await keys.assertion(claims({ iat: undefined }))), '200')
    const wrong: [string, object, object?][] = [
      ['aud is the token endpoint', { aud: `${issuer}/oauth/token` }], ['aud is a list', { aud: [issuer] }], ['aud is two', { aud: [issuer, `${issuer}/oauth/token`] }], ['aud is PAR', { aud: `${issuer}/oauth/par` }], ['aud has a slash', { aud: `${issuer}/` }], ['no aud', { aud: undefined }],
      ['another iss', { iss: 'x' }], ['another sub', { sub: service.clientId }], ['expired', { exp: seconds() }], ['no exp', { exp: undefined }], ['exp is text', { exp: String(seconds() + 60) }], ['far away', { exp: seconds() + 3_600 }], ['not yet', { nbf: seconds() + 60 }], ['made later', { iat: seconds() + 60 }], ['no jti', { jti: undefined }], ['a jti that is none', { jti: 7 }],
      ['a header that must be understood', {}, { crit: ['b64'], b64: true }], ['another type', {}, { typ: 'at+jwt' }], ['another kid', {}, { kid: 'k2' }],
    ]
    for (const [name, more, header] of wrong) t.equal(await ask(await keys.assertion(claims(more) as never, header as Record<string, unknown> | undefined).catch(() => 'x')), '401 invalid_client', name)
    t.equal(await ask(await clientKeys().assertion(claims())), '401 invalid_client', 'another key')
    const good = await keys.assertion(claims())
    const [head = '', body = ''] = good.split('.')
    const none = Buffer.from(JSON.stringify({ alg: 'none' })).toString('base64url')
    const hmac = Buffer.from(JSON.stringify({ alg: 'HS256', kid: 'k1' })).toString('base64url')
    for (const forged of ['', 'x', `${head}.${body}.`, `${none}.${body}.`, `${hmac}.${body}.AAAA`, `${good}x`, `${good}.x`]) t.equal(await ask(forged), '401 invalid_client', forged.slice(0, 12))
    t.equal(await ask(await keys.assertion(claims()), { client_assertion_type: 'jwt' }), '401 invalid_client')
    t.equal(await ask(await keys.assertion(claims()), { client_id: service.clientId }), '401 invalid_client')
    const many = await Promise.all(Array.from({ length: 50 }, (_, at) => ask(good, {}, at % 2 === 0 ? app : second.app)))
    t.equal(many.filter((one) => one === '200').length, 1, 'of fifty at once on two nodes, one')
    t.equal(many.filter((one) => one === '401 invalid_client').length, 49)
  })

  t.test('jwks_uri: keys are fetched, kept, and fetched again for a key id that is new', async (t) => {
    const [first, next] = [clientKeys('one'), clientKeys('two')]
    let answer: object = first.jwks
    let asked = 0
    const server = createServer((_request, response) => {
      asked += 1
      response.setHeader('content-type', 'application/json').end(JSON.stringify(answer))
    })
    await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
    t.teardown(() => server.close())
    const made = await client({ kind: 'service', authMethod: 'private_key_jwt', jwksUri: `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks`, resources: [API], scopes: ['read'] })
    let count = 0
    const ask = async (keys: typeof first): Promise<string> => outcome(post('token', { ...GRANT, client_assertion_type: ASSERTION_TYPE, client_assertion: await keys.assertion({ iss: made.clientId, sub: made.clientId, aud: issuer, exp: Math.floor(clock.now() / 1_000) + 60, jti: `u${(count += 1)}` }) }))
    t.same(await Promise.all([ask(first), ask(first), ask(first)]), ['200', '200', '200'])
    t.equal(asked, 1, 'once for all who ask')
    answer = next.jwks
    t.equal(await ask(next), '401 invalid_client', 'made-up key ids fetch nothing')
    clock.advance(31_000)
    t.equal(await ask(next), '200')
    t.equal(await ask(first), '401 invalid_client')
    t.equal(asked, 2)
  })

  t.test('a token opens its audience and nothing else: not another API, not Gatehouse, not what wants none', async (t) => {
    const [forA, forB] = [await token(service), await token(await client({ kind: 'service', resources: [OTHER_API], scopes: ['read'] }))]
    const session = (await as.signUp()).headers
    const key = await as.key([])
    const of = (path: string, headers: Record<string, string>) => gate(path, headers).then(({ statusCode }) => statusCode)
    for (const round of ['read', 'from memory']) {
      t.same([await of('/a/x', as.bearer(forA)), await of('/b/x', as.bearer(forA)), await of('/plain/x', as.bearer(forA))], [200, 401, 401], `for A, ${round}`)
      t.same([await of('/a/x', as.bearer(forB)), await of('/b/x', as.bearer(forB)), await of('/plain/x', as.bearer(forB))], [401, 200, 401], `for B, ${round}`)
      t.same([await of('/a/x', session), await of('/a/x', key.headers), await of('/plain/x', session), await of('/plain/x', key.headers)], [401, 401, 200, 200], `of a session and a key, ${round}`)
      for (const url of ['/api/v1/whoami', '/api/v1/me', '/api/v1/keys', '/api/v1/clients', '/api/v1/users', '/ui/account']) t.equal((await app.inject({ url, headers: as.bearer(forA) })).statusCode, url === '/ui/account' ? 303 : 401, `${url}, ${round}`)
      t.equal((await app.inject({ method: 'POST', url: '/api/v1/keys/verify', headers: as.bearer(forA), payload: { key: key.key } })).statusCode, 401)
    }
  })

  t.test('a gate rule says what is missing: where to ask, and by which scopes', async (t) => {
    const reading = await token(service, { scope: 'read' })
    const metadata = `${issuer}/oauth/protected-resource?resource=${encodeURIComponent(API)}`
    const none = await gate('/a/write', {})
    t.equal(none.statusCode, 401)
    t.equal(none.headers['www-authenticate'], `Bearer realm="gatehouse", scope="write", resource_metadata="${metadata}"`)
    t.equal((await gate('/a/x', { authorization: 'Bearer a.b.c' })).headers['www-authenticate'], `Bearer realm="gatehouse", error="invalid_token", resource_metadata="${metadata}"`)
    const less = await gate('/a/write', as.bearer(reading))
    t.equal(less.statusCode, 403)
    t.equal(less.headers['www-authenticate'], `Bearer realm="gatehouse", error="insufficient_scope", scope="write", resource_metadata="${metadata}"`)
    t.equal(less.headers['x-auth-error'], 'scope.insufficient')
    t.equal((await gate('/a/permitted', as.bearer(reading))).headers['x-auth-error'], 'access.denied', 'a scope is worth what the resource says')
    const writing = await gate('/a/permitted', as.bearer(await token(service)))
    t.match(writing.headers, { 'x-auth-subject': service.id, 'x-auth-type': 'client', 'x-auth-permissions': 'reports:read reports:write' })
    t.equal(writing.statusCode, 200)
    const read = await app.inject(metadata.slice(issuer.length))
    t.match(expectJson(read, 200), { resource: API, authorization_servers: [issuer], scopes_supported: ['read', 'write'] })
    t.equal(read.headers['access-control-allow-origin'], '*')
    t.equal((await app.inject('/oauth/protected-resource?resource=https://nowhere.example')).statusCode, 404)
    for (const bad of [{ path: '/x', scopes: ['read'] }, { path: '/x', public: true, audience: API }]) t.equal((await app.inject({ method: 'POST', url: '/api/v1/gate-rules', headers: admin, payload: bad })).statusCode, 400)
  })

  t.test('forms of Bearer that are none, every prefix of a token, and every flipped byte', async (t) => {
    const good = await token(service)
    for (const authorization of [`bearer ${good}`, `BEARER ${good}`]) t.equal((await gate('/a/x', { authorization })).statusCode, 200)
    for (const authorization of [`Bearer  ${good}`, `Bearer\t${good}`, `Bearer ${good} `, `Bearer ${good},x`, `Bearer "${good}"`, `Bearer=${good}`, `Bearer`, `Bearer `, good, `Token ${good}`, `DPoP ${good}`, `Bearer ${good} ${good}`, `Basic ${good}`]) {
      t.ok([400, 401].includes((await gate('/a/x', { authorization })).statusCode), authorization.slice(0, 12))
    }
    for (let length = 0; length < good.length; length += 7) t.not((await gate('/a/x', { authorization: `Bearer ${good.slice(0, length)}` })).statusCode, 200)
    for (let at = 0; at < good.length; at += 5) {
      const flipped = `${good.slice(0, at)}${good[at] === 'A' ? 'B' : 'A'}${good.slice(at + 1)}`
      if (flipped !== good) t.not((await gate('/a/x', { authorization: `Bearer ${flipped}` })).statusCode, 200, String(at))
    }
  })

  t.test('other signed texts are no access tokens, and an access token is none of a session', async (t) => {
    const good = claimsOf(await token(service))
    for (const type of ['JWT', 'logout+jwt'] as const) for (const algorithm of ['EdDSA', 'ES256', 'RS256'] as const) t.equal((await gate('/a/x', as.bearer(await app.tokens.sign(good, type, algorithm)))).statusCode, 401, `${type} ${algorithm}`)
    const member = await as.signUp()
    const forged = { ...good, aud: issuer, sub: member.user.id, sid: claimsOf(member.accessToken)['sid'] }
    t.equal((await app.inject({ url: '/api/v1/whoami', headers: as.bearer(await app.tokens.sign(forged, 'at+jwt', 'ES256')) })).statusCode, 401, 'a client\'s is no session\'s, whatever its audience')
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const head = Buffer.from(JSON.stringify(claimsOf(await token(service), 0))).toString('base64url')
    const input = `${head}.${Buffer.from(JSON.stringify(good)).toString('base64url')}`
    t.equal((await gate('/a/x', as.bearer(`${input}.${createSign('sha256').update(input).sign({ key: privateKey, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`))).statusCode, 401)
  })

  t.test('introspection tells its client and its API, and nobody else', async (t) => {
    const value = await token(service, { scope: 'read' })
    const reader = await client({ kind: 'resource', resources: [API] })
    const elsewhere = await client({ kind: 'resource', resources: [OTHER_API] })
    const another = await client({ kind: 'service', resources: [API], scopes: ['read'] })
    const phone = await client({ kind: 'native', redirectUris: ['http://127.0.0.1/cb'] })
    const ask = async (of: OAuthClientBody, text = value) => expectJson<Record<string, unknown>>(await post('introspect', { token: text, token_type_hint: 'refresh_token' }, own(of)), 200)
    const iat = Number(claimsOf(value)['iat'])
    for (const one of [service, reader]) t.match(await ask(one), { active: true, client_id: service.clientId, sub: service.clientId, aud: API, scope: 'read', iss: issuer, iat, exp: iat + 600, token_type: 'Bearer', permissions: ['reports:read'] })
    for (const one of [elsewhere, another]) t.same(await ask(one), { active: false })
    const member = await as.signUp()
    for (const text of ['x', 'a.b.c', `${value}x`, member.accessToken, member.refreshToken, (await as.key([])).key]) t.same(await ask(reader, text), { active: false })
    t.equal(await outcome(post('introspect', {}, own(reader))), '400 invalid_request')
    t.equal(await outcome(post('introspect', { token: value, client_id: phone.clientId })), '401 invalid_client')
    t.equal(await outcome(post('introspect', { token: value })), '401 invalid_client')
    t.equal((await post('introspect', { token: value }, own(reader))).headers['access-control-allow-origin'], undefined, 'no page asks')
  })

  t.test('revocation: one\'s own token, at once on both nodes; another client\'s stays, and the answer is the same', async (t) => {
    const another = await client({ kind: 'service', resources: [API], scopes: ['read'] })
    const value = await token(service)
    const opens = async (): Promise<number[]> => Promise.all([app, second.app].map(async (node) => (await gate('/a/x', as.bearer(value), node)).statusCode))
    t.same(await opens(), [200, 200])
    t.equal(await outcome(post('revoke', { token: value }, own(another))), '200')
    await second.app.revocations.pollNow()
    t.same(await opens(), [200, 200])
    for (const text of ['x', 'a.b.c', `${value}x`]) t.equal(await outcome(post('revoke', { token: text }, own())), '200')
    t.equal(await outcome(post('revoke', {}, own())), '400 invalid_request')
    t.equal(await outcome(post('revoke', { token: value })), '401 invalid_client')
    t.equal(await outcome(post('revoke', { token: value, token_type_hint: 'x' }, own())), '200')
    await second.app.revocations.pollNow()
    t.same(await opens(), [401, 401])
    t.same(expectJson(await post('introspect', { token: value }, own()), 200), { active: false })
    t.equal((await database.prisma.auditEvent.findMany({ where: { action: 'token.revoked' } })).length, 1)
    t.equal(await outcome(gate('/a/x', as.bearer(await token(service)))), '200', 'and no other')
  })

  t.test('what a client and a resource become, its tokens are: at once, on both nodes', async (t) => {
    const made = await client({ kind: 'service', resources: [API], scopes: ['read', 'write'] })
    const value = await token(made)
    const status = async (path = '/a/write'): Promise<string[]> => {
      await Promise.all([app, second.app].map((node) => node.revocations.pollNow()))
      return Promise.all([app, second.app].map(async (node) => { const { statusCode, headers } = await gate(path, as.bearer(value), node); return `${statusCode} ${String(headers['x-auth-error'] ?? '')}`.trim() }))
    }
    // what it gets when it asks anew
    const minted = () => Promise.all([app, second.app].map(async (node) => {
      const answer = await post('token', GRANT, own(made), node)
      if (answer.statusCode !== 200) return outcome(answer)
      const { aud, scope } = claimsOf(answer.json<TokenBody>().access_token)
      return `${String(scope)} at ${aud === API ? 'the API' : 'another'}`
    }))
    const both = (text: string): string[] => [text, text]
    t.same(await status(), both('200'))
    t.same(await minted(), both('read write at the API'))
    const changes: [() => Promise<unknown>, string, string][] = [
      [() => patch(`/clients/${made.id}`, { scopes: ['read'] }), '403 scope.insufficient', 'read at the API'], [() => patch(`/clients/${made.id}`, { scopes: ['read', 'write'] }), '200', 'read write at the API'],
      [() => patch(`/clients/${made.id}`, { enabled: false }), '401 token.invalid', '401 invalid_client'], [() => patch(`/clients/${made.id}`, { enabled: true }), '200', 'read write at the API'],
      [() => patch(`/clients/${made.id}`, { resources: [OTHER_API] }), '401 token.invalid', 'read write at another'], [() => patch(`/clients/${made.id}`, { resources: [API] }), '200', 'read write at the API'],
      [() => patch(`/resources/${api.id}`, { scopes: [{ name: 'write', description: '', permissions: [] }] }), '200', 'write at the API'],
    ]
    for (const [change, expected, anew] of changes) {
      await change()
      t.same(await status(), both(expected), change.toString())
      t.same(await minted(), both(anew), change.toString())
    }
    t.same(await status('/a/permitted'), both('403 access.denied'), 'a scope that is worth less opens less')
    await app.inject({ method: 'DELETE', url: `/api/v1/clients/${made.id}`, headers: admin })
    t.same(await status(), both('401 token.invalid'))
    t.equal(await outcome(post('token', GRANT, own(made))), '401 invalid_client')
  })

  t.test('a token ends, to the second', async (t) => {
    const value = await token(service)
    clock.advance(599_000)
    t.equal((await gate('/a/x', as.bearer(value))).statusCode, 200)
    clock.advance(2_000)
    const over = await gate('/a/x', as.bearer(value))
    t.match([over.statusCode, over.headers['x-auth-error']], [401, 'token.expired'])
  })

  t.test('metadata name what there is, and pages of any origin may read them and ask', async (t) => {
    const answer = await app.inject('/.well-known/oauth-authorization-server')
    t.match(expectJson(answer, 200), { issuer, token_endpoint: `${issuer}/oauth/token`, jwks_uri: `${issuer}/.well-known/jwks.json` })
    t.equal(answer.headers['access-control-allow-origin'], '*')
    const preflight = await app.inject({ method: 'OPTIONS', url: '/oauth/token', headers: { origin: 'null', 'access-control-request-method': 'POST' } })
    t.match([preflight.statusCode, preflight.headers['access-control-allow-origin'], preflight.headers['access-control-allow-credentials']], [204, '*', undefined])
  })

  t.test('whoever tries many clients from one address is not listened to for a while', async (t) => {
    const from = (headers: Record<string, string>, remoteAddress: string) => app.inject({ method: 'POST', url: '/oauth/token', headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers }, payload: 'grant_type=client_credentials', remoteAddress })
    for (let at = 0; at < 301; at += 1) await from(basic(`c${at}`, 'x'), '203.0.113.5')
    const refused = await from(own(), '203.0.113.5')
    t.equal(await outcome(refused), '429 temporarily_unavailable')
    t.ok(Number(refused.headers['retry-after']) > 0)
    t.equal((await from(own(), '203.0.113.6')).statusCode, 200)
    clock.advance(61_000)
    t.equal((await from(own(), '203.0.113.5')).statusCode, 200)
  })
})
