// The modules of the OpenID Foundation's Dynamic OP plan that are inside the fence, each under its own name: clients that register themselves. Those of what is not taken
// here (request objects, pairwise subjects, signed userinfo) say so. docs/oauth.md has the differences.
import { createServer } from 'node:http'
import { createLocalJWKSet, decodeProtectedHeader, type JSONWebKeySet, jwtVerify } from 'jose'
import t from 'tap'
import { planRotation } from '../../src/tokens/rotation.js'
import { createSigningKeyStore } from '../../src/tokens/signing-key-store.js'
import { expectJson, startApp } from '../support/app.js'
import { serve } from '../support/mcp.js'
import { basic, clientKeys, type Form, oauthHouse, personOf, requestOf, type TokenBody } from '../support/oauth.js'

const CALLBACK = 'https://app.example.com/cb'

interface Registered {
  client_id: string
  client_secret?: string
  [member: string]: unknown
}

t.test('oidcc-dynamic-certification-test-plan', async (t) => {
  const main = await startApp(t, { config: { publicUrl: 'http://localhost:3000', outboundAllow: ['127.0.0.0/8'], oauthRegistration: 'open' } })
  const { app, as, clock, database } = main
  const { post, outcome } = await oauthHouse(main)
  const issuer = app.publicOrigin()
  const { user } = await as.signUp()
  const person = personOf(app, user.email)
  let count = 0
  const send = (metadata: object) => app.inject({ method: 'POST', url: '/oauth/register', headers: { 'content-type': 'application/json' }, remoteAddress: `10.2.0.${(count += 1)}`, payload: { client_name: 'An app', redirect_uris: [CALLBACK], ...metadata } })
  const register = async (metadata: object = {}): Promise<Registered> => expectJson(await send(metadata), 201)
  const asClient = ({ client_id: clientId, client_secret: clientSecret }: Registered) => ({ id: clientId, clientId, clientSecret: clientSecret ?? null, version: 1 })
  const own = (of: Registered) => basic(of.client_id, of.client_secret ?? '')
  const open = (of: Registered, more: Form = {}) => person.open(requestOf(asClient(of), more).query)
  const logIn = async (of: Registered, { asking = {}, proof = async () => ({}) }: { asking?: Form; proof?: () => Promise<Form> } = {}): Promise<TokenBody> => {
    const { query, redeem } = requestOf(asClient(of), asking)
    const { back, response } = await person.through(query)
    if (!back?.get('code')) throw new Error(`${response.statusCode} ${back?.get('error') ?? response.body.slice(0, 300)}`)
    return expectJson(await post('token', { ...redeem(back.get('code') ?? '', { redirect_uri: asking['redirect_uri'] ?? CALLBACK }), ...(await proof()) }, of.client_secret === undefined ? {} : own(of)), 200)
  }
  const keySet = async () => expectJson<JSONWebKeySet>(await app.inject('/.well-known/jwks.json'), 200)
  const verified = async ({ id_token: token = '' }: TokenBody, audience: string) => (await jwtVerify(token, createLocalJWKSet(await keySet()), { issuer, audience, currentDate: new Date(clock.now()) })).protectedHeader
  const userinfo = (token: string) => app.inject({ url: '/oauth/userinfo', headers: as.bearer(token) })

  t.test('oidcc-discovery-endpoint-verification: with registration', async (t) => t.equal(expectJson<Record<string, unknown>>(await app.inject('/.well-known/openid-configuration'), 200)['registration_endpoint'], `${issuer}/oauth/register`))
  t.test('oidcc-server', async (t) => {
    const made = await register()
    const body = await logIn(made)
    t.equal(expectJson<{ sub: string }>(await userinfo(body.access_token), 200).sub, user.id)
  })
  t.test('oidcc-idtoken-rs256; by ES256 and EdDSA, too', async (t) => {
    for (const algorithm of ['RS256', 'ES256', 'EdDSA']) {
      const made = await register({ id_token_signed_response_alg: algorithm })
      t.match([made['id_token_signed_response_alg'], (await verified(await logIn(made), made.client_id)).alg], [algorithm, algorithm])
    }
  })
  t.test('oidcc-idtoken-unsigned: refused', async (t) => t.equal(await outcome(send({ id_token_signed_response_alg: 'none' })), '400 invalid_client_metadata'))
  t.test('oidcc-userinfo-rs256: not signed, and the answer does not say that it would be', async (t) => {
    const made = await register({ userinfo_signed_response_alg: 'RS256' })
    t.notOk('userinfo_signed_response_alg' in made)
    t.match((await userinfo((await logIn(made)).access_token)).headers['content-type'], /^application\/json/)
  })
  t.test('oidcc-ensure-redirect-uri-in-authorization-request', async (t) => {
    const { back, response } = await open(await register(), { redirect_uri: '' })
    t.match([back, response.statusCode], [null, 400])
  })
  t.test('oidcc-redirect-uri-query-OK, -mismatch, -added', async (t) => {
    const queried = `${CALLBACK}?foo=bar`
    const made = await register({ redirect_uris: [queried] })
    t.ok((await logIn(made, { asking: { redirect_uri: queried } })).id_token)
    const { location } = await open(made, { redirect_uri: queried })
    t.match(location, `${queried}&code=`)
    for (const asked of [`${CALLBACK}?foo=baz`, CALLBACK, `${queried}&x=1`]) t.match(await open(made, { redirect_uri: asked }), { back: null, response: { statusCode: 400 } }, asked)
    t.match(await open(await register(), { redirect_uri: queried }), { back: null, response: { statusCode: 400 } }, 'added')
  })
  t.test('oidcc-redirect-uri-regfrag', async (t) => t.equal(await outcome(send({ redirect_uris: [`${CALLBACK}#foobar`] })), '400 invalid_redirect_uri'))
  t.test('oidcc-registration-policy-uri, -tos-uri: on the consent page; -logo-uri: no picture of a stranger\'s', async (t) => {
    const made = await register({ policy_uri: 'https://app.example.com/policy', tos_uri: 'https://app.example.com/tos', logo_uri: 'https://app.example.com/logo.png' })
    await person.signIn()
    const { body } = await person.pages.open((await open(made)).location)
    t.match(body, 'https://app.example.com/policy')
    t.match(body, 'https://app.example.com/tos')
    t.notMatch(body, 'logo.png')
    t.notOk('logo_uri' in made)
  })
  t.test('oidcc-registration-jwks-uri, oidcc-refresh-token-rp-key-rotation, oidcc-ensure-client-assertion-with-iss-aud-succeeds', async (t) => {
    let keys = clientKeys('first')
    const jwks = `${await serve(t, createServer((_request, response) => void response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(keys.jwks))))}/jwks`
    const made = await register({ token_endpoint_auth_method: 'private_key_jwt', jwks_uri: jwks, grant_types: ['authorization_code', 'refresh_token'] })
    let serial = 0
    const proof = async (kid: string, aud: string | string[] = issuer): Promise<Form> => ({
      client_id: made.client_id, client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
      client_assertion: await keys.assertion({ iss: made.client_id, sub: made.client_id, aud, jti: `j-${(serial += 1)}`, iat: Math.floor(clock.now() / 1_000), exp: Math.floor(clock.now() / 1_000) + 60 }, { kid }),
    })
    const body = await logIn(made, { proof: () => proof('first') })
    keys = clientKeys('second')
    clock.advance(31_000)
    const renewed = expectJson<TokenBody>(await post('token', { grant_type: 'refresh_token', refresh_token: body.refresh_token ?? '', ...(await proof('second')) }), 200)
    t.equal((await verified(renewed, made.client_id)).typ, 'JWT')
    t.equal(await outcome(post('token', { grant_type: 'refresh_token', refresh_token: renewed.refresh_token ?? '', ...(await proof('second', `${issuer}/oauth/token`)) })), '401 invalid_client', 'an endpoint is no audience')
  })
  t.test('oidcc-registration-sector-uri, -sector-bad: subjects are public, which the answer says', async (t) => t.match(await register({ subject_type: 'pairwise', sector_identifier_uri: 'https://app.example.com/none.json' }), { subject_type: 'public' }))
  t.test('oidcc-server-rotate-keys', async (t) => {
    const made = await register()
    const before = decodeProtectedHeader((await logIn(made)).id_token ?? '').kid
    const published = (await keySet()).keys.map(({ kid }) => kid)
    await database.transact((tx) => createSigningKeyStore({ prisma: database.prisma, secrets: app.secrets, clock }).rotate(tx, planRotation(clock.now(), { accessTokenSeconds: 300, atOnce: false })))
    await app.jobs.run('reading the signing keys anew')
    t.ok((await keySet()).keys.length > published.length, 'published before they sign')
    clock.advance(601_000)
    const header = await verified(await logIn(made), made.client_id)
    t.not(header.kid, before)
  })
  t.test('oidcc-refresh-token', async (t) => {
    const [made, other] = [await register({ grant_types: ['authorization_code', 'refresh_token'] }), await register({ grant_types: ['authorization_code', 'refresh_token'] })]
    const asked = { grant_type: 'refresh_token', refresh_token: (await logIn(made, { asking: { scope: 'openid offline_access', prompt: 'consent' } })).refresh_token ?? '' }
    t.equal(await outcome(post('token', asked, own(other))), '400 invalid_grant')
    expectJson(await post('token', asked, own(made)), 200)
    t.equal((await logIn(await register())).refresh_token, undefined, 'none to a client that has not asked for it')
  })
  t.test('oidcc-request-uri-unsigned, -signed-rs256; oidcc-ensure-request-object-with-redirect-uri: by reference, and objects, are none here', async (t) => {
    const made = await register({ request_uris: ['https://app.example.com/r'], request_object_signing_alg: 'RS256' })
    t.same([(await open(made, { request_uri: 'https://app.example.com/r' })).back?.get('error'), (await open(made, { request: 'eyJhbGciOiJub25lIn0.e30.' })).back?.get('error')], ['request_uri_not_supported', 'request_not_supported'])
  })
  t.test('a client that lies about itself: no word gets it further, wherever it stands', async (t) => {
    const bad: object[] = [
      { post_logout_redirect_uris: ['javascript:alert(1)'] }, { post_logout_redirect_uris: ['https://a.example/#x'] }, { redirect_uris: [CALLBACK, 'javascript:alert(1)'] }, { redirect_uris: ['https://app.example.com@evil.example/'] }, { client_uri: 'javascript:alert(1)' }, { tos_uri: 'http://a.example/' },
      { jwks: { keys: [{ kty: 'oct', k: 'AAAA' }] }, token_endpoint_auth_method: 'private_key_jwt' }, { jwks: { keys: [] }, token_endpoint_auth_method: 'private_key_jwt' }, { client_name: 'Gate\u200bhouse' }, { client_name: 'Log\nin' }, { grant_types: ['password'] }, { grant_types: ['implicit'], response_types: ['id_token token'] },
    ]
    for (const metadata of bad) t.match(await outcome(send(metadata)), /^400 invalid_(client_metadata|redirect_uri)$/, JSON.stringify(metadata))
  })
})
