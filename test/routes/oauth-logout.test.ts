// Logout: what a client may begin (the modules of the RP-initiated logout plan by their names), and what clients are told of every end of a session.
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createLocalJWKSet, type JSONWebKeySet, type JWTPayload, jwtVerify } from 'jose'
import t from 'tap'
import { QUEUED_WORK } from '../../src/queue/index.js'
import { expectJson, PASSWORD, startApp } from '../support/app.js'
import { serve } from '../support/mcp.js'
import { basic, type Form, formOf, type OAuthClientBody, oauthHouse, type OAuthPerson, personOf, requestOf, type TokenBody } from '../support/oauth.js'
import { eventually } from '../support/redis.js'

const BYE = 'https://app.example.com/bye'

t.test('logout', async (t) => {
  const main = await startApp(t, { config: { publicUrl: 'http://localhost:3000', outboundAllow: ['127.0.0.0/8'] } })
  const { app, as, clock, database } = main
  const { post, client, outcome } = await oauthHouse(main)
  const told: string[] = []
  let status = 200
  const server = createServer((request, response) => {
    let body = ''
    request.on('data', (part: Buffer) => (body += part.toString())).on('end', () => {
      told.push(new URLSearchParams(body).get('logout_token') ?? '')
      response.writeHead(status).end()
    })
  })
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  const backchannelLogoutUri = `http://127.0.0.1:${(server.address() as AddressInfo).port}/logout`
  const web = await client({ kind: 'web', redirectUris: ['https://app.example.com/cb'], postLogoutRedirectUris: [BYE, `${BYE}?a=1`], firstParty: true, backchannelLogoutUri })
  const quiet = await client({ kind: 'web', redirectUris: ['https://app.example.com/cb'], firstParty: true })
  const asked = await client({ kind: 'web', redirectUris: ['https://app.example.com/cb'], backchannelLogoutUri })
  const leaving = await Promise.all(['deleted', 'disabled'].map((name) => client({ kind: 'web', name, redirectUris: ['https://app.example.com/cb'], firstParty: true, backchannelLogoutUri })))
  const admin = async () => as.bearer(expectJson<{ accessToken: string }>(await app.inject({ method: 'POST', url: '/api/v1/auth/login', payload: { email: 'admin@example.com', password: PASSWORD, endOldest: true } }), 200).accessToken)
  const own = (of: OAuthClientBody): Record<string, string> => basic(of.clientId, of.clientSecret ?? '')

  interface Login {
    id: string
    person: OAuthPerson
    body: TokenBody
  }
  const tokensOf = async (person: OAuthPerson, of = web, scope = 'openid'): Promise<TokenBody> => {
    const { query, redeem } = requestOf(of, { scope })
    return expectJson(await post('token', redeem((await person.through(query)).back?.get('code') ?? ''), own(of)), 200)
  }
  const logIn = async (of = web, scope = 'openid'): Promise<Login> => {
    const { user } = await as.signUp()
    const person = personOf(app, user.email)
    await person.signIn()
    return { id: user.id, person, body: await tokensOf(person, of, scope) }
  }
  const logout = ({ person }: Login, query: Form) => person.pages.open(`/oauth/logout?${formOf(query)}`)
  const isIn = async ({ person }: Login): Promise<boolean> => (await person.pages.open('/ui/account')).statusCode === 200
  const isAlive = async ({ access_token: token }: TokenBody): Promise<boolean> => (await app.inject({ url: '/oauth/userinfo', headers: as.bearer(token) })).statusCode === 200
  /** All that is noted is promised and sent; the tokens that came. */
  const deliver = async (node = app): Promise<JWTPayload[]> => {
    const before = told.length
    await node.jobs.run('promising to tell clients of logouts')
    await node.jobs.run(QUEUED_WORK)
    for (let look = 0; look < 200 && (await database.prisma.queuedWork.count({ where: { queue: 'oauth-logout', claim: { not: null } } })) > 0; look += 1) await new Promise((resolve) => void setImmediate(resolve))
    const keys = createLocalJWKSet(expectJson<JSONWebKeySet>(await app.inject('/.well-known/jwks.json'), 200))
    return Promise.all(told.slice(before).map(async (token) => (await jwtVerify(token, keys, { issuer: app.publicOrigin(), typ: 'logout+jwt', currentDate: new Date(clock.now()) })).payload))
  }
  const sid = ({ id_token: token = '' }: TokenBody): unknown => (JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as { sid: string }).sid

  t.test('oidcc-rp-initiated-logout: with a hint and a registered address, at once', async (t) => {
    const one = await logIn()
    const answer = await logout(one, { id_token_hint: one.body.id_token ?? '', post_logout_redirect_uri: BYE, state: 'a b' })
    t.match([answer.statusCode, answer.headers.location], [303, `${BYE}?state=a+b`])
    t.notOk(await isIn(one))
    t.notOk(await isAlive(one.body))
    const other = await logIn()
    t.equal((await logout(other, { id_token_hint: other.body.id_token ?? '', post_logout_redirect_uri: `${BYE}?a=1`, client_id: web.clientId, state: 's' })).headers.location, `${BYE}?a=1&state=s`)
    t.equal((await logout(other, { id_token_hint: other.body.id_token ?? '', post_logout_redirect_uri: BYE })).headers.location, BYE, 'and again, when it is over')
    clock.advance(3_600_000)
    const old = await logIn()
    clock.advance(3_600_000)
    t.equal((await logout(old, { id_token_hint: old.body.id_token ?? '', post_logout_redirect_uri: BYE })).headers.location, BYE, 'a hint may be old')
    t.notOk(await isIn(old))
  })

  t.test('-bad-post-logout-redirect-uri, -query-added, -modified-id-token-hint, -bad-id-token-hint: a page of ours, and nobody is signed out', async (t) => {
    const one = await logIn()
    const hint = one.body.id_token ?? ''
    const elsewhere = await logIn(quiet)
    const table: Form[] = [
      { id_token_hint: hint, post_logout_redirect_uri: 'https://evil.example/' }, { id_token_hint: hint, post_logout_redirect_uri: `${BYE}?x=1` }, { id_token_hint: hint, post_logout_redirect_uri: `${BYE}/` }, { id_token_hint: `${hint}x`, post_logout_redirect_uri: BYE }, { id_token_hint: 'x', post_logout_redirect_uri: BYE },
      { id_token_hint: one.body.access_token, post_logout_redirect_uri: BYE }, { id_token_hint: hint, client_id: quiet.clientId, post_logout_redirect_uri: BYE }, { id_token_hint: elsewhere.body.id_token ?? '', post_logout_redirect_uri: BYE }, { post_logout_redirect_uri: BYE }, { id_token_hint: hint, post_logout_redirect_uri: BYE, state: 'x'.repeat(1_600) },
    ]
    for (const query of table) {
      const answer = await logout(one, query)
      t.match([answer.statusCode, answer.headers['content-type']], [400, /text\/html/], JSON.stringify(query).slice(0, 60))
    }
    t.equal((await one.person.pages.open(`/oauth/logout?${formOf({ id_token_hint: hint })}&id_token_hint=${hint}`)).statusCode, 400)
    t.ok(await isIn(one))
  })

  t.test('-no-id-token-hint, -no-params, -only-state, -no-post-logout-redirect-uri: it is asked, or our own page says that it is done', async (t) => {
    const one = await logIn()
    for (const query of [{}, { state: 'x' }, { client_id: web.clientId, post_logout_redirect_uri: BYE }] as Form[]) t.equal((await logout(one, query)).headers.location, '/ui/sign-out', JSON.stringify(query))
    t.ok(await isIn(one))
    const another = await logIn()
    t.equal((await logout(one, { id_token_hint: another.body.id_token ?? '', post_logout_redirect_uri: BYE })).headers.location, '/ui/sign-out', 'somebody else\'s hint signs nobody out')
    t.ok(await isIn(one))
    t.equal((await logout(one, { id_token_hint: one.body.id_token ?? '' })).headers.location, '/ui/signed-out')
    t.notOk(await isIn(one))
    t.equal((await logout(one, {})).headers.location, '/ui/signed-out')
    const posted = await post('logout', { id_token_hint: 'x', state: 's' })
    t.match([posted.statusCode, posted.headers.location], [303, /^\/oauth\/logout\?id_token_hint=x&state=s/])
  })

  t.test('oidcc-backchannel-rp-initiated-logout: iss, aud, iat, exp, jti, events, sid, sub, and no nonce', async (t) => {
    await deliver()
    const one = await logIn()
    await logout(one, { id_token_hint: one.body.id_token ?? '' })
    const [claims, ...more] = await deliver()
    t.same(more, [])
    const iat = Math.floor(clock.now() / 1_000)
    t.same(Object.keys(claims ?? {}).toSorted(), ['aud', 'events', 'exp', 'iat', 'iss', 'jti', 'sid', 'sub'])
    t.match(claims, { aud: web.clientId, sub: one.id, sid: sid(one.body), iat, exp: iat + 120, events: { 'http://schemas.openid.net/event/backchannel-logout': {} } })
    t.same(await deliver(), [], 'once')
    t.equal((await app.inject({ url: '/oauth/userinfo', headers: as.bearer(told.at(-1) ?? '') })).statusCode, 401, 'a logout token is no access token')
  })

  t.test('whatever ends a session is told of: signing out, everywhere, a new password, suspension, deletion, withdrawal, time', async (t) => {
    const headersOf = async ({ person }: Login) => as.bearer(expectJson<{ accessToken: string }>(await app.inject({ method: 'POST', url: '/api/v1/auth/login', payload: { email: person.email, password: PASSWORD } }), 200).accessToken)
    const ways: [string, (one: Login) => Promise<unknown>][] = [
      ['signing out', ({ person }) => person.pages.submit('/ui/sign-out', {})],
      ['everywhere else', async (one) => app.inject({ method: 'DELETE', url: '/api/v1/sessions', headers: await headersOf(one) })],
      ['suspension', async ({ id }) => app.inject({ method: 'PATCH', url: `/api/v1/users/${id}`, headers: { ...(await admin()), 'if-match': '*' }, payload: { status: 'suspended' } })],
      ['deletion', async ({ id }) => app.inject({ method: 'DELETE', url: `/api/v1/users/${id}`, headers: await admin() })],
      ['by hand', async ({ id }) => database.pool.query('UPDATE sessions SET ended_at = now() WHERE user_id = $1', [id])],
      ['a refresh token given back', ({ body }) => post('revoke', { token: body.refresh_token ?? '' }, own(web))],
      ['a refresh token that came twice', async ({ body }) => {
        const next = expectJson<TokenBody>(await post('token', { grant_type: 'refresh_token', refresh_token: body.refresh_token ?? '' }, own(web)), 200)
        await post('token', { grant_type: 'refresh_token', refresh_token: next.refresh_token ?? '' }, own(web))
        await post('token', { grant_type: 'refresh_token', refresh_token: body.refresh_token ?? '' }, own(web))
      }],
    ]
    for (const [name, end] of ways) {
      await deliver()
      const one = await logIn()
      await end(one)
      t.match(await deliver(), [{ sub: one.id, sid: sid(one.body) }], name)
      await app.revocations.pollNow()
      t.notOk(await isAlive(one.body), name)
    }
    const withdrawn = await logIn(asked)
    expectJson(await app.inject({ url: '/api/v1/me/grants', headers: await headersOf(withdrawn) }), 200)
    await app.inject({ method: 'DELETE', url: `/api/v1/me/grants/${asked.id}`, headers: await headersOf(withdrawn) })
    t.match(await deliver(), [{ sub: withdrawn.id, aud: asked.clientId }], 'withdrawal')
    const forgotten = await logIn()
    await deliver()
    clock.advance(15 * 86_400_000)
    await app.jobs.run('ending grants that time has ended')
    t.ok((await deliver()).some(({ sub }) => sub === forgotten.id), 'time')
  })

  t.test('an offline grant goes on when its sign-in ends, and its client is told; a client that wants nothing is told nothing', async (t) => {
    await deliver()
    const [one, silent] = [await logIn(web, 'openid offline_access'), await logIn(quiet)]
    await one.person.pages.submit('/ui/sign-out', {})
    await silent.person.pages.submit('/ui/sign-out', {})
    t.match(await deliver(), [{ sub: one.id }])
    t.ok(await isAlive(one.body))
    expectJson(await post('token', { grant_type: 'refresh_token', refresh_token: one.body.refresh_token ?? '' }, own(web)), 200)
    t.notOk(await isAlive(silent.body))
  })

  t.test('a client that hangs holds one place: others are told meanwhile', async (t) => {
    await deliver()
    const [before, held] = [told.length, [] as (() => void)[]]
    let isAnswered = false
    let [atOnce, most] = [0, 0]
    const hanging = await serve(t, createServer((request, response) => {
      request.resume()
      most = Math.max(most, (atOnce += 1))
      response.on('close', () => (atOnce -= 1))
      if (isAnswered) held.push(() => response.writeHead(503).end())
      else response.writeHead(503).end()
      isAnswered = true
    }))
    const headers = { ...(await admin()), 'if-match': '*' }
    await app.inject({ method: 'PATCH', url: `/api/v1/clients/${asked.id}`, headers, payload: { backchannelLogoutUri: `${hanging}/logout` } })
    await app.revocations.pollNow()
    const end = async (of: OAuthClientBody): Promise<void> => void (await (await logIn(of)).person.pages.submit('/ui/sign-out', {}))
    await end(asked)
    await deliver()
    t.equal(most, 1)
    for (let count = 0; count < 12; count += 1) await end(asked)
    await end(web)
    await app.jobs.run('promising to tell clients of logouts')
    await app.jobs.run(QUEUED_WORK)
    await eventually(() => told.length > before, 20_000)
    await eventually(async () => (await database.prisma.queuedWork.count({ where: { queue: 'oauth-logout', attempts: 0 } })) === 0, 20_000)
    t.equal(most, 1)
    for (const release of held) release()
    await app.inject({ method: 'PATCH', url: `/api/v1/clients/${asked.id}`, headers, payload: { backchannelLogoutUri } })
    await app.revocations.pollNow()
    let late = 0
    for (let tries = 0; tries < 10 && (await database.prisma.queuedWork.count({ where: { queue: 'oauth-logout' } })) > 0; tries += 1) {
      clock.advance(600_000)
      late += (await deliver()).length
    }
    t.equal(late, 13, 'and told of all when it answers again')
  })

  t.test('a client that fails is told again, and one that says no is not', async (t) => {
    await deliver()
    status = 503
    const one = await logIn()
    await one.person.pages.submit('/ui/sign-out', {})
    t.equal((await deliver()).length, 1)
    status = 200
    clock.advance(60_000)
    t.match(await deliver(), [{ sub: one.id }], 'again, with a token that is new')
    status = 400
    const two = await logIn()
    await two.person.pages.submit('/ui/sign-out', {})
    t.equal((await deliver()).length, 1)
    status = 200
    clock.advance(60_000)
    t.same(await deliver(), [])
    t.match(await database.prisma.deadLetter.findFirst({ where: { queue: 'oauth-logout' } }), { error: 'it answered 400', about: { client: web.id } })
  })

  t.test('a client that is deleted or disabled at one node is told of each session of its by another, and none comes back', async (t) => {
    await deliver()
    const { app: second } = await startApp(t, { config: { publicUrl: 'http://localhost:3000', outboundAllow: ['127.0.0.0/8'] }, database, clock })
    for (const of of leaving) {
      const logins = await Promise.all(['openid', 'openid offline_access'].map((scope) => logIn(of, scope)))
      const [bystander, url] = [await logIn(), `/api/v1/clients/${of.id}`]
      const { statusCode } = of === leaving[0] ? await app.inject({ method: 'DELETE', url, headers: await admin() }) : await app.inject({ method: 'PATCH', url, headers: { ...(await admin()), 'if-match': '*' }, payload: { enabled: false } })
      t.ok(statusCode < 300)
      const claims = await deliver(second)
      t.same(claims.map(({ aud, sub, sid: session }) => [aud, sub, session].join(' ')).toSorted(), logins.map(({ id, body }) => [of.clientId, id, sid(body)].join(' ')).toSorted())
      t.equal(await database.prisma.session.count({ where: { kind: 'grant', endedAt: null, userId: { in: logins.map(({ id }) => id) } } }), 0)
      t.ok(await isIn(bystander), 'and nobody else is touched')
      t.ok(await isAlive(bystander.body))
      clock.advance(61_000)
      t.same(await deliver(second), [], 'once')
      t.equal(await database.prisma.oAuthClientEnding.count({ where: { dueAt: { not: null } } }), 0)
      if (of === leaving[1]) {
        await app.inject({ method: 'PATCH', url, headers: { ...(await admin()), 'if-match': '*' }, payload: { enabled: true } })
        await app.revocations.pollNow()
        for (const { body } of logins) {
          t.equal(await outcome(post('token', { grant_type: 'refresh_token', refresh_token: body.refresh_token ?? '' }, own(of))), '400 invalid_grant')
          t.notOk(await isAlive(body))
        }
        const again = await logIn(of)
        clock.advance(61_000)
        t.same(await deliver(second), [])
        t.ok(await isAlive(again.body), 'what is given afterwards stays')
      }
    }
  })

  t.test('what was noted is told of once, however many nodes look', async (t) => {
    await deliver()
    const logins = await Promise.all(Array.from({ length: 4 }, () => logIn()))
    await Promise.all(logins.map(({ person }) => person.pages.submit('/ui/sign-out', {})))
    const second = await startApp(t, { config: { publicUrl: 'http://localhost:3000', outboundAllow: ['127.0.0.0/8'] }, database, clock })
    await Promise.all([app, second.app, app, second.app].map((node) => node.jobs.run('promising to tell clients of logouts')))
    t.equal(await database.prisma.oAuthLogout.count(), 0)
    const subjects = (await deliver()).map(({ sub }) => sub)
    t.ok(new Set(subjects).size === subjects.length)
    t.equal(await outcome(post('revoke', { token: 'x' }, own(web))), '200')
  })
})
