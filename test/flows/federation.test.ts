// Signing in by a real OpenID Connect provider (oidc-provider, in this process): out, there, and back, in a browser and for tokens.
import t from 'tap'
import { expectJson, PASSWORD, startApp } from '../support/app.js'
import { addProvider, Browser, FEDERATED } from '../support/federation.js'
import { startOidcProvider } from '../support/upstream.js'

t.test('a person signs in by their OpenID Connect provider', async (t) => {
  const house = await startApp(t, { config: FEDERATED })
  const { app, as, database } = house
  const upstream = await startOidcProvider(t)
  const provider = await addProvider(house, upstream.issuer)
  upstream.serve(provider.redirectUri)

  t.test('and has an account from the first time on, with the address that the provider has proven', async (t) => {
    const browser = new Browser(app)
    const landed = await browser.signIn(provider.id, { returnTo: '/app?tab=1' })
    t.match(landed, { path: '/app', federation: 'signed_in', error: null, code: null })
    t.match(String(landed.response.headers.location), /^\/app\?tab=1&federation=signed_in$/)
    const user = await browser.whoIsIn()
    t.match(user, { email: 'ada@example.com', name: 'Ada Lovelace' })
    const again = new Browser(app)
    t.equal((await again.signIn(provider.id)).federation, 'signed_in')
    t.equal((await again.whoIsIn())?.id, user?.id, 'the second time it is the same account')
    t.equal(await database.prisma.externalIdentity.count({ where: { userId: user?.id ?? '' } }), 1)
    t.equal(await database.prisma.federationState.count(), 0, 'nothing is left of the way')
  })

  t.test('for tokens, by a code that a page trades', async (t) => {
    const browser = new Browser(app)
    const { code, federation } = await browser.signIn(provider.id, { mode: 'token' })
    t.equal(federation, 'signed_in')
    t.equal(await browser.whoIsIn(), null, 'no cookie session')
    const tokens = expectJson<{ accessToken: string; user: { email: string } }>(await browser.redeem(code), 200)
    t.equal(tokens.user.email, 'ada@example.com')
    t.equal((await app.inject({ url: '/api/v1/me', headers: as.bearer(tokens.accessToken) })).statusCode, 200)
    t.equal((await browser.redeem(code)).statusCode, 410, 'once')
  })

  t.test('and links it to an account of before only by signing in to that', async (t) => {
    const { user } = await as.signUp('grace@example.com')
    upstream.account.sub = 'grace'
    upstream.account.email = 'grace@example.com'
    const browser = new Browser(app)
    t.equal((await browser.signIn(provider.id)).federation, 'link_required')
    t.equal(await browser.whoIsIn(), null)
    t.match(expectJson(await browser.ask({ url: '/api/v1/auth/providers/link' }), 200), { email: 'grace@example.com', provider: { id: provider.id } })
    const { accessToken } = expectJson<{ accessToken: string }>(await browser.ask({ method: 'POST', url: '/api/v1/auth/login', payload: { email: 'grace@example.com', password: PASSWORD } }), 200)
    t.equal((await browser.ask({ method: 'POST', url: '/api/v1/auth/providers/link', headers: as.bearer(accessToken) })).statusCode, 204)
    t.equal((await browser.signIn(provider.id)).federation, 'signed_in')
    t.equal((await browser.whoIsIn())?.id, user.id)
  })
})
