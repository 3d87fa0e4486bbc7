// Identities of people: linked by their owner alone, seen, taken away; and identity providers, as administrators write them down.
import t from 'tap'
import { expectJson, PASSWORD, type SignedIn, startApp } from '../support/app.js'
import { addProvider, Browser, FEDERATED, freshAdmin } from '../support/federation.js'
import { startUpstream } from '../support/upstream.js'

interface Identity {
  id: string
  provider: { id: string; name: string; brand: string; enabled: boolean }
  email: string | null
  lastUsedAt: string | null
}

const house = await startApp(t, { config: FEDERATED })
const { app, as, database, clock } = house
const upstream = await startUpstream(t)
const provider = await addProvider(house, upstream.issuer)
const identitiesOf = async ({ headers }: Pick<SignedIn, 'headers'>) => expectJson<{ data: Identity[] }>(await app.inject({ url: '/api/v1/me/identities', headers }), 200).data
const unlink = ({ headers }: Pick<SignedIn, 'headers'>, id: string) => app.inject({ method: 'DELETE', url: `/api/v1/me/identities/${id}`, headers })
const codeOf = (response: { json: <T>() => T }) => response.json<{ code: string }>().code

t.test('linking is begun by the signed-in owner, and ends in their browser and their session', async (t) => {
  const owner = await as.signUp('owner@example.com')
  upstream.reset('mine')
  upstream.says.claims = { sub: 'mine', email: 'other@example.com', email_verified: true }
  const browser = new Browser(app)
  t.match(await browser.link(provider.id, owner.headers), { path: '/account', federation: 'linked' })
  const [identity] = await identitiesOf(owner)
  t.match(identity, { provider: { id: provider.id, name: 'Upstream', brand: 'generic', enabled: true }, email: 'other@example.com', lastUsedAt: null })
  t.equal((await database.prisma.user.findUniqueOrThrow({ where: { id: owner.user.id } })).email, 'owner@example.com', 'whatever address it has')
  t.equal((await new Browser(app).link(provider.id, owner.headers)).federation, 'linked', 'a second time is the same')
  t.equal((await identitiesOf(owner)).length, 1)
  const other = await as.signUp('thief@example.com')
  t.match(await new Browser(app).link(provider.id, other.headers), { federation: 'failed', error: 'identity.taken' })
  t.same(await identitiesOf(other), [])
  const signedIn = new Browser(app)
  await signedIn.signIn(provider.id)
  t.equal((await signedIn.whoIsIn())?.id, owner.user.id)
  t.match(await database.prisma.auditEvent.findFirst({ where: { action: 'identity.linked', targetId: owner.user.id } }), { actorId: owner.user.id, details: { providerId: provider.id } })
})

t.test('a link that was begun in a session that has ended, or by who was stopped since, links nothing', async (t) => {
  const ways: [string, (one: SignedIn) => Promise<unknown>][] = [
    ['signed out', ({ headers }) => app.inject({ method: 'POST', url: '/api/v1/auth/logout', headers })],
    ['suspended', async ({ user }) => app.inject({ method: 'PATCH', url: `/api/v1/users/${user.id}`, headers: { ...(await freshAdmin(house)), 'if-match': '*' }, payload: { status: 'suspended' } })],
    ['deleted', async ({ user }) => app.inject({ method: 'DELETE', url: `/api/v1/users/${user.id}`, headers: await freshAdmin(house) })],
  ]
  for (const [name, stop] of ways) {
    const one = await as.signUp()
    upstream.reset(`stopped ${name}`)
    const browser = new Browser(app)
    const url = await browser.goTo(expectJson<{ authorizationUrl: string }>(await browser.startLink(provider.id, one.headers), 200).authorizationUrl)
    await stop(one)
    t.match(await browser.comeBack(url), { federation: 'failed', error: 'federation.state_invalid' }, name)
    t.equal(await database.prisma.externalIdentity.count({ where: { subject: `stopped ${name}` } }), 0)
  }
})

t.test('who may begin to link: a person, not a key, not a stranger', async (t) => {
  const payload = { providerId: provider.id, returnTo: '/account' }
  t.equal((await app.inject({ method: 'POST', url: '/api/v1/me/identities', payload })).statusCode, 401)
  const key = await as.key(['reports:read'])
  t.equal((await app.inject({ method: 'POST', url: '/api/v1/me/identities', headers: key.headers, payload })).statusCode, 403)
  t.equal((await app.inject({ url: '/api/v1/me/identities', headers: key.headers })).statusCode, 403)
})

t.test('the last way to sign in is not taken away', async (t) => {
  upstream.reset('only')
  const browser = new Browser(app)
  const { code } = await browser.signIn(provider.id, { mode: 'token' })
  const me = expectJson<{ accessToken: string; user: { id: string } }>(await browser.redeem(code), 200)
  const headers = as.bearer(me.accessToken)
  const [identity] = await identitiesOf({ headers })
  const refused = await unlink({ headers }, identity?.id ?? '')
  t.equal(refused.statusCode, 409)
  t.equal(codeOf(refused), 'identity.last')
  const second = await addProvider(house, (await startUpstream(t)).issuer)
  t.equal((await new Browser(app).link(second.id, headers)).federation, 'linked')
  await database.prisma.identityProvider.update({ where: { id: second.id }, data: { enabled: false } })
  t.equal(codeOf(await unlink({ headers }, identity?.id ?? '')), 'identity.last', 'one of a provider that is disabled is no way')
  await database.prisma.identityProvider.update({ where: { id: second.id }, data: { enabled: true } })
  t.equal((await unlink({ headers }, identity?.id ?? '')).statusCode, 204)
  t.equal((await unlink({ headers }, identity?.id ?? '')).statusCode, 404, 'it is gone')
  upstream.reset('only')
  t.not((await new Browser(app).signIn(provider.id)).federation, 'failed')
  t.equal((await identitiesOf({ headers })).length, 1, 'and whoever comes by it now is somebody new')
})

t.test('unlinking ends the other sessions, and is nobody else\'s to do', async (t) => {
  const owner = await as.signUp('ender@example.com')
  upstream.reset('ended')
  await new Browser(app).link(provider.id, owner.headers)
  const thief = new Browser(app)
  await thief.signIn(provider.id)
  t.ok(await thief.whoIsIn())
  const [identity] = await identitiesOf(owner)
  t.equal((await unlink(await as.signUp(), identity?.id ?? '')).statusCode, 404)
  t.equal((await unlink(owner, identity?.id ?? '')).statusCode, 204)
  t.equal(await thief.whoIsIn(), null)
  t.equal((await app.inject({ url: '/api/v1/me', headers: owner.headers })).statusCode, 200, 'this one goes on')
  t.match(await database.prisma.auditEvent.findFirst({ where: { action: 'identity.unlinked', targetId: owner.user.id } }), { actorId: owner.user.id })
})

t.test('administrators see and take away identities, within their reach', async (t) => {
  const owner = await as.signUp('seen@example.com')
  upstream.reset('seen')
  await new Browser(app).link(provider.id, owner.headers)
  const admin = await freshAdmin(house)
  const url = `/api/v1/users/${owner.user.id}/identities`
  const { data: [identity] } = expectJson<{ data: Identity[] }>(await app.inject({ url, headers: admin }), 200)
  const support = await as.signUp('support@example.com')
  await app.inject({ method: 'POST', url: '/api/v1/roles', headers: admin, payload: { name: 'support', permissions: ['gatehouse:users.write', 'gatehouse:users.read'] } })
  expectJson(await app.inject({ method: 'PATCH', url: `/api/v1/users/${support.user.id}`, headers: { ...admin, 'if-match': '*' }, payload: { roles: ['member', 'support'] } }), 200)
  await app.inject({ method: 'POST', url: '/api/v1/roles', headers: admin, payload: { name: 'reporter', permissions: ['reports:read'] } })
  expectJson(await app.inject({ method: 'PATCH', url: `/api/v1/users/${owner.user.id}`, headers: { ...admin, 'if-match': '*' }, payload: { roles: ['member', 'reporter'] } }), 200)
  const beyond = await app.inject({ method: 'DELETE', url: `${url}/${identity?.id ?? ''}`, headers: support.headers })
  t.equal(codeOf(beyond), 'permission.not_held', 'it decides how they come back: who may do less than they must not')
  t.equal((await app.inject({ method: 'DELETE', url: `${url}/${identity?.id ?? ''}`, headers: owner.headers })).statusCode, 403)
  t.equal((await app.inject({ method: 'DELETE', url: `${url}/${identity?.id ?? ''}`, headers: admin })).statusCode, 204)
  t.equal((await app.inject({ method: 'DELETE', url: `${url}/${identity?.id ?? ''}`, headers: admin })).statusCode, 404)
  t.equal((await app.inject({ url: '/api/v1/me', headers: owner.headers })).statusCode, 401, 'their sessions have ended')
})

t.test('an account has at most twenty', async (t) => {
  const owner = await as.signUp('collector@example.com')
  await database.prisma.externalIdentity.createMany({ data: Array.from({ length: 20 }, (_, at) => ({
    id: `00000000-0000-7000-8000-${String(at).padStart(12, '0')}`, userId: owner.user.id, providerId: provider.id, issuer: upstream.issuer, subject: `many-${at}`, createdAt: new Date(clock.now()),
  })) })
  upstream.reset('one too many')
  t.match(await new Browser(app).link(provider.id, owner.headers), { federation: 'failed', error: 'identity.cap_reached' })
})

t.test('a pending link is one account\'s, in one browser, for ten minutes', async (t) => {
  const owner = await as.signUp('pending@example.com')
  const pend = async () => {
    upstream.reset('pending')
    upstream.says.claims = { sub: 'pending', email: 'pending@example.com', email_verified: true }
    const browser = new Browser(app)
    t.equal((await browser.signIn(provider.id)).federation, 'link_required')
    return browser
  }
  const confirm = (browser: Browser, { headers }: Pick<SignedIn, 'headers'>) => browser.ask({ method: 'POST', url: '/api/v1/auth/providers/link', headers })
  const browser = await pend()
  t.equal(codeOf(await confirm(browser, await as.signUp('another@example.com'))), 'link.void', 'another account')
  t.equal(codeOf(await confirm(new Browser(app), owner)), 'link.void', 'another browser')
  t.equal((await confirm(browser, owner)).statusCode, 204)
  t.equal(codeOf(await confirm(browser, owner)), 'link.void', 'once')
  await unlink(owner, (await identitiesOf(owner))[0]?.id ?? '')
  const dropped = await pend()
  t.equal((await dropped.ask({ method: 'DELETE', url: '/api/v1/auth/providers/link' })).statusCode, 204)
  t.equal(codeOf(await confirm(dropped, owner)), 'link.void', 'dropped')
  const late = await pend()
  clock.advance(600_001)
  const { accessToken } = expectJson<{ accessToken: string }>(await app.inject({ method: 'POST', url: '/api/v1/auth/login', payload: { email: 'pending@example.com', password: PASSWORD } }), 200)
  t.equal(codeOf(await confirm(late, { headers: as.bearer(accessToken) })), 'link.void', 'late')
  t.equal((await late.ask({ url: '/api/v1/auth/providers/link' })).statusCode, 410)
  t.same(await identitiesOf({ headers: as.bearer(accessToken) }), [])
})

t.test('an anonymous account becomes a real one by it, with its id and its keys, where a stranger could have signed up', async (t) => {
  const open = await startApp(t, { config: { ...FEDERATED, anonymousUsers: true } })
  await open.as.admin()
  const source = await startUpstream(t)
  const { id } = await addProvider(open, source.issuer)
  const begin = async () => {
    const { accessToken, user } = expectJson<{ accessToken: string; user: { id: string } }>(await open.app.inject({ method: 'POST', url: '/api/v1/auth/anonymous' }), 201)
    return { id: user.id, headers: as.bearer(accessToken) }
  }
  const me = await begin()
  source.reset('nobody yet')
  t.equal((await new Browser(open.app).link(id, me.headers)).federation, 'linked')
  t.match(expectJson(await open.app.inject({ url: '/api/v1/me', headers: me.headers }), 200), { id: me.id, anonymous: false, email: null })
  const back = new Browser(open.app)
  await back.signIn(id)
  t.equal((await back.whoIsIn())?.id, me.id)
  t.match(expectJson(await open.app.inject({ url: '/api/v1/me/export', headers: me.headers }), 200), { identities: [{ provider: { id } }] }, 'and it is in the export of all that is kept')
  await open.database.prisma.identityProvider.update({ where: { id }, data: { signUp: 'never' } })
  source.reset('somebody else')
  t.match(await new Browser(open.app).link(id, (await begin()).headers), { error: 'signup.closed' })
})

t.test('/identity-providers', async (t) => {
  const headers = await freshAdmin(house)
  const add = (payload: object) => app.inject({ method: 'POST', url: '/api/v1/identity-providers', headers, payload })
  const good = { kind: 'oidc', name: 'Good', issuer: 'https://login.example.com', clientId: 'c', clientSecret: 'hunter2hunter2' }

  t.test('201 adds one, and no answer has its secret', async (t) => {
    const added = await add({ ...good, trustedEmailDomains: ['Example.COM', 'bücher.example'] })
    const view = expectJson<{ id: string; version: number }>(added, 201)
    t.match(view, { hasSecret: true, clientKey: null, signUp: 'policy', enabled: true, scopes: ['openid', 'email', 'profile'], trustedEmailDomains: ['example.com', 'xn--bcher-kva.example'] })
    t.match(added.headers['etag'], `"${view.id}.1"`)
    const read = await app.inject({ url: `/api/v1/identity-providers/${view.id}`, headers })
    const list = await app.inject({ url: '/api/v1/identity-providers', headers })
    const audit = JSON.stringify(await database.prisma.auditEvent.findMany({ where: { targetId: view.id } }))
    for (const text of [added.body, read.body, list.body, audit]) t.notMatch(text, /hunter2|secretCiphertext/)
    t.match(audit, /provider\.created/)
    const patched = await app.inject({ method: 'PATCH', url: `/api/v1/identity-providers/${view.id}`, headers: { ...headers, 'if-match': `"${view.id}.1"` }, payload: { clientSecret: null, name: 'Better' } })
    t.match(expectJson(patched, 200), { hasSecret: false, name: 'Better', version: 2 })
    t.equal((await app.inject({ method: 'PATCH', url: `/api/v1/identity-providers/${view.id}`, headers: { ...headers, 'if-match': `"${view.id}.1"` }, payload: { name: 'Stale' } })).statusCode, 412)
    t.equal((await app.inject({ method: 'PATCH', url: `/api/v1/identity-providers/${view.id}`, headers, payload: { name: 'Blind' } })).statusCode, 428)
    t.equal((await app.inject({ method: 'PATCH', url: `/api/v1/identity-providers/${view.id}`, headers: { ...headers, 'if-match': '*' }, payload: { issuer: 'https://evil.example' } })).statusCode, 400, 'an issuer never changes')
    t.equal((await app.inject({ method: 'DELETE', url: `/api/v1/identity-providers/${view.id}`, headers })).statusCode, 204)
    t.equal((await app.inject({ url: `/api/v1/identity-providers/${view.id}`, headers })).statusCode, 404)
  })

  t.test('400 for what cannot be right, by path', async (t) => {
    const wrong: [object, string][] = [
      [{ issuer: undefined }, '/issuer'], [{ issuer: 'http://8.8.8.8' }, '/issuer'], [{ issuer: 'https://10.0.0.1' }, '/issuer'], [{ issuer: 'https://169.254.169.254' }, '/issuer'], [{ issuer: 'https://[::1]' }, '/issuer'],
      [{ issuer: 'javascript:alert(1)' }, '/issuer'], [{ issuer: 'https://a.example/?x' }, '/issuer'], [{ issuer: 'https://user@a.example' }, '/issuer'], [{ name: '\u202e' }, '/name'], [{ trustedEmailDomains: ['a b'] }, '/trustedEmailDomains/0'],
      [{ tenants: ['common'] }, '/tenants/0'], [{ signUp: 'sometimes' }, '/signUp'], [{ kind: 'saml' }, '/kind'], [{ scopes: ['a"b'] }, '/scopes/0'], [{ clientKey: { teamId: 't', keyId: 'k', privateKey: 'x' } }, '/clientKey'],
    ]
    for (const [more, path] of wrong) {
      const refused = await add({ ...good, ...more })
      t.equal(refused.statusCode, 400, JSON.stringify(more))
      t.ok(refused.json<{ errors: { path: string }[] }>().errors.some((one) => one.path === path), `${path} in ${refused.body}`)
      t.notMatch(refused.body, /hunter2/)
    }
  })

  t.test('409 twice, 403 for who may not, and nobody gives it without holding everything', async (t) => {
    expectJson(await add(good), 201)
    t.equal(codeOf(await add(good)), 'provider.taken')
    const member = await as.signUp()
    t.equal((await app.inject({ method: 'POST', url: '/api/v1/identity-providers', headers: member.headers, payload: good })).statusCode, 403)
    t.equal((await app.inject({ url: '/api/v1/identity-providers', headers: member.headers })).statusCode, 403)
    await app.inject({ method: 'POST', url: '/api/v1/roles', headers, payload: { name: 'providers', permissions: ['gatehouse:providers.write', 'gatehouse:roles.write', 'gatehouse:users.write'] } })
    const holder = await as.signUp()
    expectJson(await app.inject({ method: 'PATCH', url: `/api/v1/users/${holder.user.id}`, headers: { ...headers, 'if-match': '*' }, payload: { roles: ['member', 'providers'] } }), 200)
    const given = await app.inject({ method: 'PATCH', url: `/api/v1/users/${member.user.id}`, headers: { ...holder.headers, 'if-match': '*' }, payload: { roles: ['member', 'providers'] } })
    t.equal(codeOf(given), 'permission.not_held', 'it weighs gatehouse:*')
  })

  t.test('409 at a hundred', async (t) => {
    const count = await database.prisma.identityProvider.count()
    await database.prisma.identityProvider.createMany({ data: Array.from({ length: 100 - count }, (_, at) => ({
      id: `00000000-0000-7000-8000-${String(at).padStart(12, '0')}`, kind: 'oidc' as const, name: 'x', issuer: `https://x${at}.example`, clientId: 'x', scopes: [], enabled: false, signUp: 'never' as const,
      trustedEmailDomains: [], tenants: [], formPost: false, createdAt: new Date(clock.now()), updatedAt: new Date(clock.now()),
    })) })
    t.equal(codeOf(await add({ ...good, issuer: 'https://one-too-many.example' })), 'provider.cap_reached')
  })
})
