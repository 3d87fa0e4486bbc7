// The grammar of credentials in a request, and what a permission allows.
import t from 'tap'
import fc from 'fast-check'
import { type CredentialHeaders, findCredential } from '../../src/decisions/credential.js'
import { foundKey } from '../../src/decisions/entry.js'
import { type Access, type Principal, satisfies } from '../../src/kernel/principal.js'
import { covers, holds } from '../../src/kernel/permissions.js'
import { boundOf } from '../../src/decisions/verification.js'
import { createShare } from '../../src/kernel/shared.js'

const JWT = 'eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl'
const KEY = 'gk_0123456789ABCDEFGHIJKLMNOPQRSTabcdef'

function find(headers: Partial<CredentialHeaders>) {
  return findCredential({ authorization: undefined, apiKey: undefined, cookie: undefined, ...headers })
}

t.test('one credential at most is found, by its form', async (t) => {
  t.equal(find({}), null)
  t.same(find({ authorization: `Bearer ${JWT}` }), { kind: 'token', value: JWT })
  t.same(find({ authorization: `bearer ${KEY}` }), { kind: 'key', value: KEY })
  t.same(find({ authorization: `BEARER ${KEY}` }), { kind: 'key', value: KEY })
  t.same(find({ authorization: 'Bearer abc==' }), { kind: 'key', value: 'abc==' })
  t.same(find({ apiKey: KEY }), { kind: 'key', value: KEY })
  t.same(find({ cookie: 'abc' }), { kind: 'cookie', value: 'abc' })
})

t.test('400 credentials.malformed for every other Authorization', async (t) => {
  const wrong = [
    '', 'Bearer', 'Bearer ', `Bearer  ${KEY}`, ` Bearer ${KEY}`, `Bearer ${KEY} `, `Bearer\t${KEY}`, `Bearer ${KEY} ${KEY}`, `Bearer ${KEY},${KEY}`, `Bearer ${KEY}, Bearer ${KEY}`,
    KEY, JWT, `Basic ${Buffer.from('a:b').toString('base64')}`, `Token ${KEY}`, `Bearer "${KEY}"`, 'Bearer =', 'Bearer a=b', 'Bearer é', `Bearer: ${KEY}`, `Bearer ${KEY}\n`, `BearerX ${KEY}`,
  ]
  for (const authorization of wrong) t.throws(() => find({ authorization }), { code: 'credentials.malformed' }, JSON.stringify(authorization))
  t.test('and its text is not in the error', async (t) => {
    try {
      find({ authorization: 'Basic c2VjcmV0' })
      t.fail('it was accepted')
    } catch (error) {
      t.notMatch(JSON.stringify([error, String(error)]), /c2VjcmV0/)
    }
  })
})

t.test('400 credentials.ambiguous for any two, even the same one twice', async (t) => {
  const one: Partial<CredentialHeaders>[] = [{ authorization: `Bearer ${KEY}` }, { apiKey: KEY }, { cookie: 'abc' }]
  for (const first of one) for (const second of one) if (first !== second) t.throws(() => find({ ...first, ...second }), { code: 'credentials.ambiguous' })
  t.throws(() => find(Object.assign({}, ...one) as CredentialHeaders), { code: 'credentials.ambiguous' })
  t.throws(() => find({ apiKey: '', cookie: 'abc' }), { code: 'credentials.ambiguous' }, 'an empty header is a header')
})

t.test('no text in Authorization does more than that', async (t) => {
  fc.assert(fc.property(fc.oneof(fc.string(), fc.string().map((text) => `Bearer ${text}`)), (authorization) => {
    try {
      const found = find({ authorization })
      return found !== null && authorization.endsWith(found.value) && /^[\w.~+/-]+=*$/.test(found.value)
    } catch (error) {
      return (error as { code?: string }).code === 'credentials.malformed'
    }
  }), { seed: 7, numRuns: 1000 })
  t.pass('1000 random headers')
})

t.test('a granted permission covers a wanted one', async (t) => {
  const table: [string, string, boolean][] = [
    ['reports:read', 'reports:read', true],
    ['reports:read', 'reports:write', false],
    ['reports:*', 'reports:read', true],
    ['reports:*', 'reports:a:b', true],
    ['reports:a:*', 'reports:a:b', true],
    ['reports:a:*', 'reports:b', false],
    ['reports:*', 'reports2:read', false],
    ['reports:*', 'reports', false],
    ['reports:read', 'reports:*', false],
    ['gatehouse:*', 'gatehouse:*', true],
    ['gatehouse:*', 'gatehouse:users.read', true],
    ['gatehouse:users.*', 'gatehouse:users.read', false],
    ['*', 'reports:read', false],
    ['*', 'gatehouse:users.read', false],
    ['gatehouse*', 'gatehouse:users.read', false],
    ['reports:r*', 'reports:read', false],
    ['', 'reports:read', false],
    ['Reports:read', 'reports:read', false],
  ]
  for (const [granted, wanted, covered] of table) t.equal(covers(granted, wanted), covered, `${granted} ${covered ? 'covers' : 'does not cover'} ${wanted}`)
  t.ok(holds(['a:b', 'reports:*'], 'reports:read'))
  t.notOk(holds([], 'reports:read'))
})

t.test('a route is opened by any one of its accesses', async (t) => {
  const user: Principal = { type: 'user', id: 'u', sessionId: 's', permissions: ['gatehouse:users.read'], authenticatedBy: 'token' }
  const key: Principal = { type: 'key', id: 'u', keyId: 'k', permissions: ['gatehouse:keys.verify', 'reports:*'], authenticatedBy: 'key' }
  const table: [Principal, Access[], boolean][] = [
    [user, ['public'], true], [key, ['public'], true],
    [user, ['user'], true], [key, ['user'], false],
    [user, ['service'], false], [key, ['service'], true],
    [user, ['user', 'service'], true], [key, ['user', 'service'], true],
    [user, ['gatehouse:users.read'], true], [key, ['gatehouse:users.read'], false],
    [user, ['gatehouse:keys.verify'], false], [key, ['gatehouse:keys.verify'], true],
    [key, ['user', 'gatehouse:keys.verify'], true],
    [{ ...user, permissions: ['gatehouse:*'] }, ['gatehouse:own.keys'], true], [{ ...key, permissions: ['gatehouse:*'] }, ['gatehouse:own.keys'], false],
    [user, ['loopback'], false], [key, ['loopback'], false],
    [user, [], false],
  ]
  for (const [principal, access, open] of table) t.equal(satisfies(principal, access), open, `${principal.type} ${open ? 'opens' : 'does not open'} ${JSON.stringify(access)}`)
})

t.test('charges that are made once for each principal stand beside the key\'s own, which have the cost of the question', (t) => {
  const { key, session, principal } = foundKey({
    asOf: 1,
    entry: {
      keyId: 'k', ownerId: 'o', isOrganizations: false, ownerActive: true, name: 'n', permissions: [], metadata: {}, revoked: false, expiresAtMs: null, limitGroupId: 'k', ownerLimits: [], ownerPermissions: null, roles: [], plans: [], addresses: [], ownerAddresses: [],
      limits: [{ name: 'calls', quota: 10, windowSeconds: 60 }],
    },
  })
  const more = [{ key: 'gate:rule', quota: 5, windowMs: 60_000, cost: 1 }]
  for (const cost of [1, 2, 1]) t.same(boundOf({ key, session, principal }, { charges: () => more, cost }).charges.map((charge) => charge.cost), [cost, 1])
  t.end()
})

t.test('what keys repeat is one object, and what is long is not kept', (t) => {
  const share = createShare(2)
  t.equal(share({ plan: 'free' }), share({ plan: 'free' }))
  const long = { text: 'x'.repeat(600) }
  t.not(share({ ...long }), share({ ...long }))
  t.end()
})
