// Signing in by others, edge by edge: what an upstream that lies, mixes up, forges or is away comes to; and what each intent comes to.
import t from 'tap'
import { expectJson, PASSWORD, startApp } from '../support/app.js'
import { addProvider, Browser, FEDERATED, freshAdmin } from '../support/federation.js'
import { CLIENT_SECRET, type Says, startUpstream } from '../support/upstream.js'

const house = await startApp(t, { config: FEDERATED })
const { app, as, database, clock } = house
const upstream = await startUpstream(t)
const provider = await addProvider(house, upstream.issuer)
const counts = async () => ({ users: await database.prisma.user.count(), identities: await database.prisma.externalIdentity.count(), sessions: await database.prisma.session.count() })
const refusals = async () => {
  await app.audit.writeCounted(true)
  return database.prisma.auditEvent.findMany({ where: { action: 'login.failed', targetType: 'provider' } })
}

t.test('an answer that cannot be believed lets nobody in, whatever is wrong with it', async (t) => {
  const now = Math.floor(Date.now() / 1_000)
  const wrong: [string, Partial<Says>][] = [
    ['another issuer in the token', { claims: { sub: 'x', iss: 'https://evil.example' } }],
    ['the issuer with a slash', { claims: { sub: 'x', iss: `${upstream.issuer}/` } }],
    ['no issuer in the token', { claims: { sub: 'x', iss: undefined } }],
    ['another audience', { claims: { sub: 'x', aud: 'somebody else' } }],
    ['several audiences without azp', { claims: { sub: 'x', aud: ['gatehouse', 'somebody else'] } }],
    ['several audiences, azp another', { claims: { sub: 'x', aud: ['gatehouse', 'somebody else'], azp: 'somebody else' } }],
    ['one audience, azp another', { claims: { sub: 'x', azp: 'somebody else' } }],
    ['no audience', { claims: { sub: 'x', aud: undefined } }],
    ['another nonce', { claims: { sub: 'x', nonce: 'of another way' } }],
    ['no nonce', { claims: { sub: 'x', nonce: undefined } }],
    ['no subject', { claims: { sub: undefined } }],
    ['an empty subject', { claims: { sub: '' } }],
    ['a subject that is no text', { claims: { sub: 7 } }],
    ['a subject with a line break', { claims: { sub: 'x\ny' } }],
    ['a token that has expired', { claims: { sub: 'x', exp: now - 60 } }],
    ['a token without an end', { claims: { sub: 'x', exp: undefined } }],
    ['a token of tomorrow', { claims: { sub: 'x', nbf: now + 3_600 } }],
    ['a signature by another key', { claims: { sub: 'x' }, isForged: true }],
    ['no signature', { claims: { sub: 'x' }, isUnsigned: true }],
    ['a key that is not published', { claims: { sub: 'x' }, header: { kid: 'two' } }],
    ['another state', { claims: { sub: 'x' }, answer: { iss: 'https://evil.example' } }],
    ['no token', { claims: { sub: 'x' }, token: { status: 200, body: { access_token: 'x', token_type: 'Bearer' } } }],
    ['no access token', { claims: { sub: 'x' }, token: { status: 200, body: { token_type: 'Bearer' } } }],
    ['a token that is none', { claims: { sub: 'x' }, token: { status: 200, body: { access_token: 'x', token_type: 'Bearer', id_token: 'eyJ.eyJ.x' } } }],
    ['a refused code', { claims: { sub: 'x' }, token: { status: 400, body: { error: 'invalid_grant' } } }],
    ['a client that is not known', { claims: { sub: 'x' }, token: { status: 401, body: { error: 'invalid_client' } } }],
    ['no code', { claims: { sub: 'x' }, answer: { code: undefined } }],
    ['an error of its own', { claims: { sub: 'x' }, answer: { code: undefined, error: 'invalid_scope' } }],
    ['userinfo about somebody else', { claims: { sub: 'x' }, userinfo: { sub: 'y', email: 'ada@example.com', email_verified: true } }],
    ['userinfo about nobody', { claims: { sub: 'x' }, userinfo: { email: 'ada@example.com', email_verified: true } }],
  ]
  upstream.reset('honest')
  t.equal((await new Browser(app).signIn(provider.id)).federation, 'signed_in', 'the same without anything wrong')
  const before = await counts()
  for (const [name, says] of wrong) {
    upstream.reset('x')
    Object.assign(upstream.says, says)
    const browser = new Browser(app)
    const landed = await browser.signIn(provider.id)
    t.match(landed, { path: '/app', federation: 'failed', error: 'federation.refused' }, name)
    t.equal(await browser.whoIsIn(), null, name)
  }
  upstream.reset('x')
  t.same(await counts(), before, 'no account, no identity, no session')
  t.match((await refusals())[0], { details: { code: 'federation.refused' }, targetId: provider.id })
})

t.test('iss of the answer (RFC 9207): wrong is refused always, absent where it is promised', async (t) => {
  const promising = await startUpstream(t)
  promising.says.metadata = { authorization_response_iss_parameter_supported: true }
  const { id } = await addProvider(house, promising.issuer)
  const refused = async (answer: Record<string, string>) => {
    promising.says.answer = answer
    return (await new Browser(app).signIn(id)).error
  }
  t.equal(await refused({}), 'federation.refused')
  t.equal(await refused({ iss: 'https://evil.example' }), 'federation.refused')
  t.equal(await refused({ iss: promising.issuer }), null)
})

t.test('a way out leads back once, in its browser, to its provider, within ten minutes (mix-up, CSRF, replay)', async (t) => {
  const other = await addProvider(house, (await startUpstream(t)).issuer)
  const begin = async (browser: Browser) => browser.goTo(expectJson<{ authorizationUrl: string }>(await browser.start(provider.id), 200).authorizationUrl)
  const refused = async (browser: Browser, url: string, name: string) => {
    const { response } = await browser.comeBack(url)
    t.equal(response.statusCode, 400, name)
    t.equal(response.json<{ code: string }>().code, 'federation.state_invalid')
    t.equal(await browser.whoIsIn(), null)
  }
  const victim = new Browser(app)
  const url = await begin(victim)
  await refused(new Browser(app), url, 'in a browser without a name')
  const attacker = new Browser(app)
  await begin(attacker)
  await refused(attacker, url, 'in another browser')
  await refused(victim, url.replace(provider.id, other.id), 'at another provider\'s door')
  await refused(victim, url.replace(/state=[^&]*/, 'state=x'), 'with a state of somebody\'s own')
  await refused(victim, url.replace(/state=[^&]*&?/, ''), 'without a state')
  await refused(victim, `${url}&state=x`, 'with two states')
  t.equal((await victim.comeBack(url)).federation, 'signed_in', 'none of which took it from its owner')
  const again = new Browser(app)
  again.cookies.set('gatehouse-browser', victim.cookies.get('gatehouse-browser') ?? '')
  await refused(again, url, 'a second time')
  const late = new Browser(app)
  const lateUrl = await begin(late)
  clock.advance(600_001)
  await refused(late, lateUrl, 'after ten minutes')
  // of a refused answer the way is used up, too
  const broken = new Browser(app)
  const brokenUrl = await begin(broken)
  t.equal((await broken.comeBack(brokenUrl.replace(/code=[^&]*/, 'code=forged'))).error, 'federation.refused')
  await refused(broken, brokenUrl, 'after a wrong code')
})

t.test('what is sent out: PKCE, a nonce, no secret', async (t) => {
  const { authorizationUrl } = expectJson<{ authorizationUrl: string }>(await new Browser(app).start(provider.id), 200)
  const { searchParams } = new URL(authorizationUrl)
  t.match(Object.fromEntries(searchParams), { response_type: 'code', client_id: 'gatehouse', redirect_uri: provider.redirectUri, scope: 'openid email profile', code_challenge_method: 'S256' })
  for (const name of ['state', 'nonce', 'code_challenge']) t.match(searchParams.get(name), /^[\w-]{43}$/, name)
  t.notOk(authorizationUrl.includes(encodeURIComponent(CLIENT_SECRET)))
  const rows = await database.prisma.federationState.findMany()
  t.ok(rows.length > 0)
  t.notOk(JSON.stringify(rows.map(({ ciphertext, stateHash }) => [Buffer.from(ciphertext).toString('latin1'), Buffer.from(stateHash).toString('latin1')])).includes(searchParams.get('nonce') ?? '?'), 'what is kept is encrypted, or a hash')
})

t.test('a person who says no is told so, and nothing is kept', async (t) => {
  upstream.reset()
  upstream.says.answer = { code: undefined, error: 'access_denied', error_description: 'The person said no' }
  t.match(await new Browser(app).signIn(provider.id), { federation: 'failed', error: 'federation.denied' })
  upstream.says.answer = { code: undefined, error: 'temporarily_unavailable' }
  t.match(await new Browser(app).signIn(provider.id), { federation: 'failed', error: 'provider.unavailable' })
  upstream.reset()
})

t.test('a way begins for a page of this origin, and ends at one', async (t) => {
  for (const returnTo of ['//evil.example', '/\\evil.example', 'https://evil.example/', '/.//evil.example', 'app', '/a#b']) {
    t.equal((await new Browser(app).start(provider.id, { returnTo })).statusCode, 400, returnTo)
  }
  const foreign = await app.inject({ method: 'POST', url: `/api/v1/auth/providers/${provider.id}/start`, headers: { 'sec-fetch-site': 'cross-site' }, payload: { returnTo: '/app' } })
  t.equal(foreign.json<{ code: string }>().code, 'csrf.invalid')
  t.equal((await new Browser(app).start('0198c0de-7d3a-7c1e-9a53-0d9a3c0b6f31')).statusCode, 404)
  const browser = new Browser(app)
  for (let at = 0; at < 12; at += 1) await browser.start(provider.id)
  const [{ n } = { n: 0 }] = await database.prisma.$queryRaw<{ n: number }[]>`SELECT max(n)::int AS n FROM (SELECT count(*) AS n FROM federation_states GROUP BY browser_hash) c`
  t.equal(n, 10, 'a browser has at most ten')
})

t.test('an address that is not believed is nobody\'s: the account is kept apart, without one', async (t) => {
  const { user } = await as.signUp('victim@example.com')
  upstream.reset('squatter')
  upstream.says.claims = { sub: 'squatter', email: 'victim@example.com', email_verified: false, name: 'Mallory' }
  const browser = new Browser(app)
  t.equal((await browser.signIn(provider.id)).federation, 'signed_in', 'as for an address that nobody has: who asks learns nothing')
  const me = await browser.whoIsIn()
  t.match(me, { email: null, name: 'Mallory' })
  t.not(me?.id, user.id)
  const shown = expectJson<{ email: string | null }>(await app.inject({ url: `/api/v1/users/${me?.id ?? ''}`, headers: await freshAdmin(house) }), 200)
  t.equal(shown.email, null)
  const list = expectJson<{ data: { id: string; email: string | null }[] }>(await app.inject({ url: '/api/v1/users?limit=200', headers: await freshAdmin(house) }), 200)
  t.equal(list.data.find(({ id }) => id === me?.id)?.email, null)
  t.equal((await app.inject({ method: 'POST', url: '/api/v1/auth/signup', payload: { email: `${me?.id ?? ''}@account.invalid`, password: PASSWORD } })).statusCode, 400, 'what stands in its place is no address to sign up with')
})

t.test('claims that the token leaves out are asked for, of the same subject', async (t) => {
  upstream.reset('lacking')
  upstream.says.userinfo = { sub: 'lacking', email: 'lacking@example.com', email_verified: true, name: 'Lacking' }
  const browser = new Browser(app)
  await browser.signIn(provider.id)
  t.match(await browser.whoIsIn(), { email: 'lacking@example.com', name: 'Lacking' })
})

t.test('who may sign up is the provider\'s setting, within what SIGN_UP says', async (t) => {
  const closed = await startApp(t, { config: { ...FEDERATED, signUp: 'closed' } })
  await closed.as.admin()
  const source = await startUpstream(t)
  const outcomes: [string, string | null][] = [['never', 'signup.closed'], ['policy', 'signup.closed'], ['always', null]]
  for (const [signUp, error] of outcomes) {
    const { id } = await addProvider(closed, source.issuer, { signUp, clientId: 'gatehouse' }).catch(async () => {
      const [row] = await closed.database.prisma.identityProvider.findMany()
      expectJson(await closed.app.inject({ method: 'PATCH', url: `/api/v1/identity-providers/${row?.id ?? ''}`, headers: { ...(await closed.as.admin()), 'if-match': '*' }, payload: { signUp } }), 200)
      return { id: row?.id ?? '' }
    })
    t.equal((await new Browser(closed.app).signIn(id)).error, error, signUp)
  }
  const early = await startApp(t, { config: FEDERATED })
  const [row] = await closed.database.prisma.identityProvider.findMany()
  if (!row) throw new Error('there is a provider')
  await early.database.prisma.identityProvider.create({ data: { ...row, secretCiphertext: null, signUp: 'always' } })
  t.equal((await new Browser(early.app).signIn(row.id)).error, 'signup.closed', 'and nobody before the set-up')
})

t.test('a provider that is disabled or deleted, and an account that is stopped, let nobody in', async (t) => {
  const source = await startUpstream(t)
  source.reset('stopped')
  const { id } = await addProvider(house, source.issuer)
  const headers = { ...(await freshAdmin(house)), 'if-match': '*' }
  const browser = new Browser(app)
  await browser.signIn(id)
  const user = await browser.whoIsIn()
  const set = async (payload: object) => expectJson(await app.inject({ method: 'PATCH', url: `/api/v1/identity-providers/${id}`, headers, payload }), 200)
  const halfway = new Browser(app)
  const url = await halfway.goTo(expectJson<{ authorizationUrl: string }>(await halfway.start(id), 200).authorizationUrl)
  await set({ enabled: false })
  t.equal((await halfway.comeBack(url)).error, 'provider.not_found', 'who is half-way')
  t.equal((await new Browser(app).start(id)).statusCode, 404)
  t.notOk(expectJson<{ data: { id: string }[] }>(await app.inject('/api/v1/auth/providers'), 200).data.some((one) => one.id === id), 'it is not offered')
  await set({ enabled: true })
  expectJson(await app.inject({ method: 'PATCH', url: `/api/v1/users/${user?.id ?? ''}`, headers, payload: { status: 'suspended' } }), 200)
  const suspended = new Browser(app)
  const landed = await suspended.signIn(id)
  t.match(landed, { federation: 'failed', error: 'credentials.invalid' })
  t.equal(await suspended.whoIsIn(), null)
  const { code } = await suspended.signIn(id, { mode: 'token' })
  t.equal((await suspended.redeem(code)).statusCode, 401)
  // a machine that somehow has an identity has no session by it
  await database.prisma.user.update({ where: { id: user?.id ?? '' }, data: { status: 'active', kind: 'service' } })
  t.equal((await new Browser(app).signIn(id)).error, 'credentials.invalid')
  await database.prisma.user.update({ where: { id: user?.id ?? '' }, data: { kind: 'person' } })
  t.equal((await app.inject({ method: 'DELETE', url: `/api/v1/identity-providers/${id}`, headers })).statusCode, 409, 'people hang on it')
  const last = new Browser(app)
  const lastUrl = await last.goTo(expectJson<{ authorizationUrl: string }>(await last.start(id), 200).authorizationUrl)
  t.equal((await app.inject({ method: 'DELETE', url: `/api/v1/identity-providers/${id}?identities=delete`, headers })).statusCode, 204)
  t.equal((await last.comeBack(lastUrl)).response.statusCode, 400)
})

t.test('an answer that is posted comes again with the browser\'s cookies', async (t) => {
  const browser = new Browser(app)
  upstream.reset('poster')
  const url = await browser.goTo(expectJson<{ authorizationUrl: string }>(await browser.start(provider.id), 200).authorizationUrl)
  const [place = '', query = ''] = url.split('?')
  const post = (payload: string) => app.inject({ method: 'POST', url: place, headers: { 'content-type': 'application/x-www-form-urlencoded', 'sec-fetch-site': 'cross-site' }, payload })
  const user = JSON.stringify({ name: { firstName: 'Ada', lastName: 'Lovelace' }, email: 'evil@example.com' })
  const posted = await post(`${query}&user=${encodeURIComponent(user)}&id_token=x&unknown=y`)
  t.equal(posted.statusCode, 303)
  t.same(posted.cookies, [], 'it sets nothing')
  const location = String(posted.headers.location)
  t.ok(location.startsWith(`${place}?`))
  t.notMatch(location, /id_token|unknown/)
  t.equal((await browser.comeBack(location)).federation, 'signed_in')
  t.match(await browser.whoIsIn(), { name: 'Ada Lovelace', email: null }, 'the name, and nothing that nobody has signed')
  t.equal((await post(`code=${'x'.repeat(9_000)}`)).statusCode, 413)
  t.equal((await app.inject({ method: 'POST', url: place, headers: { 'content-type': 'application/json' }, payload: {} })).statusCode, 415)
  upstream.reset()
})

t.test('the code for tokens is one browser\'s, once, within a minute', async (t) => {
  upstream.reset('code')
  const browser = new Browser(app)
  const first = await browser.signIn(provider.id, { mode: 'token' })
  t.equal((await new Browser(app).redeem(first.code)).statusCode, 410, 'in another browser')
  const foreign = await browser.ask({ method: 'POST', url: '/api/v1/auth/providers/token', headers: { 'sec-fetch-site': 'cross-site' }, payload: { code: first.code } })
  t.equal(foreign.statusCode, 403)
  const tokens = expectJson<{ accessToken: string; refreshToken: string }>(await browser.redeem(first.code), 200)
  t.match(JSON.parse(Buffer.from(tokens.accessToken.split('.')[1] ?? '', 'base64url').toString()), { amr: ['fed'] })
  const late = await browser.signIn(provider.id, { mode: 'token' })
  clock.advance(60_001)
  t.equal((await browser.redeem(late.code)).statusCode, 410, 'after a minute')
  t.equal((await browser.redeem('x')).statusCode, 410)
  // an identity that was taken away in between opens nothing
  const between = await browser.signIn(provider.id, { mode: 'token' })
  await database.prisma.externalIdentity.deleteMany({ where: { subject: 'code' } })
  t.equal((await browser.redeem(between.code)).statusCode, 401)
})

t.test('a second factor is asked for after the provider, in a browser and for tokens', async (t) => {
  upstream.reset('careful')
  const browser = new Browser(app)
  await browser.signIn(provider.id)
  const me = await browser.whoIsIn()
  await database.prisma.totpFactor.create({ data: { id: me?.id ?? '', userId: me?.id ?? '', name: 'app', secretCiphertext: new Uint8Array(40), createdAt: new Date(clock.now()), confirmedAt: new Date(clock.now()) } })
  const sessions = await database.prisma.session.count()
  const again = new Browser(app)
  const landed = await again.signIn(provider.id)
  t.match(landed, { path: '/app', federation: 'mfa_required' })
  t.equal(await again.whoIsIn(), null)
  t.equal((await new Browser(app).redeem(landed.code)).statusCode, 410, 'the challenge is this browser\'s')
  t.match(expectJson(await again.redeem(landed.code), 200), { status: 'mfa_required', methods: ['totp'] })
  t.equal((await again.redeem(landed.code)).statusCode, 410, 'and given once')
  const token = new Browser(app)
  const { code } = await token.signIn(provider.id, { mode: 'token' })
  t.match(expectJson(await token.redeem(code), 200), { status: 'mfa_required', methods: ['totp'] })
  t.equal((await token.redeem(code)).statusCode, 410)
  t.equal(await database.prisma.session.count(), sessions, 'nothing is open')
})
