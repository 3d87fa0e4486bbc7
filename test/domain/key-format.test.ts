// The form of an API key: what it is made of, and what its checksum refuses.
import { crc32 } from 'node:zlib'
import fc from 'fast-check'
import t from 'tap'
import { checksumOk, formatKey } from '../../src/keys/key-format.js'
import { canonicalAddresses, checkKeyInput, keyEndsAt, keyStatus, METADATA_BYTES } from '../../src/keys/key-rules.js'
import { AppError } from '../../src/kernel/errors.js'
import { toBase62 } from '../../src/kernel/ids.js'

const prefix = fc.stringMatching(/^[a-z][a-z0-9]{0,15}$/)
const NOW = Date.UTC(2031, 0, 1)

function mistakes(input: Parameters<typeof checkKeyInput>[0]): string[] {
  try {
    checkKeyInput(input, NOW)
    return []
  } catch (error) {
    return error instanceof AppError && error.errors?.length ? error.errors.map(({ path }) => path) : ['another error']
  }
}

t.test('a new key is prefix_, 30 random and 6 checking characters', async (t) => {
  t.doesNotThrow(() => fc.assert(fc.property(prefix, (text) => {
    const { key, start } = formatKey(text)
    const [head, body = ''] = key.split('_')
    return head === text && /^[0-9A-Za-z]{36}$/.test(body) && key.startsWith(start) && start.length === text.length + 5 && checksumOk(key)
  })))
  t.equal(new Set(Array.from({ length: 1000 }, () => formatKey('gk').key)).size, 1000)
})

t.test('one changed character is always found out', async (t) => {
  const { key } = formatKey('gk')
  const other = fc.stringMatching(/^[0-9A-Za-z_. -]$/)
  t.doesNotThrow(() => fc.assert(fc.property(fc.nat(key.length - 1), other, (at, character) => {
    const changed = `${key.slice(0, at)}${character}${key.slice(at + 1)}`
    return changed === key || !checksumOk(changed)
  }), { numRuns: 2000 }))
  t.notOk(checksumOk(`${key} `))
  t.notOk(checksumOk(key.slice(1)))
})

t.test('a checksum is the CRC-32 of all before it, in base62', async (t) => {
  // 4015726076 by another implementation, zlib.crc32 of Python
  t.ok(checksumOk(`gk_${'0'.repeat(30)}4NlZnQ`))
  for (const body of [`gk_${'0'.repeat(31)}`, ` gk_${'0'.repeat(30)}`, `gk_${'0'.repeat(29)}`]) t.notOk(checksumOk(`${body}${toBase62(crc32(body), 6)}`), 'a right checksum makes no key of what is longer or shorter')
})

t.test('text that is no key at all is refused without an error', async (t) => {
  t.doesNotThrow(() => fc.assert(fc.property(fc.string({ maxLength: 80, unit: 'binary' }), (text) => !checksumOk(text))))
})

t.test('a key is expired from the millisecond of expiresAt on; revoked comes first', async (t) => {
  const at = (ms: number): Date => new Date(NOW + ms)
  t.equal(keyStatus({ revokedAt: null, expiresAt: null, ownerExpiresAt: null }, NOW), 'active')
  t.equal(keyStatus({ revokedAt: null, expiresAt: at(1), ownerExpiresAt: null }, NOW), 'active')
  t.equal(keyStatus({ revokedAt: null, expiresAt: at(0), ownerExpiresAt: null }, NOW), 'expired')
  t.equal(keyStatus({ revokedAt: at(0), expiresAt: at(-1), ownerExpiresAt: null }, NOW), 'revoked')
})

t.test('a key of two hands ends at the earlier of their ends, however they are written', async (t) => {
  const [sooner, later] = [new Date(NOW + 1), new Date(NOW + 2)]
  for (const [expiresAt, ownerExpiresAt, end] of [[null, null, null], [sooner, null, sooner], [null, sooner, sooner], [sooner, later, sooner], [later, sooner, sooner], [later, later, later]] as const) {
    t.same(keyEndsAt({ expiresAt, ownerExpiresAt }), end)
    t.equal(keyStatus({ revokedAt: null, expiresAt, ownerExpiresAt }, NOW + 1), end === sooner ? 'expired' : 'active')
  }
})

t.test('every network and every permission of a list is looked at, and no key ends where its end cannot be stored', async (t) => {
  const good = { permissions: ['a:b', 'gatehouse:keys.read'], addresses: ['10.0.0.0/8', '2001:db8::/32'], ownerAddresses: ['192.0.2.7'] }
  t.same(mistakes(good), [])
  t.same(mistakes({ permissions: ['a:b', 'gatehouse:own.keys', 'a'], addresses: ['10.0.0.0/8', '10.1'], ownerAddresses: ['x', '10.0.0.1'] }), ['/permissions/1', '/permissions/2', '/addresses/1', '/ownerAddresses/0'])
  t.same(canonicalAddresses(['10.1.2.3/8', '10.0.0.0/8', '1.1.1.1']), ['1.1.1.1/32', '10.0.0.0/8'])
  for (const field of ['expiresAt', 'ownerExpiresAt'] as const) {
    t.same(mistakes({ [field]: '9999-12-31T23:59:59.999Z' }), [])
    for (const end of ['+010000-01-01T00:00:00.000Z', '9999-12-31T23:59:59.999-00:01', 'never', new Date(NOW).toISOString()]) t.same(mistakes({ [field]: end }), [`/${field}`], end)
    t.same(mistakes({ [field]: null }), [])
  }
})

t.test('what a schema cannot see is checked', async (t) => {
  t.equal(METADATA_BYTES, 4096, 'the bound that is documented')
  const limit = { name: 'a', quota: 1, windowSeconds: 1 }
  t.same(mistakes({ name: 'x', limits: [limit, { ...limit, name: 'b' }], metadata: { a: [1, { b: null }] }, expiresAt: new Date(NOW + 1).toISOString() }), [])
  t.same(mistakes({ limits: [limit, { ...limit, quota: 2 }] }), ['/limits'])
  t.same(mistakes({ expiresAt: new Date(NOW).toISOString() }), ['/expiresAt'])
  t.same(mistakes({ expiresAt: '2031-12-31T23:59:60Z' }), ['/expiresAt'], 'a leap second is no time JavaScript knows')
  t.same(mistakes({ metadata: { a: 'x'.repeat(METADATA_BYTES - 8) } }), [])
  t.same(mistakes({ metadata: { a: 'é'.repeat(METADATA_BYTES / 2) } }), ['/metadata'], 'bytes count, not characters')
  for (const large of [1e308, -1e-300]) {
    t.same(mistakes({ metadata: { a: Array.from({ length: 20 }, () => large) } }), ['/metadata'], 'numbers count as they are kept, digit by digit')
    t.same(mistakes({ metadata: { a: [{ b: large }] } }), [])
    t.same(mistakes({ metadata: Object.fromEntries(Array.from({ length: 20 }, (_, at) => [at, large])) }), ['/metadata'], 'however deep they are')
  }
  t.same(mistakes({ name: 'a\0b' }), ['/name'])
  t.same(mistakes({ metadata: { a: ['\ud800'] } }), ['/metadata'])
  t.same(mistakes({ metadata: { '\0': 1 } }), ['/metadata'])
  t.same(mistakes({ metadata: { a: 'good', b: ['good', '\0'] } }), ['/metadata'], 'beside what is good')
  t.same(mistakes({ name: '\ud83d\ude00', metadata: { '\ud83d\ude00': '\\u0000' } }), [], 'whole pairs and escaped escapes are fine')
})
