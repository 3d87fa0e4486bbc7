// Providers with habits of their own: GitHub's OAuth 2, Microsoft's many tenants, Apple's signed secrets. Each by an upstream that has them.
import { generateKeyPairSync } from 'node:crypto'
import { decodeProtectedHeader, importSPKI, jwtVerify } from 'jose'
import t from 'tap'
import { expectJson, startApp } from '../support/app.js'
import { addProvider, Browser, FEDERATED } from '../support/federation.js'
import { CLIENT_SECRET, startUpstream } from '../support/upstream.js'

const house = await startApp(t, { config: FEDERATED })
const { app, database, clock } = house

t.test('GitHub: known by the numeric id, with the primary address where it is verified', async (t) => {
  const github = await startUpstream(t, '/login/oauth')
  const { id } = await addProvider(house, github.issuer, { kind: 'github' })
  const emails = (...list: object[]) => ({ emails: list })
  const signIn = async (user: object | null, claims: object) => {
    github.says.userinfo = user as Record<string, unknown> | null
    github.says.claims = claims as Record<string, unknown>
    const browser = new Browser(app)
    const { error } = await browser.signIn(id)
    return { error, me: await browser.whoIsIn() }
  }
  const primary = { email: 'octo@example.com', primary: true, verified: true }
  const first = await signIn({ id: 583231, login: 'octocat', name: 'The Octocat' }, emails({ email: 'other@example.com', primary: false, verified: true }, primary))
  t.match(first, { error: null, me: { email: 'octo@example.com', name: 'The Octocat' } })
  const renamed = await signIn({ id: 583231, login: 'somebody-else', name: null }, emails())
  t.equal(renamed.me?.id, first.me?.id, 'whatever they are called now')
  t.not((await signIn({ id: 583232, login: 'octocat', name: 'Another' }, emails())).me?.id, first.me?.id, 'a name that somebody else has taken over is no identity')
  t.match(await signIn({ id: 3, login: 'c' }, emails({ ...primary, email: 'c@example.com', verified: false })), { error: null, me: { email: null, name: 'c' } }, 'not verified')
  t.match(await signIn({ id: 4, login: 'd' }, emails({ ...primary, email: 'd@example.com', primary: false })), { me: { email: null } }, 'not primary')
  t.match(await signIn({ id: 5, login: 'e' }, {}), { me: { email: null } }, 'kept to themselves')
  for (const user of [null, {}, { id: '583231' }, { id: 0 }, { id: -1 }, { id: 1.5 }, { id: null }, { id: 2 ** 60 }]) t.equal((await signIn(user, emails(primary))).error, 'federation.refused', JSON.stringify(user))
  const asked = new URL(github.authorizations[0] ?? '')
  t.equal(asked.searchParams.get('scope'), 'read:user user:email')
  t.equal(asked.searchParams.get('code_challenge_method'), 'S256')
  t.equal(asked.searchParams.get('nonce'), null)
  t.equal(github.tokenRequests[0]?.get('client_secret'), CLIENT_SECRET, 'in the body, as GitHub takes it')
  t.match(await database.prisma.externalIdentity.findFirst({ where: { userId: first.me?.id ?? '' } }), { issuer: github.issuer, subject: '583231' })
})

t.test('Microsoft: the issuer is the tenant\'s, the tenant one that may come, and the address nobody\'s', async (t) => {
  const entra = await startUpstream(t, '/organizations/v2.0')
  const origin = new URL(entra.issuer).origin
  const [home, foreign] = ['0a1b2c3d-0000-4000-8000-00000000000a', '0a1b2c3d-0000-4000-8000-00000000000b']
  entra.says.metadata = { issuer: `${origin}/{tenantid}/v2.0` }
  const { id } = await addProvider(house, entra.issuer, { tenants: [home.toUpperCase()], trustedEmailDomains: ['*'] })
  const signIn = async (claims: object) => {
    entra.says.claims = { sub: 'ada', email: 'admin@example.com', email_verified: true, xms_edov: true, ...claims }
    const browser = new Browser(app)
    const { error, federation } = await browser.signIn(id)
    return { error, federation, me: await browser.whoIsIn() }
  }
  const { me } = await signIn({ tid: home, iss: `${origin}/${home}/v2.0` })
  t.match(me, { email: null }, 'an address that a tenant writes is not believed (nOAuth): the administrator\'s account is not reached')
  t.equal((await signIn({ tid: home, iss: `${origin}/${home}/v2.0` })).me?.id, me?.id)
  t.match(await database.prisma.externalIdentity.findFirst({ where: { userId: me?.id ?? '' } }), { issuer: `${origin}/${home}/v2.0`, subject: 'ada' })
  const wrong: [string, object][] = [
    ['a tenant that may not come', { tid: foreign, iss: `${origin}/${foreign}/v2.0` }],
    ['an issuer of another tenant than it says', { tid: home, iss: `${origin}/${foreign}/v2.0` }],
    ['the template itself', { tid: home, iss: `${origin}/{tenantid}/v2.0` }],
    ['no tenant', { iss: `${origin}/${home}/v2.0` }],
    ['a tenant that is none', { tid: '../organizations', iss: `${origin}/../organizations/v2.0` }],
    ['an issuer elsewhere', { tid: home, iss: `https://evil.example/${home}/v2.0` }],
  ]
  for (const [name, claims] of wrong) t.match(await signIn(claims), { error: 'federation.refused', me: null }, name)
  entra.says.key = { issuer: `${origin}/${foreign}/v2.0` }
  t.equal((await signIn({ tid: home, iss: `${origin}/${home}/v2.0` })).error, 'federation.refused', 'a key of another tenant')
  for (const issuer of [`${origin}/${home}/v2.0`, `${origin}/{tenantid}/v2.0`]) {
    entra.says.key = { issuer }
    t.equal((await signIn({ tid: home, iss: `${origin}/${home}/v2.0` })).me?.id, me?.id, `a key of ${issuer}`)
  }
  entra.says.key = {}
  entra.says.isForged = true
  t.equal((await signIn({ tid: home, iss: `${origin}/${home}/v2.0` })).error, 'federation.refused', 'a tenant that signs by itself')
  entra.says.isForged = false
  entra.says.token = { status: 400, body: { error: 'invalid_grant' } }
  t.equal((await signIn({ tid: home })).error, 'federation.refused')
  // the same subject in two tenants is two people
  const both = await addProvider(house, entra.issuer, { tenants: [], clientId: 'gatehouse-of-all', trustedEmailDomains: [] })
  entra.says.token = null
  const come = async (tid: string) => {
    entra.says.claims = { sub: 'ada', tid, aud: 'gatehouse-of-all', iss: `${origin}/${tid}/v2.0` }
    const browser = new Browser(app)
    await browser.signIn(both.id)
    return (await browser.whoIsIn())?.id
  }
  const [one, two] = [await come(home), await come(foreign)]
  t.ok(one)
  t.ok(two)
  t.not(one, two)
})

t.test('Apple: the client secret is signed for each request, the address may be said as a text', async (t) => {
  const apple = await startUpstream(t)
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
  const answer = await addProvider(house, apple.issuer, { clientSecret: undefined, clientKey: { teamId: 'TEAM123456', keyId: 'KEY1234567', privateKey: pem }, scopes: ['openid', 'email', 'name'], formPost: true })
  t.notOk(JSON.stringify(answer).includes('PRIVATE'), 'the key is not answered')
  apple.says.claims = { sub: '000123.abc', email: 'ada@privaterelay.appleid.com', email_verified: 'true', is_private_email: 'true' }
  const browser = new Browser(app)
  const { authorizationUrl } = expectJson<{ authorizationUrl: string }>(await browser.start(answer.id), 200)
  t.equal(new URL(authorizationUrl).searchParams.get('response_mode'), 'form_post')
  const url = await browser.goTo(authorizationUrl)
  const posted = await app.inject({ method: 'POST', url: url.split('?')[0] ?? '', headers: { 'content-type': 'application/x-www-form-urlencoded' }, payload: `${url.split('?')[1] ?? ''}&user=${encodeURIComponent('{"name":{"firstName":"Ada","lastName":"Lovelace"}}')}` })
  t.equal((await browser.comeBack(String(posted.headers.location))).federation, 'signed_in')
  t.match(await browser.whoIsIn(), { email: 'ada@privaterelay.appleid.com', name: 'Ada Lovelace' })
  const secret = apple.tokenRequests[0]?.get('client_secret') ?? ''
  const key = await importSPKI(publicKey.export({ type: 'spki', format: 'pem' }).toString(), 'ES256')
  const { payload } = await jwtVerify(secret, key, { issuer: 'TEAM123456', subject: 'gatehouse', audience: apple.issuer, currentDate: new Date(clock.now()) })
  t.equal((payload.exp ?? 0) - (payload.iat ?? 0), 300)
  t.match(decodeProtectedHeader(secret), { alg: 'ES256', kid: 'KEY1234567' })
})

t.test('a public client has PKCE alone; a secret goes the way that the provider takes', async (t) => {
  const source = await startUpstream(t)
  const open = await addProvider(house, source.issuer, { clientSecret: undefined, clientId: 'public' })
  source.says.claims = { sub: 'p', aud: 'public' }
  t.equal((await new Browser(app).signIn(open.id)).federation, 'signed_in')
  t.match(Object.fromEntries(source.tokenRequests[0] ?? []), { client_id: 'public', grant_type: 'authorization_code' })
  t.equal(source.tokenRequests[0]?.get('client_secret'), null)
  const posting = await startUpstream(t)
  posting.says.metadata = { token_endpoint_auth_methods_supported: ['client_secret_post'] }
  t.equal((await new Browser(app).signIn((await addProvider(house, posting.issuer)).id)).federation, 'signed_in')
  t.equal(posting.tokenRequests[0]?.get('client_secret'), CLIENT_SECRET)
})
