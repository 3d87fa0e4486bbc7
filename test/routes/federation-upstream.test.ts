// What is asked of an upstream and kept of it: when it is away, when its metadata are old or lead elsewhere, what is logged, and what has an end.
import t from 'tap'
import { EXPIRY } from '../../src/database/expiry.js'
import { buildApp } from '../../src/app.js'
import { expectJson, PASSWORD, SECRET, startApp, testConfig } from '../support/app.js'
import { addProvider, Browser, FEDERATED } from '../support/federation.js'
import { CLIENT_SECRET, type Says, startUpstream } from '../support/upstream.js'

const house = await startApp(t, { config: FEDERATED })
const { app, as, database, clock } = house
const upstream = await startUpstream(t)
const provider = await addProvider(house, upstream.issuer)

t.test('an upstream that is away is 502, is left alone for a while, and nobody else is kept out', async (t) => {
  const source = await startUpstream(t)
  const { id } = await addProvider(house, source.issuer)
  source.says.isDown = true
  for (let at = 0; at < 7; at += 1) {
    const refused = await new Browser(app).start(id)
    t.equal(refused.statusCode, 502)
    t.equal(refused.json<{ code: string }>().code, 'provider.unavailable')
  }
  t.equal(source.asked('/.well-known/openid-configuration'), 5, 'after five failures in a row nobody asks')
  await as.signUp('local@example.com')
  t.equal((await app.inject({ method: 'POST', url: '/api/v1/auth/login', payload: { email: 'local@example.com', password: PASSWORD } })).statusCode, 200, 'signing in here works on')
  t.equal((await new Browser(app).signIn(provider.id)).federation, 'signed_in', 'and by others')
  // known already: its metadata are kept, and what fails is the way back
  upstream.says.token = { status: 503, body: {} }
  for (let at = 0; at < 7; at += 1) t.match(await new Browser(app).signIn(provider.id), { federation: 'failed', error: 'provider.unavailable' })
  upstream.reset()
  t.equal((await new Browser(app).signIn(provider.id)).federation, 'signed_in', 'which strangers can bring about as often as they like, and keeps nobody else out')
})

t.test('metadata are kept for an hour, and used for a day while the provider is away', async (t) => {
  const source = await startUpstream(t)
  const { id } = await addProvider(house, source.issuer)
  const asked = () => source.asked('/.well-known/openid-configuration')
  const start = async () => (await new Browser(app).start(id)).statusCode
  t.same([await start(), await start(), asked()], [200, 200, 1])
  clock.advance(3_600_001)
  t.same([await start(), asked()], [200, 2])
  source.says.isDown = true
  clock.advance(3_600_001)
  t.same([await start(), asked()], [200, 3], 'old ones will do')
  clock.advance(24 * 3_600_000)
  t.equal(await start(), 502, 'not for ever')
})

t.test('metadata of somebody else, or that lead elsewhere, are refused', async (t) => {
  const bad: object[] = [
    { issuer: 'https://evil.example' }, { issuer: undefined }, { token_endpoint: undefined }, { token_endpoint: 'http://169.254.169.254/latest' }, { token_endpoint: 'http://[::1]:1/' }, { token_endpoint: 'file:///etc/passwd' },
    { jwks_uri: 'https://10.0.0.1/' }, { jwks_uri: 7 }, { authorization_endpoint: 'javascript:alert(1)' }, { authorization_endpoint: 'data:text/html,x' }, { userinfo_endpoint: 'https://127.1/' },
  ]
  for (const metadata of bad) {
    const source = await startUpstream(t)
    const { id } = await addProvider(house, source.issuer)
    source.says.metadata = metadata as Says['metadata']
    t.equal((await new Browser(app).start(id)).json<{ code: string }>().code, 'federation.refused', JSON.stringify(metadata))
  }
})

t.test('secrets are in no answer, no log and no audit row', async (t) => {
  const lines: string[] = []
  for (const level of ['warn', 'error', 'info'] as const) app.log[level] = (...said: unknown[]) => void lines.push(JSON.stringify(said, (_, value: unknown) => (value instanceof Error ? `${value.message} ${String(value.cause)}` : value)))
  const answers: string[] = []
  const wrong: Partial<Says>[] = [{}, { isForged: true }, { claims: { sub: 'x', email: 'shown@example.com', nonce: 'wrong' } }, { token: { status: 400, body: { error: 'invalid_grant', error_description: CLIENT_SECRET } } }, { answer: { code: undefined, error: 'x'.repeat(300) } }, { isDown: true }]
  for (const says of wrong) {
    upstream.reset('x')
    Object.assign(upstream.says, says)
    clock.advance(2_000)
    const browser = new Browser(app)
    const { authorizationUrl } = expectJson<{ authorizationUrl: string }>(await browser.start(provider.id), 200)
    upstream.says.isDown = false
    const url = await browser.goTo(authorizationUrl)
    Object.assign(upstream.says, says)
    const { response } = await browser.comeBack(url)
    answers.push(response.body, JSON.stringify(response.headers))
  }
  upstream.reset()
  t.equal(lines.length, wrong.length - 1, 'each is told to the operator')
  t.match(lines.join(), /the provider said invalid_grant/)
  const rows = JSON.stringify(await database.prisma.auditEvent.findMany())
  const codes = upstream.authorizations.map((_, at) => `code-${at + 1}`)
  for (const secret of [CLIENT_SECRET, 'an access token of the upstream', 'shown@example.com', ...codes, ...upstream.tokenRequests.map((params) => params.get('code_verifier') ?? '?')]) {
    for (const [where, text] of [['log', lines.join()], ['answers', answers.join()], ['audit', rows]] as const) t.notOk(text.includes(`"${secret}`) || (secret.length > 12 && text.includes(secret)), `${where}: ${secret.slice(0, 12)}`)
  }
  const stored = await database.prisma.identityProvider.findMany()
  t.notOk(stored.some(({ secretCiphertext }) => Buffer.from(secretCiphertext ?? '').includes(CLIENT_SECRET)), 'at rest it is encrypted')
})

t.test('what is left half-way has an end', async (t) => {
  upstream.reset('left')
  upstream.says.claims = { sub: 'left', email: 'left@example.com', email_verified: true }
  await as.signUp('left@example.com')
  const browser = new Browser(app)
  t.equal((await browser.signIn(provider.id)).federation, 'link_required')
  await browser.start(provider.id)
  upstream.reset('someone')
  t.equal((await browser.signIn(provider.id, { mode: 'token' })).federation, 'signed_in')
  const left = async () => [await database.prisma.federationState.count(), await database.prisma.pendingLink.count(), await database.prisma.federationCode.count()]
  for (const count of await left()) t.ok(count > 0)
  clock.advance(600_001)
  await app.jobs.run(EXPIRY)
  t.same(await left(), [0, 0, 0])
})

t.test('a provider\'s secret outlives a change of GATEHOUSE_SECRET, and is written anew under the new one', async (t) => {
  const ciphertext = async () => Buffer.from((await database.prisma.identityProvider.findUniqueOrThrow({ where: { id: provider.id } })).secretCiphertext ?? '')
  const before = await ciphertext()
  const rotated = await buildApp({ config: testConfig({ ...FEDERATED, previousSecret: SECRET }), database, secret: 'another secret of the tests, of 32 characters', clock })
  t.teardown(() => rotated.close())
  await rotated.ready()
  upstream.reset('rotated')
  t.equal((await new Browser(rotated).signIn(provider.id)).federation, 'signed_in')
  await rotated.jobs.run('sealing providers\' secrets anew')
  t.notOk(before.equals(await ciphertext()))
  const lost = await new Browser(app).signIn(provider.id)
  t.match(lost, { federation: 'failed', error: 'provider.unavailable' }, 'who knows neither cannot read it, and says so')
  t.equal((await new Browser(rotated).signIn(provider.id)).federation, 'signed_in')
  t.equal(await rotated.identityProviders.reseal(), 0)
})
