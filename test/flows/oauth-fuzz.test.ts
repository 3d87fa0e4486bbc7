// Whatever is sent to an OAuth endpoint by whoever can only send bytes: it is refused or answered, never a failure of ours. How long each
// takes is measured by npm run test:timing.
import fc from 'fast-check'
import t from 'tap'
import { startApp } from '../support/app.js'
import { wrongnessAtEachEnd } from '../support/oauth-wrongness.js'
import { API, basic, CALLBACK, oauthHouse, personOf, pkce } from '../support/oauth.js'

const NAMES = [
  'client_id', 'client_secret', 'client_assertion', 'client_assertion_type', 'response_type', 'response_mode', 'redirect_uri', 'scope', 'state', 'nonce', 'code_challenge', 'code_challenge_method', 'prompt', 'max_age', 'claims', 'acr_values', 'id_token_hint', 'login_hint', 'ui_locales',
  'resource', 'request', 'request_uri', 'registration', 'gatehouse_resume', 'grant_type', 'code', 'code_verifier', 'refresh_token', 'token', 'token_type_hint', 'post_logout_redirect_uri', 'logout_hint', '__proto__', 'constructor', 'toString', '',
]
const WORDS = [
  '', ' ', 'code', 'none', 'openid', 'authorization_code', 'refresh_token', 'client_credentials', 'urn:ietf:params:oauth:request_uri:x', 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer', 'https://example.com/client.json', 'https://[', 'http://127.0.0.1:99999/', 'javascript:alert(1)', '{', '{}', '[]', 'null', '{"id_token":{"acr":{"essential":true,"values":[1,{}]}}}',
  '{"userinfo":null,"id_token":null}', 'a.b.c', 'e30.e30.e30', 'eyJhbGciOiJFUzI1NiJ9.e30.AA', 'gor_x', `gor_${'A'.repeat(70)}`, `gac_${'A'.repeat(43)}`, 'A'.repeat(32), '-1', '1e9', '999999999', 'NaN', '\u0000', '\ud800', '\u202e', 'x'.repeat(9_000), '\' OR 1=1 --', '%', '%zz', '../..', '\r\nset-cookie: x=1',
]

t.test('fuzz', async (t) => {
  const main = await startApp(t, { config: { publicUrl: 'http://localhost:3000', oauthRegistration: 'open', oauthClientDocuments: true } })
  const { app, as } = main
  const { client, resource } = await oauthHouse(main)
  await resource(API, { openToAll: true })
  const web = await client({ kind: 'web', redirectUris: [CALLBACK], resources: [API], scopes: ['openid', 'email', 'read'] })
  const person = personOf(app, (await as.signUp()).user.email)
  await person.signIn()
  const cookie = [...person.pages.jar].map(([name, value]) => `${name}=${value}`).join('; ')
  const good: Record<string, string> = { client_id: web.clientId, response_type: 'code', redirect_uri: CALLBACK, scope: 'openid', code_challenge: pkce().challenge, code_challenge_method: 'S256' }
  const word = fc.oneof({ weight: 4, arbitrary: fc.constantFrom(...WORDS) }, { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 60 }) })
  const pairs = fc.array(fc.tuple(fc.constantFrom(...NAMES), word), { maxLength: 8 })
  // as bytes that may be no form at all
  const raw = fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes).toString('latin1'))
  const text = fc.oneof(
    { weight: 3, arbitrary: pairs.map((list) => new URLSearchParams(list.map(([name, value]): [string, string] => [name, value])).toString()) },
    { weight: 3, arbitrary: pairs.map((list) => new URLSearchParams({ ...good, ...Object.fromEntries(list.map(([name, value]) => [name, value])) }).toString()) },
    { weight: 1, arbitrary: raw },
  )
  const headers = fc.constantFrom<Record<string, string>>({}, basic(web.clientId, web.clientSecret ?? ''), { authorization: 'Basic ///=' }, { authorization: 'Bearer a.b.c' }, { cookie }, { cookie: 'gatehouse=x' })
  const ends = fc.constantFrom('authorize', 'token', 'par', 'introspect', 'revoke', 'userinfo', 'logout', 'register', 'protected-resource', 'nothing', 'register/x')
  let count = 0

  t.test('forms, addresses and bytes: never 5xx', async (t) => {
    const wrong: string[] = []
    await fc.assert(fc.asyncProperty(ends, fc.constantFrom('GET' as const, 'POST' as const), text, headers, async (end, method, body, given) => {
      const from = `10.2.${(count += 1) >> 8}.${count & 255}`
      const type: Record<string, string> = end === 'register' ? { 'content-type': 'application/json' } : { 'content-type': 'application/x-www-form-urlencoded' }
      const response = method === 'GET'
        ? await app.inject({ url: `/oauth/${end}?${body.replace(/[^\x21-\x7e]/g, '%FF').slice(0, 8_000)}`, headers: given, remoteAddress: from })
        : await app.inject({ method, url: `/oauth/${end}`, headers: { ...type, ...given }, payload: Buffer.from(body, 'latin1'), remoteAddress: from })
      if (response.statusCode >= 500) wrong.push(`${response.statusCode} ${method} ${end} ${JSON.stringify(body).slice(0, 200)}`)
      if (String(response.headers['set-cookie'] ?? '').includes('x=1')) wrong.push('a header of the request\'s own')
    }), { numRuns: 1_200 })
    t.same(wrong, [])
  })

  t.test('documents of registration: never 5xx', async (t) => {
    const wrong: string[] = []
    const json = fc.dictionary(fc.constantFrom('redirect_uris', 'client_name', 'token_endpoint_auth_method', 'grant_types', 'response_types', 'scope', 'jwks', 'jwks_uri', 'application_type', 'default_max_age', 'client_uri', 'post_logout_redirect_uris', 'id_token_signed_response_alg', '__proto__'), fc.oneof(word, fc.array(word, { maxLength: 3 }), fc.constant([CALLBACK]), fc.jsonValue()))
    await fc.assert(fc.asyncProperty(json, async (members) => {
      const response = await app.inject({ method: 'POST', url: '/oauth/register', headers: { 'content-type': 'application/json' }, payload: JSON.stringify(members), remoteAddress: `10.3.${(count += 1) >> 8}.${count & 255}` })
      if (response.statusCode >= 500) wrong.push(`${response.statusCode} ${JSON.stringify(members).slice(0, 300)} ${response.body}`)
    }), { numRuns: 400 })
    t.same(wrong, [])
  })

  t.test('each kind of wrongness at each endpoint: refused or answered', async (t) => {
    const wrong: string[] = []
    for (const { name, send } of wrongnessAtEachEnd(app, good, web)) {
      const status = await send()
      if (status >= 500) wrong.push(`${name}: ${status}`)
    }
    t.same(wrong, [])
  })
})
