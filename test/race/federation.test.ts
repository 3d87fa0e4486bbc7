// Signing in by others, with everybody at once on two nodes: each way back, each code, each link and each identity has one winner.
import t from 'tap'
import { expectJson, PASSWORD, startApp } from '../support/app.js'
import { addProvider, Browser, FEDERATED } from '../support/federation.js'
import { startUpstream } from '../support/upstream.js'

const house = await startApp(t, { config: FEDERATED })
const { app, as, database, clock } = house
const second = await startApp(t, { config: FEDERATED, database, clock })
const upstream = await startUpstream(t)
const provider = await addProvider(house, upstream.issuer)
const MANY = 50
const nodes = Array.from({ length: MANY }, (_, at) => (at % 2 === 0 ? app : second.app))
/** the same browser, as it asks another node or a second time */
function twinOf(browser: Browser, node: typeof app): Browser {
  const twin = new Browser(node)
  for (const [name, value] of browser.cookies) twin.cookies.set(name, value)
  return twin
}

t.test('one way back, fifty times on two nodes: one is let in', async (t) => {
  const browser = new Browser(app)
  const url = await browser.goTo(expectJson<{ authorizationUrl: string }>(await browser.start(provider.id), 200).authorizationUrl)
  const landed = await Promise.all(nodes.map((node) => twinOf(browser, node).comeBack(url)))
  t.equal(landed.filter(({ federation }) => federation === 'signed_in').length, 1)
  t.equal(landed.filter(({ response }) => response.statusCode === 400).length, MANY - 1)
  t.equal(await database.prisma.session.count({ where: { kind: 'cookie' } }), 1)
  t.equal(upstream.tokenRequests.length, 1, 'and the upstream is asked once')
})

t.test('one code for tokens, fifty times on two nodes: one gets them', async (t) => {
  upstream.reset('coded')
  const browser = new Browser(app)
  const { code } = await browser.signIn(provider.id, { mode: 'token' })
  const before = await database.prisma.session.count()
  const answers = await Promise.all(nodes.map((node) => twinOf(browser, node).redeem(code)))
  const statuses = answers.map(({ statusCode }) => statusCode)
  t.equal(statuses.filter((status) => status === 200).length, 1)
  t.equal(statuses.filter((status) => status === 410).length, MANY - 1)
  t.equal(await database.prisma.session.count(), before + 1)
})

t.test('one new identity, from twenty browsers on two nodes: one account, and all are let in', async (t) => {
  upstream.reset('newcomer')
  upstream.says.claims = { sub: 'newcomer', email: 'newcomer@example.com', email_verified: true }
  const browsers = nodes.slice(0, 20).map((node) => new Browser(node))
  const urls = await Promise.all(browsers.map(async (browser) => browser.goTo(expectJson<{ authorizationUrl: string }>(await browser.start(provider.id), 200).authorizationUrl)))
  const landed = await Promise.all(browsers.map((browser, at) => browser.comeBack(urls[at] ?? '')))
  t.same([...new Set(landed.map(({ federation }) => federation))], ['signed_in'])
  const ids = await Promise.all(browsers.map(async (browser) => (await browser.whoIsIn())?.id))
  t.equal(new Set(ids).size, 1)
  t.equal(await database.prisma.user.count({ where: { email: 'newcomer@example.com' } }), 1)
  t.equal(await database.prisma.externalIdentity.count({ where: { subject: 'newcomer' } }), 1)
})

t.test('one identity, linked by ten accounts at once on two nodes: it is one account\'s', async (t) => {
  upstream.reset('wanted')
  const owners = await Promise.all(Array.from({ length: 10 }, () => as.signUp()))
  const browsers = owners.map((_, at) => new Browser(nodes[at] ?? app))
  const urls = await Promise.all(browsers.map(async (browser, at) => browser.goTo(expectJson<{ authorizationUrl: string }>(await browser.startLink(provider.id, owners[at]?.headers ?? { authorization: '' }), 200).authorizationUrl)))
  const landed = await Promise.all(browsers.map((browser, at) => browser.comeBack(urls[at] ?? '')))
  t.equal(landed.filter(({ federation }) => federation === 'linked').length, 1)
  t.equal(landed.filter(({ error }) => error === 'identity.taken').length, 9)
})

t.test('one pending link, confirmed fifty times on two nodes: one links it', async (t) => {
  const owner = await as.signUp('pending@example.com')
  upstream.reset('pending')
  upstream.says.claims = { sub: 'pending', email: 'pending@example.com', email_verified: true }
  const browser = new Browser(app)
  t.equal((await browser.signIn(provider.id)).federation, 'link_required')
  const answers = await Promise.all(nodes.map((node) => twinOf(browser, node).ask({ method: 'POST', url: '/api/v1/auth/providers/link', headers: owner.headers })))
  t.equal(answers.filter(({ statusCode }) => statusCode === 204).length, 1)
  t.equal(answers.filter(({ statusCode }) => statusCode === 410).length, MANY - 1)
})

t.test('the last two ways to sign in, taken away at once: one stays', async (t) => {
  for (let round = 0; round < 5; round += 1) {
    upstream.reset(`two ways ${round}`)
    const browser = new Browser(app)
    const me = expectJson<{ accessToken: string }>(await browser.redeem((await browser.signIn(provider.id, { mode: 'token' })).code), 200)
    const headers = as.bearer(me.accessToken)
    upstream.reset(`second way ${round}`)
    t.equal((await browser.link(provider.id, headers)).federation, 'linked')
    const { data } = expectJson<{ data: { id: string }[] }>(await app.inject({ url: '/api/v1/me/identities', headers }), 200)
    const answers = await Promise.all(data.map(({ id }, at) => (nodes[at] ?? app).inject({ method: 'DELETE', url: `/api/v1/me/identities/${id}`, headers })))
    t.same(answers.map(({ statusCode }) => statusCode).toSorted((a, b) => a - b), [204, 409])
  }
})

t.test('a provider that is disabled while everybody comes back: whoever is let in was first', async (t) => {
  upstream.reset('crowd')
  await new Browser(app).signIn(provider.id)
  const browsers = nodes.slice(0, 12).map((node) => new Browser(node))
  const urls = await Promise.all(browsers.map(async (browser) => browser.goTo(expectJson<{ authorizationUrl: string }>(await browser.start(provider.id), 200).authorizationUrl)))
  const admin = await as.admin()
  const disable = app.inject({ method: 'PATCH', url: `/api/v1/identity-providers/${provider.id}`, headers: { ...admin, 'if-match': '*' }, payload: { enabled: false } })
  const landed = await Promise.all(browsers.map((browser, at) => browser.comeBack(urls[at] ?? '')))
  t.equal((await disable).statusCode, 200)
  t.ok(landed.every(({ federation, error }) => federation === 'signed_in' || error === 'provider.not_found' || error === 'credentials.invalid'))
  t.equal((await app.inject({ method: 'POST', url: '/api/v1/auth/login', payload: { email: 'pending@example.com', password: PASSWORD } })).statusCode, 200)
})
