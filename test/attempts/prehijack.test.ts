// The five ways to be in an account before its owner is (Sudhodanan and Paverd, USENIX Security 2022), each begun by somebody who knows the victim's
// address and nothing else. docs/security.md has the table.
import t from 'tap'
import { expectJson, PASSWORD, type SignedIn, startApp } from '../support/app.js'
import { addProvider, Browser, FEDERATED, freshAdmin } from '../support/federation.js'
import { workOff } from '../support/queued-work.js'
import { startUpstream } from '../support/upstream.js'

const VICTIM = 'victim@example.com'
const NEW = 'a quiet mountain of paper'

interface Scene {
  attacker: SignedIn
  recover: () => Promise<void>
}

const house = await startApp(t, { config: FEDERATED })
const { app, as, database } = house
const upstream = await startUpstream(t)
const provider = await addProvider(house, upstream.issuer)
const lax = await startUpstream(t)
const laxProvider = await addProvider(house, lax.issuer)

/** The victim comes by the provider that has proven their address. */
async function victimComes(): Promise<{ browser: Browser; federation: string | null }> {
  upstream.reset('victim')
  upstream.says.claims = { sub: 'victim', email: VICTIM, email_verified: true }
  const browser = new Browser(app)
  return { browser, federation: (await browser.signIn(provider.id)).federation }
}

/** The attacker was first: an account with the victim's address and a password of theirs. */
async function planted(): Promise<Scene> {
  await database.prisma.user.deleteMany({ where: { email: VICTIM } })
  await database.prisma.externalIdentity.deleteMany()
  const attacker = await as.signUp(VICTIM)
  return {
    attacker,
    async recover() {
      const { token } = expectJson<{ token: string }>(await app.inject({ method: 'POST', url: `/api/v1/users/${attacker.user.id}/password-reset`, headers: await freshAdmin(house) }), 201)
      t.equal((await app.inject({ method: 'POST', url: '/api/v1/auth/password/reset', payload: { token, newPassword: NEW } })).statusCode, 204)
    },
  }
}

const me = (headers: object) => app.inject({ url: '/api/v1/me', headers: { ...headers } })

t.test('1 classic-federated merge: a sign-in by a provider never ends in an account that somebody else has opened', async (t) => {
  const { attacker } = await planted()
  const { browser, federation } = await victimComes()
  t.equal(federation, 'link_required')
  t.equal(await browser.whoIsIn(), null, 'the victim is not put into the attacker\'s account')
  t.equal(await database.prisma.externalIdentity.count(), 0)
  const link = { method: 'POST', url: '/api/v1/auth/providers/link' } as const
  t.equal((await app.inject({ ...link, headers: attacker.headers })).statusCode, 410, 'and the attacker cannot finish what the victim began: it waits in another browser')
  t.equal((await browser.ask(link)).statusCode, 401, 'nor does anybody without the password')
})

t.test('2 unexpired session: whoever was signed in before the owner took the account over is out', async (t) => {
  const { attacker, recover } = await planted()
  const cookie = new Browser(app)
  expectJson(await cookie.ask({ method: 'POST', url: '/api/v1/auth/session', headers: { 'sec-fetch-site': 'same-origin' }, payload: { email: VICTIM, password: PASSWORD } }), 201)
  await recover()
  t.equal((await me(attacker.headers)).statusCode, 401, 'access token')
  t.equal((await app.inject({ method: 'POST', url: '/api/v1/auth/refresh', payload: { refreshToken: attacker.refreshToken } })).statusCode, 401, 'refresh token')
  t.equal(await cookie.whoIsIn(), null, 'cookie')
  t.equal((await app.inject({ method: 'POST', url: '/api/v1/auth/login', payload: { email: VICTIM, password: PASSWORD } })).statusCode, 401, 'password')
})

t.test('3 trojan identifier: an identity that the attacker linked while the account was theirs lets nobody back in', async (t) => {
  const { attacker, recover } = await planted()
  lax.reset('trojan')
  lax.says.claims = { sub: 'trojan', email: 'attacker@example.com', email_verified: true }
  t.equal((await new Browser(app).link(laxProvider.id, attacker.headers)).federation, 'linked')
  await recover()
  t.equal(await database.prisma.externalIdentity.count({ where: { userId: attacker.user.id } }), 0)
  const back = new Browser(app)
  await back.signIn(laxProvider.id)
  t.not((await back.whoIsIn())?.id, attacker.user.id, 'whoever comes by it now is somebody else')
  // an identity that proves the account's own address is the owner's: it stays
  const { accessToken } = expectJson<{ accessToken: string }>(await app.inject({ method: 'POST', url: '/api/v1/auth/login', payload: { email: VICTIM, password: NEW } }), 200)
  upstream.reset('owner')
  upstream.says.claims = { sub: 'owner', email: VICTIM, email_verified: true }
  t.equal((await new Browser(app).link(provider.id, as.bearer(accessToken))).federation, 'linked')
  await recover()
  const owner = new Browser(app)
  t.equal((await owner.signIn(provider.id)).federation, 'signed_in')
  t.equal((await owner.whoIsIn())?.id, attacker.user.id)
})

t.test('4 unexpired change: what the attacker began before the owner took the account over changes nothing afterwards', async (t) => {
  const { attacker, recover } = await planted()
  lax.reset('late')
  lax.says.claims = { sub: 'late', email: VICTIM, email_verified: false }
  const browser = new Browser(app)
  const url = await browser.goTo(expectJson<{ authorizationUrl: string }>(await browser.startLink(laxProvider.id, attacker.headers), 200).authorizationUrl)
  // and a link that sets a password, given before the last one
  const { token } = expectJson<{ token: string }>(await app.inject({ method: 'POST', url: `/api/v1/users/${attacker.user.id}/password-reset`, headers: await freshAdmin(house) }), 201)
  // and another address for the account: the attacker's own
  t.equal((await app.inject({ method: 'POST', url: '/api/v1/me/email', headers: attacker.headers, payload: { email: 'attacker@example.com' } })).statusCode, 202)
  await workOff(app)
  const change = /token=(gl_[\w-]{43})/.exec(app.outbox.list().find(({ to, kind }) => kind === 'email.change' && to === 'attacker@example.com')?.text ?? '')?.[1] ?? ''
  t.not(change, '')
  await recover()
  t.equal((await app.inject({ method: 'POST', url: '/api/v1/auth/email/change', payload: { token: change } })).statusCode, 410)
  t.match(await browser.comeBack(url), { federation: 'failed', error: 'federation.state_invalid' }, 'an identity that was on its way')
  t.equal(await database.prisma.externalIdentity.count({ where: { userId: attacker.user.id } }), 0)
  t.equal((await app.inject({ method: 'POST', url: '/api/v1/auth/password/reset', payload: { token, newPassword: NEW } })).statusCode, 410)
})

t.test('5 non-verifying provider: an address that nobody has proven opens nothing and stands in nobody\'s way', async (t) => {
  await database.prisma.user.deleteMany({ where: { email: VICTIM } })
  lax.reset('attacker')
  lax.says.claims = { sub: 'attacker', email: VICTIM, email_verified: false }
  const attacker = new Browser(app)
  t.equal((await attacker.signIn(laxProvider.id)).federation, 'signed_in')
  const planted = await attacker.whoIsIn()
  t.equal(planted?.email, null, 'the attacker has an account without the address')
  const { browser, federation } = await victimComes()
  t.equal(federation, 'signed_in', 'the victim has the address')
  const victim = await browser.whoIsIn()
  t.ok(victim && (await database.prisma.user.findUniqueOrThrow({ where: { id: victim.id } })).emailVerifiedAt, 'which has been proven')
  t.equal(victim?.email, VICTIM)
  t.not(victim?.id, planted?.id)
  await attacker.signIn(laxProvider.id)
  t.equal((await attacker.whoIsIn())?.id, planted?.id, 'and the attacker is where they were')
  // the other way about: the account is there first
  lax.reset('latecomer')
  lax.says.claims = { sub: 'latecomer', email: VICTIM, email_verified: false }
  const late = new Browser(app)
  t.equal((await late.signIn(laxProvider.id)).federation, 'signed_in', 'no word of whether there is an account')
  t.not((await late.whoIsIn())?.id, victim?.id)
})
