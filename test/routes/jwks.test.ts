// GET /.well-known/jwks.json, and what the keys in it vouch for: access tokens.
import { createHmac, createPrivateKey, createPublicKey, generateKeyPairSync, sign as signBytes, verify as verifyBytes, type JsonWebKey, type KeyObject } from 'node:crypto'
import t from 'tap'
import { expectJson, SECRET, startApp, type TestApp, testConfig } from '../support/app.js'
import { fakeClock } from '../support/clock.js'
import { createTestDatabase } from '../support/database.js'
import { buildApp } from '../../src/app.js'
import { createSecrets } from '../../src/kernel/secrets.js'
import { createSigningKeyStore } from '../../src/tokens/signing-key-store.js'

const URL = '/.well-known/jwks.json'

type Jwk = JsonWebKey & { kid: string }

function part(token: string, at: 0 | 1): Record<string, unknown> {
  return JSON.parse(Buffer.from(token.split('.')[at] ?? '', 'base64url').toString()) as Record<string, unknown>
}

function encode(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}

function signed(header: object, claims: object, key: KeyObject): string {
  const input = `${encode(header)}.${encode(claims)}`
  return `${input}.${signBytes(null, Buffer.from(input), key).toString('base64url')}`
}

async function keysOf({ app }: Pick<TestApp, 'app'>): Promise<Jwk[]> {
  return expectJson<{ keys: Jwk[] }>(await app.inject({ url: URL }), 200).keys
}

t.test('/.well-known/jwks.json', async (t) => {
  const { app, as, clock, database } = await startApp(t)
  const codeFor = async (token: string): Promise<string> => {
    const response = await app.inject({ url: '/api/v1/whoami', headers: as.bearer(token) })
    return response.statusCode === 200 ? 'accepted' : response.json<{ code: string }>().code
  }

  t.test('200 shows public keys only, and may be cached', async (t) => {
    const response = await app.inject({ url: URL })
    t.equal(response.headers['cache-control'], 'public, max-age=300')
    const [key] = await keysOf({ app })
    t.same(Object.keys(key ?? {}).toSorted(), ['alg', 'crv', 'kid', 'kty', 'use', 'x'])
    t.match(key, { kty: 'OKP', crv: 'Ed25519', use: 'sig', alg: 'EdDSA' })
  })

  t.test('304 to whoever has the documents that clients read; each has a name of its own', async (t) => {
    const names = new Set<unknown>()
    for (const url of [URL, '/.well-known/openid-configuration']) {
      const { headers: { etag = '' } } = await app.inject({ url })
      names.add(etag)
      for (const known of [etag, `W/${etag}`, `"other", ${etag}`, '*']) t.match(await app.inject({ url, headers: { 'if-none-match': known } }), { statusCode: 304, body: '' })
      t.equal((await app.inject({ url, headers: { 'if-none-match': '"other"' } })).statusCode, 200)
      t.match(await app.inject({ url, method: 'HEAD' }), { statusCode: 200, body: '' })
    }
    t.equal(names.size, 2)
  })

  t.test('an access token is an RFC 9068 token that the published key verifies', async (t) => {
    const { accessToken, user } = await as.signUp()
    const [jwk] = await keysOf({ app })
    t.same(part(accessToken, 0), { alg: 'EdDSA', typ: 'at+jwt', kid: jwk?.kid })
    const { jti, sid, ...claims } = part(accessToken, 1)
    const iat = Math.floor(clock.now() / 1_000)
    t.same(claims, { iss: app.publicOrigin(), aud: app.publicOrigin(), client_id: 'gatehouse', sub: user.id, iat, exp: iat + 300, amr: ['pwd'], acr: 'urn:gatehouse:1fa', auth_time: iat })
    t.match(jti, /^[0-9a-f-]{36}$/)
    t.equal((await database.prisma.session.findFirstOrThrow({ where: { userId: user.id } })).id, sid)
    const [header, body, signature = ''] = accessToken.split('.')
    t.ok(verifyBytes(null, Buffer.from(`${header}.${body}`), createPublicKey({ key: jwk ?? {}, format: 'jwk' }), Buffer.from(signature, 'base64url')))
  })

  t.test('401 token.expired at the end of its life, to the millisecond', async (t) => {
    const { accessToken } = await as.signUp()
    const left = Number(part(accessToken, 1)['exp']) * 1_000 - clock.now()
    clock.advance(left - 1)
    t.equal(await codeFor(accessToken), 'accepted')
    clock.advance(1)
    t.equal(await codeFor(accessToken), 'token.expired')
  })

  t.test('401 token.invalid for every forgery', async (t) => {
    const { accessToken } = await as.signUp()
    const header = part(accessToken, 0)
    const claims = part(accessToken, 1)
    const [head = '', body = '', signature = ''] = accessToken.split('.')
    const own = generateKeyPairSync('ed25519')
    const [jwk] = await keysOf({ app })
    const pem = createPublicKey({ key: jwk ?? {}, format: 'jwk' }).export({ type: 'spki', format: 'pem' })
    const hmac = (input: string): string => `${input}.${createHmac('sha256', pem).update(input).digest('base64url')}`
    const forgeries: [string, string][] = [
      ['another key under our key id', signed(header, claims, own.privateKey)],
      ['a key that travels with it', signed({ ...header, jwk: own.publicKey.export({ format: 'jwk' }) }, claims, own.privateKey)],
      ['an unknown key id', signed({ ...header, kid: 'x' }, claims, own.privateKey)],
      ['no key id', signed({ alg: 'EdDSA', typ: 'at+jwt' }, claims, own.privateKey)],
      ['a key id that is no text', signed({ ...header, kid: { toString: 'x' } }, claims, own.privateKey)],
      ['alg none', `${encode({ ...header, alg: 'none' })}.${body}.`],
      ['alg none with our signature', `${encode({ ...header, alg: 'none' })}.${body}.${signature}`],
      ['HS256 under the public key', hmac(`${encode({ ...header, alg: 'HS256' })}.${body}`)],
      ['no signature', `${head}.${body}.`],
      ['changed claims', `${head}.${encode({ ...claims, sub: '0192f0c1-2b6a-7c3d-9e4f-5a6b7c8d9e0f' })}.${signature}`],
      ['one changed bit', `${head}.${body}.${signature.startsWith('A') ? 'B' : 'A'}${signature.slice(1)}`],
      ['two parts', `${head}.${body}`],
      ['four parts', `${accessToken}.x`],
      ['nothing but dots', '..'],
      ['no JSON', 'a.b.c'],
      ['a header that is a list', `${encode([])}.${body}.${signature}`],
      ['too long', `${head}.${'A'.repeat(8_000)}.${signature}`],
    ]
    for (const [title, token] of forgeries) t.equal(await codeFor(token), 'token.invalid', title)
    t.equal(await codeFor(accessToken), 'accepted')
  })

  t.test('401 token.invalid for what our own key signed to another end', async (t) => {
    const { accessToken } = await as.signUp()
    const header = part(accessToken, 0)
    const claims = part(accessToken, 1)
    const row = await database.prisma.signingKey.findFirstOrThrow()
    const key = createPrivateKey(createSecrets(SECRET).decrypt('signing-key', row.kid, row.privateCiphertext))
    t.equal(await codeFor(signed(header, claims, key)), 'accepted', 'the key is the right one')
    const wrong: [string, object, object][] = [
      ['typ JWT', { ...header, typ: 'JWT' }, claims],
      ['no typ', { alg: 'EdDSA', kid: row.kid }, claims],
      ['another issuer', header, { ...claims, iss: 'https://evil.example' }],
      ['another audience', header, { ...claims, aud: 'https://evil.example' }],
      ['no audience', header, { ...claims, aud: undefined }],
      ['no end', header, { ...claims, exp: undefined }],
      ['an end that is text', header, { ...claims, exp: '9999999999' }],
      ['no session', header, { ...claims, sid: undefined }],
      ['a subject that is no id', header, { ...claims, sub: 'admin' }],
      ['a critical header it does not know', { ...header, crit: ['x'], x: 1 }, claims],
    ]
    for (const [title, wrongHeader, wrongClaims] of wrong) t.equal(await codeFor(signed(wrongHeader, wrongClaims, key)), 'token.invalid', title)
    t.equal(await codeFor(signed(header, { ...claims, sub: (await as.signUp()).user.id }, key)), 'session.invalid', 'another user\'s session')
  })

  t.test('a key made by another node is found, and unknown key ids cost at most one query a second', async (t) => {
    const { accessToken } = await as.signUp()
    const pair = generateKeyPairSync('ed25519')
    const pem = pair.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
    const kid = 'made-elsewhere'
    const token = signed({ alg: 'EdDSA', typ: 'at+jwt', kid }, part(accessToken, 1), pair.privateKey)
    clock.advance(1_000)
    t.equal(await codeFor(token), 'token.invalid', 'before it is there')
    const { x } = pair.publicKey.export({ format: 'jwk' })
    await database.prisma.signingKey.create({
      data: {
        kid, algorithm: 'EdDSA', publicJwk: { kty: 'OKP', crv: 'Ed25519', x: x ?? '' }, createdAt: new Date(clock.now()), activatesAt: new Date(clock.now()),
        privateCiphertext: Uint8Array.from(createSecrets(SECRET).encrypt('signing-key', kid, pem)),
      },
    })
    t.equal(await codeFor(token), 'token.invalid', 'not asked for again within the second')
    clock.advance(1_000)
    t.equal(await codeFor(token), 'accepted')
    t.equal(await codeFor(accessToken), 'accepted', 'the old key still verifies')
    t.same((await keysOf({ app })).filter(({ crv }) => crv === 'Ed25519').length, 2)
    const { accessToken: next } = await as.signUp()
    t.equal(part(next, 0)['kid'], kid, 'the newest key signs')
    t.equal(await codeFor(next), 'accepted')
  })
})

t.test('the signing key at the start', async (t) => {
  t.test('of many that make the first key at once, one wins', async (t) => {
    const { prisma } = await createTestDatabase(t, { poolMax: 12 })
    const store = createSigningKeyStore({ prisma, secrets: createSecrets(SECRET), clock: fakeClock() })
    await Promise.all(Array.from({ length: 12 }, () => prisma.$queryRaw`SELECT 1 FROM pg_sleep(0.05)`)) // open every connection first
    await Promise.all(Array.from({ length: 12 }, () => store.ensure('EdDSA')))
    t.equal(await prisma.signingKey.count(), 1)
  })

  t.test('nodes that start together on an empty database agree on one key', async (t) => {
    const database = await createTestDatabase(t, { poolMax: 12 })
    const nodes = await Promise.all(Array.from({ length: 4 }, () => startApp(t, { database })))
    const rings = await Promise.all(nodes.map(keysOf))
    t.equal(await database.prisma.signingKey.count(), 1)
    t.equal(new Set(rings.map((keys) => keys.map(({ kid }) => kid).join())).size, 1)
    const [one, two] = nodes
    const signedIn = await one?.as.signUp()
    t.equal((await two?.app.inject({ url: '/api/v1/whoami', headers: signedIn?.headers ?? {} }))?.statusCode, 200, 'a token of one is good on another')
  })

  t.test('the private half is at rest only encrypted, and another GATEHOUSE_SECRET stops the start with its name', async (t) => {
    const database = await createTestDatabase(t)
    await startApp(t, { database })
    const row = await database.prisma.signingKey.findFirstOrThrow()
    t.notOk(Buffer.from(row.privateCiphertext).includes('PRIVATE KEY'))
    await t.rejects(buildApp({ config: testConfig(), database, secret: 'another secret, as long as it has to be!!' }), /GATEHOUSE_SECRET is not the one/)
  })
})
