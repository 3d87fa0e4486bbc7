// OAuth with everybody at once on two nodes: each code, refresh token, pushed request and consent has one winner, and what is over stays over.
import t from 'tap'
import { expectJson, startApp } from '../support/app.js'
import { basic, CALLBACK, type Form, oauthHouse, type OAuthClientBody, type OAuthPerson, personOf, requestOf, type TokenBody } from '../support/oauth.js'

const CONFIG = { publicUrl: 'http://localhost:3000', requestsPerMinute: 100_000 }
const house = await startApp(t, { config: CONFIG })
const { app, as, database, clock } = house
const second = await startApp(t, { config: CONFIG, database, clock })
const { post, client, outcome } = await oauthHouse(house)
const MANY = 50
const ROUNDS = 200
const nodes = Array.from({ length: MANY }, (_, at) => (at % 2 === 0 ? app : second.app))
const web = await client({ kind: 'web', redirectUris: ['https://app.example.com/cb'], firstParty: true })
const asking = await client({ kind: 'web', redirectUris: ['https://app.example.com/cb'] })
const own = basic(web.clientId, web.clientSecret ?? '')

async function newPerson(): Promise<OAuthPerson> {
  const { user } = await as.signUp()
  const person = personOf(app, user.email)
  await person.signIn()
  return person
}

async function tokens(person: OAuthPerson, of = web): Promise<TokenBody> {
  const { query, redeem } = requestOf(of, { scope: 'openid offline_access' })
  return expectJson(await post('token', redeem((await person.open(query)).back?.get('code') ?? ''), credentialsOf(of)), 200)
}

const credentialsOf = ({ clientId, clientSecret }: OAuthClientBody) => basic(clientId, clientSecret ?? '')
const refresh = (token: string, node = app, of = web) => post('token', { grant_type: 'refresh_token', refresh_token: token }, credentialsOf(of), node)
const isAlive = async ({ access_token: token }: TokenBody): Promise<boolean> => (await app.inject({ url: '/oauth/userinfo', headers: as.bearer(token) })).statusCode === 200
const statuses = async (answers: Promise<{ statusCode: number }>[]): Promise<number[]> => (await Promise.all(answers)).map(({ statusCode }) => statusCode)
const countOf = (list: readonly unknown[], one: unknown): number => list.filter((other) => other === one).length

t.test('one code, fifty times on two nodes: one gets tokens, and the copies have ended them', async (t) => {
  const person = await newPerson()
  const { query, redeem } = requestOf(web)
  const code = (await person.open(query)).back?.get('code') ?? ''
  const before = await database.prisma.oAuthGrant.count()
  const answers = await Promise.all(nodes.map((node) => post('token', redeem(code), own, node)))
  t.equal(countOf(answers.map(({ statusCode }) => statusCode), 200), 1)
  t.equal(await database.prisma.oAuthGrant.count(), before + 1)
  const won = answers.find(({ statusCode }) => statusCode === 200)
  await app.revocations.pollNow()
  t.notOk(await isAlive(won?.json<TokenBody>() ?? { access_token: '', scope: '', expires_in: 0 }))
})

t.test('one refresh token, fifty times on two nodes: one successor for all', async (t) => {
  const { refresh_token: token = '' } = await tokens(await newPerson())
  const answers = await Promise.all(nodes.map((node) => refresh(token, node)))
  t.same([...new Set(answers.map(({ statusCode }) => statusCode))], [200])
  const next = new Set(answers.map((answer) => answer.json<TokenBody>().refresh_token))
  t.equal(next.size, 1, 'there are never two')
  expectJson(await refresh([...next][0] ?? '', second.app), 200)
})

t.test('an old refresh token beside the newest: the family is wholly alive or wholly dead', async (t) => {
  for (let round = 0; round < 8; round += 1) {
    const first = await tokens(await newPerson())
    const later = expectJson<TokenBody>(await refresh(first.refresh_token ?? ''), 200)
    const latest = expectJson<TokenBody>(await refresh(later.refresh_token ?? ''), 200)
    const [copy, own] = await Promise.all([refresh(first.refresh_token ?? '', nodes[round]), refresh(latest.refresh_token ?? '', nodes[round + 1])])
    t.equal(copy.statusCode, 400)
    await app.revocations.pollNow()
    t.notOk(await isAlive(own.statusCode === 200 ? own.json<TokenBody>() : latest))
    if (own.statusCode === 200) t.equal((await refresh(own.json<TokenBody>().refresh_token ?? '')).statusCode, 400)
  }
})

t.test('a revocation races refreshes, in two hundred interleavings: nothing lives after it', async (t) => {
  const person = await newPerson()
  // a person has fifty grants at a client at most
  const clients = await Promise.all(Array.from({ length: ROUNDS / MANY }, async () => client({ kind: 'web', redirectUris: [CALLBACK], firstParty: true })))
  const of = (round: number): OAuthClientBody => clients[round % clients.length] ?? web
  const bodies: TokenBody[] = []
  while (bodies.length < ROUNDS) bodies.push(...(await Promise.all(Array.from({ length: 10 }, async (_, at) => tokens(person, of(bodies.length + at))))))
  const wait = async (turns: number): Promise<void> => {
    for (let turn = 0; turn < turns; turn += 1) await new Promise((resolve) => { setImmediate(resolve) })
  }
  const given: { body: TokenBody; of: OAuthClientBody }[] = bodies.map((body, round) => ({ body, of: of(round) }))
  let heard = 0
  for (const [round, body] of bodies.entries()) {
    const token = body.refresh_token ?? ''
    // each of the three starts up to five turns of the loop after the others
    const [one, , two] = await Promise.all([
      wait(round % 6).then(() => refresh(token, app, of(round))),
      wait(Math.floor(round / 6) % 6).then(() => post('revoke', { token }, credentialsOf(of(round)), second.app)),
      wait(Math.floor(round / 36) % 6).then(() => refresh(token, second.app, of(round))),
    ])
    for (const answer of [one, two]) if (answer.statusCode === 200) given.push({ body: answer.json(), of: of(round) })
    heard += one.statusCode === 200 ? 1 : 0
  }
  t.ok(heard > 0 && heard < ROUNDS, `of ${ROUNDS} revocations ${heard} came after a refresh`)
  await Promise.all([app, second.app].map((node) => node.revocations.pollNow()))
  t.equal(await database.prisma.session.count({ where: { kind: 'grant', endedAt: null, user: { email: person.email } } }), 0)
  for (const { body } of given) if (await isAlive(body)) t.fail('a token lives')
  t.same(new Set(await statuses(given.filter((_, at) => at % 5 === 0).map(async ({ body: { refresh_token: token = '' }, of: its }) => refresh(token, app, its)))), new Set([400]))
  // so many refusals have an address wait
  clock.advance(60_000)
})

t.test('one pushed request, fifty times on two nodes: one code', async (t) => {
  const person = await newPerson()
  const { query } = requestOf(web)
  const { request_uri: uri } = expectJson<{ request_uri: string }>(await post('par', query, own), 201)
  const cookie = [...person.pages.jar].map(([name, value]) => `${name}=${value}`).join('; ')
  const url = `/oauth/authorize?${new URLSearchParams({ client_id: web.clientId, request_uri: uri }).toString()}`
  const all = await statuses(nodes.map((node) => node.inject({ url, headers: { cookie } })))
  t.same([countOf(all, 303), countOf(all, 400)], [1, MANY - 1], all.join())
})

t.test('one consent, fifty times on two nodes: it is given once, and each request gets a code or is looked at anew', async (t) => {
  const person = await newPerson()
  const { query } = requestOf(asking)
  const { location } = await person.open(query)
  const csrf = await person.pages.token(location)
  const cookie = [...person.pages.jar].map(([name, value]) => `${name}=${value}`).join('; ')
  const payload = new URLSearchParams({ answer: 'yes', version: '0', csrf }).toString()
  const answers = await Promise.all(nodes.map((node) => node.inject({ method: 'POST', url: location, headers: { cookie, 'content-type': 'application/x-www-form-urlencoded', 'sec-fetch-site': 'same-origin' }, payload })))
  const all = answers.map(({ statusCode }) => statusCode)
  t.same([countOf(all, 200), countOf(all, 303)], [1, MANY - 1])
  t.equal(await database.prisma.oAuthConsent.count({ where: { clientId: asking.id } }), 1)
  t.equal(await database.prisma.auditEvent.count({ where: { action: 'consent.given', targetId: asking.id } }), 1)
})

t.test('a sign-in ends while its code is redeemed: no grant of it lives', async (t) => {
  for (let round = 0; round < 6; round += 1) {
    const person = await newPerson()
    const { query, redeem } = requestOf(web, { scope: 'openid' })
    const code = (await person.open(query)).back?.get('code') ?? ''
    const [answer] = await Promise.all([post('token', redeem(code), own, second.app), person.pages.submit('/ui/sign-out', {})])
    await Promise.all([app, second.app].map((node) => node.revocations.pollNow()))
    if (answer.statusCode === 200) t.notOk(await isAlive(answer.json<TokenBody>()))
    else t.equal(await outcome(answer), '400 invalid_grant')
  }
})

t.test('a client is disabled while everybody refreshes: nobody gets in afterwards', async (t) => {
  const made = await client({ kind: 'web', redirectUris: ['https://app.example.com/cb'], firstParty: true })
  const credentials = basic(made.clientId, made.clientSecret ?? '')
  const person = await newPerson()
  const bodies: TokenBody[] = []
  for (let at = 0; at < 8; at += 1) {
    const { query, redeem } = requestOf(made, { scope: 'openid offline_access' })
    bodies.push(expectJson(await post('token', redeem((await person.open(query)).back?.get('code') ?? ''), credentials), 200))
  }
  const again = ({ refresh_token: token = '' }: TokenBody, at: number): Promise<{ statusCode: number }> => post('token', { grant_type: 'refresh_token', refresh_token: token } satisfies Form, credentials, nodes[at])
  const admin = await as.admin()
  await Promise.all([...bodies.map(again), app.inject({ method: 'PATCH', url: `/api/v1/clients/${made.id}`, headers: { ...admin, 'if-match': '*' }, payload: { enabled: false } })])
  await Promise.all([app, second.app].map((node) => node.revocations.pollNow()))
  t.same([...new Set(await statuses(bodies.map(again)))], [401])
  for (const body of bodies) t.notOk(await isAlive(body))
})
