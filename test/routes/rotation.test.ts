// Rotating what signs and what encrypts: signing keys that overlap, and GATEHOUSE_SECRET with the one before it still read.
import t from 'tap'
import type { FastifyInstance, LightMyRequestResponse } from 'fastify'
import { buildApp } from '../../src/app.js'
import { secretReport } from '../../src/admin/commands/secret.js'
import { createSecretStatusStore } from '../../src/admin/secret-status-store.js'
import { createUpkeepService } from '../../src/admin/upkeep-service.js'
import { pepperIdOf } from '../../src/accounts/password-hasher.js'
import { createSecrets } from '../../src/kernel/secrets.js'
import { planRotation } from '../../src/tokens/rotation.js'
import { createSigningKeyStore, isKeyUnder as isUnder, WrongSecretError } from '../../src/tokens/signing-key-store.js'
import { expectJson, PASSWORD, SECRET, startApp, testConfig } from '../support/app.js'
import { createTestDatabase } from '../support/database.js'

const NEW_SECRET = 'the secret that comes after, 32 characters or more'

interface Pair {
  accessToken: string
  refreshToken: string
}

function kidOf(token: string): unknown {
  return (JSON.parse(Buffer.from(token.split('.')[0] ?? '', 'base64url').toString()) as Record<string, unknown>)['kid']
}

t.test('a signing key takes over while what the one before signed is good to its end, and no node is started anew', async (t) => {
  const { app, as, clock, database } = await startApp(t)
  const store = createSigningKeyStore({ prisma: database.prisma, secrets: createSecrets(SECRET), clock })
  const rotate = (atOnce = false) => database.transact((tx) => store.rotate(tx, planRotation(clock.now(), { accessTokenSeconds: 300, atOnce })))
  const published = async (): Promise<unknown[]> => expectJson<{ keys: { kid: string }[] }>(await app.inject({ url: '/.well-known/jwks.json' }), 200).keys.map(({ kid }) => kid)
  const status = async (token: string): Promise<number> => (await app.inject({ url: '/api/v1/whoami', headers: as.bearer(token) })).statusCode
  const { accessToken: first, refreshToken } = await as.adminUser()
  let refresh = refreshToken
  const nextToken = async (): Promise<string> => {
    const pair = expectJson<Pair>(await app.inject({ method: 'POST', url: '/api/v1/auth/refresh', payload: { refreshToken: refresh } }), 200)
    refresh = pair.refreshToken
    return pair.accessToken
  }
  // what the timer does twice a minute
  const readAnew = async (): Promise<void> => {
    clock.advance(1_000)
    const [head, ...rest] = first.split('.')
    t.ok(head)
    await status([Buffer.from(JSON.stringify({ alg: 'EdDSA', typ: 'at+jwt', kid: 'unknown' })).toString('base64url'), ...rest].join('.'))
  }

  const old = kidOf(first)
  const made = (await rotate())?.kid
  t.ok(made)
  t.equal(await rotate(), null, 'one that waits is enough')
  await readAnew()
  t.same(await published(), [old, made], 'published before it signs')
  t.equal(kidOf(await nextToken()), old)
  clock.advance(597_000)
  const last = await nextToken()
  t.equal(kidOf(last), old, 'until the moment it takes over')
  clock.advance(2_000)
  const token = await nextToken()
  t.equal(kidOf(token), made)
  t.same([await status(last), await status(token)], [200, 200])
  t.same(await published(), [made, old])
  clock.advance(600_000)
  t.same(await published(), [made], 'gone when nothing it signed can be good')

  const stolen = await nextToken()
  const after = (await rotate(true))?.kid
  await readAnew()
  t.same(await published(), [after])
  t.equal(await status(stolen), 401, 'at once')
  t.equal(kidOf(await nextToken()), after)

  const races = await Promise.all([rotate(), rotate(), rotate(), rotate()])
  t.equal(races.filter((one) => one !== null).length, 1, 'of many at once one makes a key')
  clock.advance(91 * 86_400_000)
  await rotate()
  t.equal(await database.prisma.signingKey.count(), 2, 'what has retired long ago is deleted')
})

t.test('GATEHOUSE_SECRET is rotated: what is under the one before is read, made anew, and good when that one is gone', async (t) => {
  const database = await createTestDatabase(t)
  const start = async (secret: string, previousSecret: string | null): Promise<FastifyInstance> => {
    const app = await buildApp({ config: testConfig({ previousSecret }), database, secret })
    t.teardown(() => app.close())
    await app.ready()
    return app
  }
  const login = (app: FastifyInstance): Promise<LightMyRequestResponse> =>
    app.inject({ method: 'POST', url: '/api/v1/auth/login', payload: { email: 'admin@example.com', password: PASSWORD } })
  const refreshed = async (app: FastifyInstance, refreshToken: string): Promise<Pair> =>
    expectJson<Pair>(await app.inject({ method: 'POST', url: '/api/v1/auth/refresh', payload: { refreshToken } }), 200)
  const hash = async (): Promise<string> => (await database.prisma.user.findFirstOrThrow()).passwordHash ?? ''
  const isKeyUnder = async (secret: string): Promise<boolean> => {
    const { kid, privateCiphertext } = await database.prisma.signingKey.findFirstOrThrow()
    return isUnder(createSecrets(secret), kid, privateCiphertext)
  }
  const sessionOf = (app: FastifyInstance, cookie: string) => app.inject({ url: '/api/v1/auth/session', headers: { cookie: `gatehouse=${cookie}` } })
  const cookieOf = (response: LightMyRequestResponse): string => response.cookies.find(({ name }) => name === 'gatehouse')?.value ?? ''

  const before = await start(SECRET, null)
  const token = before.setup.token()
  const pair = expectJson<Pair>(await before.inject({ method: 'POST', url: '/api/v1/setup', payload: { token, email: 'admin@example.com', password: PASSWORD } }), 201)
  const headers = { authorization: `Bearer ${pair.accessToken}` }
  const issue = (app: FastifyInstance): Promise<LightMyRequestResponse> =>
    app.inject({ method: 'POST', url: '/api/v1/keys', headers: { ...headers, 'idempotency-key': 'once' }, payload: { name: 'k' } })
  const issued = expectJson<{ key: string }>(await issue(before), 201)
  await before.inject({ method: 'POST', url: '/api/v1/keys', headers, payload: { name: 'l' } })
  const list = (app: FastifyInstance, cursor = ''): Promise<LightMyRequestResponse> => app.inject({ url: `/api/v1/keys?limit=1${cursor && `&cursor=${cursor}`}`, headers })
  const { page: { nextCursor } } = expectJson<{ page: { nextCursor: string } }>(await list(before), 200)
  const signIn = await before.inject({ method: 'POST', url: '/api/v1/auth/session', headers: { origin: before.publicOrigin() }, payload: { email: 'admin@example.com', password: PASSWORD } })
  const cookie = cookieOf(signIn)
  const { csrfToken } = (await sessionOf(before, cookie)).json<{ csrfToken: string }>()
  const oldHash = await hash()
  // a hash of the time before they named their pepper
  await database.prisma.user.updateMany({ data: { passwordHash: oldHash.replace(/^hmac1\$[0-9a-f]{8}/, 'hmac1$') } })
  t.ok(await isKeyUnder(SECRET))

  const between = await start(NEW_SECRET, SECRET)
  t.ok(await isKeyUnder(NEW_SECRET), 'the signing key is under the new one from the start on')
  t.equal((await between.inject({ url: '/api/v1/whoami', headers })).statusCode, 200, 'access tokens go on')
  t.equal(expectJson<{ key: string }>(await issue(between), 201).key, issued.key, 'a stored answer is found and read')
  t.equal((await list(between, nextCursor)).statusCode, 200, 'a cursor')
  const renewed = await sessionOf(between, cookie)
  t.equal(renewed.statusCode, 200, 'a cookie')
  t.ok(cookieOf(renewed) !== '' && cookieOf(renewed) !== cookie, 'is signed anew')
  const change = await between.inject({
    method: 'POST', url: '/api/v1/keys', headers: { cookie: `gatehouse=${cookie}`, 'x-csrf-token': csrfToken, origin: between.publicOrigin() }, payload: { name: 'by a page' },
  })
  t.equal(change.statusCode, 201, 'a page that is open')
  const next = await refreshed(between, pair.refreshToken)
  const wrong = await between.inject({ method: 'POST', url: '/api/v1/auth/login', payload: { email: 'admin@example.com', password: 'wrong horse battery staple' } })
  t.equal(wrong.statusCode, 401)
  t.equal((await login(between)).statusCode, 200, 'a password')
  t.match(await hash(), /^hmac1\$[0-9a-f]{8}\$2b\$04\$/)
  t.not((await hash()).slice(0, 14), oldHash.slice(0, 14), 'is kept under the new one')

  const after = await start(NEW_SECRET, null)
  t.equal((await login(after)).statusCode, 200)
  t.ok(await refreshed(after, next.refreshToken))
  t.equal((await sessionOf(after, cookieOf(renewed))).statusCode, 200)
  t.equal((await sessionOf(after, cookie)).statusCode, 401, 'what nobody used since is no longer read')
  await t.rejects(start(SECRET, null), WrongSecretError)
  await t.rejects(start('neither of the two secrets, as long as it must be', 'nor is this one, which is as long as it must be'), /^GATEHOUSE_SECRET is not the one .* nor is GATEHOUSE_SECRET_PREVIOUS/)
})

t.test('the host rotates signing keys, which is audited, and is told how much is under the secret before', async (t) => {
  const { app, as, clock, database } = await startApp(t)
  await as.adminUser()
  let longest = 60
  const upkeepUnder = (secrets: ReturnType<typeof createSecrets>) => createUpkeepService({
    signingKeys: createSigningKeyStore({ prisma: database.prisma, secrets, clock }), status: createSecretStatusStore({ pool: database.pool, secrets, pepperIdOf, isUnder }),
    audit: app.audit, transact: database.transact, clock, accessTokenSeconds: 300, longestTokenSeconds: async () => longest,
  })
  const upkeep = upkeepUnder(createSecrets(SECRET))
  const made = await upkeep.rotateSigningKeys({ atOnce: false })
  t.match(made, { activatesAt: new Date(clock.now() + 600_000), othersRetireAt: new Date(clock.now() + 1_200_000) })
  t.equal(await upkeep.rotateSigningKeys({ atOnce: false }), null)
  t.same((await database.prisma.auditEvent.findMany({ where: { action: 'signing_key.rotated' } })).map(({ targetId }) => targetId), [made?.kid], 'once for the one that was made')
  await t.rejects(upkeepUnder(createSecrets(NEW_SECRET)).rotateSigningKeys({ atOnce: true }), WrongSecretError)

  const status = await upkeepUnder(createSecrets(NEW_SECRET, SECRET)).secretStatus()
  t.same(status, { passwords: { current: 0, previous: 1, unnamed: 0, neither: 0 }, signingKeys: { current: 0, previous: 2, neither: 0 } })
  t.match(secretReport(status), /^Signing keys: 0 under GATEHOUSE_SECRET, 2 .*\nPasswords: 0 of 1 under GATEHOUSE_SECRET, 1 .*\n.*needs a reset\.$/)
  t.match(await upkeepUnder(createSecrets(NEW_SECRET)).secretStatus(), { passwords: { neither: 1 }, signingKeys: { neither: 2 } })
  t.notMatch(secretReport(await upkeep.secretStatus()), /reset/)
  longest = 86_400
  clock.advance(601_000)
  t.match(await upkeep.rotateSigningKeys({ atOnce: false }), { othersRetireAt: new Date(clock.now() + 900_000 + 86_400_000) }, 'tokens of a resource may live longer')
})

t.test('the token of the set-up that was shown before a rotation still sets up', async (t) => {
  const database = await createTestDatabase(t)
  const { app } = await startApp(t, { database })
  const token = app.setup.token()
  const rotated = await buildApp({ config: testConfig({ previousSecret: SECRET }), database, secret: NEW_SECRET })
  t.teardown(() => rotated.close())
  t.not(rotated.setup.token(), token)
  const answer = await rotated.inject({ method: 'POST', url: '/api/v1/setup', payload: { token, email: 'admin@example.com', password: PASSWORD } })
  t.equal(answer.statusCode, 201)
})
