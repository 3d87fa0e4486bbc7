// The node dies between any two statements of an OAuth endpoint, or after one that nobody hears of: no grant that was acknowledged is lost, none that is over comes
// back, and what may be used once gives one thing.
import t, { type Test } from 'tap'
import { expectJson, startApp } from '../support/app.js'
import { failStatements } from '../support/failing-statements.js'
import { API, basic, CALLBACK, clientKeys, oauthHouse, personOf, requestOf, type TokenBody } from '../support/oauth.js'

const CONFIG = { publicUrl: 'http://localhost:3000' }
const MOST = 12
const house = await startApp(t, { config: CONFIG })
const { app, as, database, clock } = house
const { prisma } = database
const { post, client, resource, outcome } = await oauthHouse(house)
await resource(API)
const web = await client({ kind: 'web', redirectUris: [CALLBACK], firstParty: true })
const asking = await client({ kind: 'web', redirectUris: [CALLBACK] })
const keys = clientKeys()
const service = await client({ kind: 'service', resources: [API], scopes: ['read'], authMethod: 'private_key_jwt', jwks: keys.jwks })
const own = basic(web.clientId, web.clientSecret ?? '')
const { user } = await as.signUp()
const person = personOf(app, user.email)
await person.signIn()
const failing = failStatements(database.pool)

const isAlive = async ({ access_token: token }: TokenBody): Promise<boolean> => {
  await app.revocations.pollNow()
  return (await app.inject({ url: '/oauth/userinfo', headers: as.bearer(token) })).statusCode === 200
}
const live = () => prisma.session.count({ where: { userId: user.id, kind: 'grant', endedAt: null } })
const refresh = (token: string) => post('token', { grant_type: 'refresh_token', refresh_token: token }, own)

/** Tries `once` with each of its statements failing in turn, before it is sent and after it was done; `once` gets a way to run a piece of work so. */
async function everywhere(t: Pick<Test, 'ok'>, least: number, once: (fail: (work: () => Promise<unknown>) => Promise<boolean>, where: string) => Promise<void>): Promise<void> {
  let tried = 0
  for (const after of [false, true]) {
    for (let n = 1, hit = true; hit && n <= MOST; n += 1) {
      hit = false
      await once(async (work) => (hit = await failing.during(n, after, work)), `${n} ${after ? 'after' : 'before'}`)
      if (hit) tried += 1
    }
  }
  t.ok(tried >= least * 2, `${tried} places`)
}

async function codeOf(): Promise<ReturnType<ReturnType<typeof requestOf>['redeem']>> {
  const { query, redeem } = requestOf(web, { scope: 'openid offline_access' })
  return redeem((await person.open(query)).back?.get('code') ?? '')
}
const tokens = async (): Promise<TokenBody> => expectJson(await post('token', await codeOf(), own), 200)

t.test('a code is redeemed: whoever was told of tokens has them, and whoever was not has none that live', (t) => everywhere(t, 2, async (fail, where) => {
  const before = await live()
  const form = await codeOf()
  let first = ''
  let body: TokenBody | undefined
  await fail(async () => {
    const answer = await post('token', form, own)
    first = await outcome(answer)
    if (answer.statusCode === 200) body = answer.json<TokenBody>()
  })
  if (body) {
    t.ok(await isAlive(body), where)
    return
  }
  t.match(first, /^5\d\d/, where)
  const again = await post('token', form, own)
  if (again.statusCode === 200) t.ok(await isAlive(again.json<TokenBody>()), where)
  else {
    t.equal(await outcome(again), '400 invalid_grant', where)
    t.equal(await live(), before, `${where}: a second use ends what the first has made`)
  }
  t.equal(await outcome(post('token', form, own)), '400 invalid_grant', where)
  t.equal(await live(), before, where)
}))

t.test('a code comes a second time: the grant that it made ends, if not now then when it comes again', (t) => everywhere(t, 5, async (fail, where) => {
  const form = await codeOf()
  const body = expectJson<TokenBody>(await post('token', form, own), 200)
  await fail(() => post('token', form, own))
  t.equal(await outcome(post('token', form, own)), '400 invalid_grant', where)
  t.notOk(await isAlive(body), where)
  t.equal(await outcome(refresh(body.refresh_token ?? '')), '400 invalid_grant', where)
}))

t.test('a refresh token is used: it or its one successor goes on, whatever was heard', (t) => everywhere(t, 2, async (fail, where) => {
  const { refresh_token: token = '' } = await tokens()
  let body: TokenBody | undefined
  await fail(async () => {
    const answer = await refresh(token)
    if (answer.statusCode === 200) body = answer.json<TokenBody>()
    else t.equal(answer.statusCode, 503, where)
  })
  const again = expectJson<TokenBody>(await refresh(token), 200)
  if (body) t.equal(again.refresh_token, body.refresh_token, `${where}: the same successor`)
  const next = expectJson<TokenBody>(await refresh(again.refresh_token ?? ''), 200)
  t.ok(await isAlive(next), where)
}))

t.test('an old refresh token comes: the grant ends, if not now then when it comes again', (t) => everywhere(t, 4, async (fail, where) => {
  const { refresh_token: old = '' } = await tokens()
  const next = expectJson<TokenBody>(await refresh(old), 200)
  const latest = expectJson<TokenBody>(await refresh(next.refresh_token ?? ''), 200)
  await fail(() => refresh(old))
  t.equal(await outcome(refresh(old)), '400 invalid_grant', where)
  t.notOk(await isAlive(latest), where)
  t.equal(await outcome(refresh(latest.refresh_token ?? '')), '400 invalid_grant', where)
}))

t.test('a refresh token is given back: what was acknowledged is over, and stays so', (t) => everywhere(t, 4, async (fail, where) => {
  const body = await tokens()
  let status = 0
  const giveBack = async (): Promise<void> => {
    status = (await post('revoke', { token: body.refresh_token ?? '' }, own)).statusCode
  }
  await fail(giveBack)
  if (status !== 200) await giveBack()
  t.equal(status, 200, where)
  t.notOk(await isAlive(body), where)
  t.equal(await outcome(refresh(body.refresh_token ?? '')), '400 invalid_grant', where)
}))

t.test('a service proves itself: an assertion gives one token at most', (t) => everywhere(t, 1, async (fail, where) => {
  const seconds = Math.floor(clock.now() / 1_000)
  const assertion = (jti: string) => keys.assertion({ iss: service.clientId, sub: service.clientId, aud: app.publicOrigin(), exp: seconds + 60, jti: `${jti} ${where}` })
  const ask = async (text: string) => post('token', { grant_type: 'client_credentials', client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer', client_assertion: text })
  const text = await assertion('one')
  const statuses: number[] = []
  await fail(async () => void statuses.push((await ask(text)).statusCode))
  for (let more = 0; more < 2; more += 1) statuses.push((await ask(text)).statusCode)
  t.ok(statuses.filter((status) => status === 200).length <= 1, `${where}: ${statuses.join()}`)
  expectJson(await ask(await assertion('two')), 200)
}))

t.test('a request is pushed and used: it gives one code at most, and can be pushed again', async (t) => {
  await everywhere(t, 1, async (fail, where) => {
    const { query } = requestOf(web)
    await fail(() => post('par', query, own))
    expectJson(await post('par', query, own), 201)
    t.ok(where)
  })
  await everywhere(t, 2, async (fail, where) => {
    const { query } = requestOf(web)
    const { request_uri: uri } = expectJson<{ request_uri: string }>(await post('par', query, own), 201)
    const before = await prisma.oAuthCode.count()
    const codes: string[] = []
    const go = async (): Promise<void> => {
      const code = (await person.open({ client_id: web.clientId, request_uri: uri })).back?.get('code')
      if (typeof code === 'string') codes.push(code)
    }
    await fail(go)
    await go()
    await go()
    t.ok(codes.length <= 1, where)
    t.equal(await prisma.oAuthCode.count(), before + 1, `${where}: one row`)
  })
})

t.test('a person says yes: the consent, its audit row and the code are there, or none of them', (t) => everywhere(t, 5, async (fail, where) => {
  const { query } = requestOf(asking)
  const { location } = await person.open(query)
  const audited = () => prisma.auditEvent.count({ where: { action: 'consent.given', targetId: asking.id } })
  const codes = () => prisma.oAuthCode.count({ where: { clientId: asking.id } })
  const before = [await audited(), await codes()] as const
  await fail(() => person.pages.submit(location, { answer: 'yes', version: '0' }))
  const given = await prisma.oAuthConsent.count({ where: { clientId: asking.id } })
  t.same([await audited(), await codes()], before.map((count) => count + given), where)
  await prisma.oAuthConsent.deleteMany({ where: { clientId: asking.id } })
}))
