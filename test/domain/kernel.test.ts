// The kernel's rules, as tables: errors, ETags, addresses, ids, secrets, sorts and cursors.
import t from 'tap'
import fc from 'fast-check'
import { addressMatcher, clientAddress, countedAddress, countedNetwork, readAddress } from '../../src/kernel/address.js'
import { systemClock } from '../../src/kernel/clock.js'
import { AppError, ERRORS, type ErrorCode, isProblem, problem } from '../../src/kernel/errors.js'
import { etagOf, expectedVersion, matches } from '../../src/kernel/etag.js'
import { isUuid, newId, randomBase62, toBase62 } from '../../src/kernel/ids.js'
import { createCursors, parseSort } from '../../src/kernel/page.js'
import { createSecrets, equalBytes, sha256 } from '../../src/kernel/secrets.js'

const ID = '01890a5d-ac96-774b-bcce-b302099a8057'
const SCOPE = { list: 'users', sort: '-createdAt', filters: '[]' }

t.test('errors', async (t) => {
  t.test('every code is noun.reason with a status of 400 or above and a title', async (t) => {
    for (const [code, [status, title]] of Object.entries(ERRORS)) {
      t.match(code, /^[a-z_]+\.[a-z_]+$/)
      t.ok(status >= 400 && status < 600, `${code} has ${status}`)
      t.match(title, /^[A-Z].*[a-z]$/, `${code} has a title without a full stop`)
    }
  })
  t.test('a problem carries its row of the table and nothing it was not given', async (t) => {
    const cause = new Error('the cause')
    const error = problem('rate.limited', { retryAfterSeconds: 3, detail: 'five a minute', errors: [{ path: '/a', message: 'b' }], cause })
    t.ok(error instanceof AppError && error instanceof Error)
    t.match(error, { name: 'AppError', code: 'rate.limited', statusCode: 429, title: 'Too many requests', retryAfterSeconds: 3, detail: 'five a minute', cause })
    t.equal(error.message, 'five a minute')
    const bare = problem('user.not_found')
    t.equal(bare.message, 'No such user')
    t.same([bare.detail, bare.errors, bare.retryAfterSeconds, 'cause' in bare], [undefined, undefined, undefined, false])
    t.same([error, cause, { code: 'rate.limited' }, null].map((one) => isProblem(one, 'user.not_found', 'rate.limited')), [true, false, false, false])
    t.notOk(isProblem(error, 'user.not_found'))
  })
})

t.test('ETags', async (t) => {
  const etag = etagOf({ id: ID, version: 7 })
  t.equal(etag, `"${ID}.7"`)
  t.test('If-Match', async (t) => {
    t.equal(expectedVersion(etag, ID), 7)
    t.equal(expectedVersion(` ${etag} `, ID), 7)
    t.equal(expectedVersion('*', ID), '*')
    t.throws(() => expectedVersion(undefined, ID), { code: 'precondition.required' })
    for (const header of ['', '7', `"${ID}.x"`, `W/${etag}`, `"${newId()}.7"`, `"${ID}.-1"`, `"${ID}.9999999999"`, `${etag}x`, `"${ID}.7`, etag.replaceAll('-', '.')]) {
      t.throws(() => expectedVersion(header, ID), { code: 'precondition.failed' }, `${header} is not this resource's`)
    }
  })
  t.test('a list of validators names the resource when one of them does', async (t) => {
    t.equal(expectedVersion(`"${newId()}.1", ${etag}`, ID), 7)
  })
  t.test('If-None-Match compares weakly, If-Match strongly', async (t) => {
    const table: [string, boolean, boolean][] = [
      [etag, true, true], ['*', true, true], [' * ', true, true], [`W/${etag}`, true, false], [`"other", ${etag}`, true, true], [`"other",${etag}`, true, true],
      ['"other"', false, false], ['', false, false], [etag.slice(1, -1), false, false], [`w/${etag}`, false, false],
    ]
    for (const [header, weak, strong] of table) {
      t.equal(matches(header, etag, 'weak'), weak, `weak: ${header}`)
      t.equal(matches(header, etag, 'strong'), strong, `strong: ${header}`)
    }
  })
})

t.test('addresses', async (t) => {
  t.test('one is read in every spelling a proxy may use, and has one of its own (RFC 7239 6, RFC 5952)', async (t) => {
    const spellings: Record<string, string[]> = {
      '203.0.113.9': [
        '203.0.113.9', ' 203.0.113.9 ', '203.0.113.9:443', '203.0.113.9:0', '203.0.113.9:_port', '"203.0.113.9"', '"203.0.113.9:4711"', '203.0.113.009', '203.000.113.09:1',
        '::ffff:203.0.113.9', '[::ffff:203.0.113.9]:80', '::FFFF:CB00:7109', '0:0:0:0:0:ffff:203.0.113.9', '\t203.0.113.9',
      ],
      '203.0.113.10': ['203.0.113.010', '203.0.113.10'],
      '2001:db8::9': ['2001:db8::9', '[2001:db8::9]', '[2001:db8::9]:443', '"[2001:db8::9]:443"', '[2001:DB8::9]:_x.y', '2001:0db8:0000::0009', '2001:db8:0:0:0:0:0:9', '2001:db8::9%eth0', '[2001:db8::9%25eth0]:1', '2001:db8::9%a%b'],
      'fe80::1': ['fe80::1%lo', 'fe80::1%', 'FE80:0::1'],
    }
    for (const [canonical, texts] of Object.entries(spellings)) for (const text of texts) t.equal(readAddress(text), canonical, text)
    const none = [
      '', ' ', 'unknown', '"unknown"', '_hidden', '_SEVKISEK:1', 'localhost', 'a.b.c.d', '203.0.113', '203.0.113.9.1', '203.0.113.256', '203.0.113.0009', '3405803785', '0xcb007109', '0xcb.0.113.9', '203.0.113.9:', '203.0.113.9:x',
      '203.0.113.9:1234567', '203.0.113.9 :1', '203.0.113.9 203.0.113.9', ':80', '::ffff:203.0.113.256', '[203.0.113.9]', '[2001:db8::9', '2001:db8::9]', '[2001:db8::9]443', '[2001:db8::9]:', '[]', '[', '"', '""', '1::2::3', '1:2:3:4:5:6:7:8:9',
      '12345::', '\u0662\u0660\u0663.0.113.9', '203.0.113.9/32', 'http://203.0.113.9', 'for=203.0.113.9', '-1.0.0.1', '1e1.0.0.1', '0'.repeat(16_000), `[${':'.repeat(16_000)}`, `fe80::1%${'z'.repeat(200)}`,
    ]
    for (const text of none) t.equal(readAddress(text), null, text.slice(0, 40))
  })

  t.test('a client is the last of the chain that is no trusted proxy', async (t) => {
    const isTrusted = addressMatcher(['127.0.0.1', '10.0.0.0/8', '2001:db8:ffff::/48'])
    const table: [string, string | undefined, string][] = [
      ['203.0.113.1', '198.51.100.1', '203.0.113.1'],
      ['::ffff:203.0.113.1', undefined, '203.0.113.1'],
      ['127.0.0.1', undefined, '127.0.0.1'],
      ['::ffff:127.0.0.1', '198.51.100.1', '198.51.100.1'],
      ['127.0.0.1', '198.51.100.1:4711', '198.51.100.1'],
      ['127.0.0.1', '6.6.6.6, [2001:DB8::9]:1', '2001:db8::9'],
      ['127.0.0.1', '6.6.6.6, 198.51.100.1, 10.1.2.3:80, 010.001.002.004', '198.51.100.1'],
      ['127.0.0.1', '198.51.100.1, "[2001:db8:ffff::1]:443"', '198.51.100.1'],
      ['127.0.0.1', '198.51.100.1, unknown', '127.0.0.1'],
      ['127.0.0.1', '198.51.100.1, _hidden, 10.0.0.9', '10.0.0.9'],
      ['127.0.0.1', '10.0.0.8, 10.0.0.9', '10.0.0.8'],
      ['127.0.0.1', ',,198.51.100.1, ,', '198.51.100.1'],
      ['127.0.0.1', '', '127.0.0.1'],
      ['127.0.0.1', ',', '127.0.0.1'],
      ['127.0.0.1', 'x'.repeat(16_000), '127.0.0.1'],
      ['', '198.51.100.1', ''],
    ]
    for (const [remote, chain, client] of table) t.equal(clientAddress(remote, chain, isTrusted), client, `${remote} ${chain?.slice(0, 60)}`)
    t.equal(clientAddress('127.0.0.1', Array.from({ length: 2_000 }, () => '10.0.0.1').join(','), isTrusted), '10.0.0.1', 'however long')
    t.ok(addressMatcher(['0.0.0.0/0'])('203.0.113.9'))
    t.notOk(addressMatcher([])('127.0.0.1'))
  })

  t.test('they are counted by IPv4 address and by IPv6 /56, with a /48 above it', async (t) => {
    const table: [string, string, string | null][] = [
      ['192.0.2.1', '192.0.2.1', null],
      ['192.0.2.1:80', '192.0.2.1', null],
      ['::ffff:192.0.2.1', '192.0.2.1', null],
      ['2001:db8:1:2:3:4:5:6', '2001:db8:1::/56', '2001:db8:1::/48'],
      ['2001:DB8:1:ff::9', '2001:db8:1::/56', '2001:db8:1::/48'],
      ['2001:0db8:0001:0102:0000:0000:0000:0001', '2001:db8:1:100::/56', '2001:db8:1::/48'],
      ['::1', '::/56', '::/48'],
      ['1:2:3:4:5:6:7::', '1:2:3::/56', '1:2:3::/48'],
      ['::2:3:f104:5:6:7:8', '0:2:3:f100::/56', '0:2:3::/48'],
      ['fe80::1%eth0', 'fe80::/56', 'fe80::/48'],
      ['', '', null],
    ]
    for (const [address, counted, network] of table) {
      t.equal(countedAddress(address), counted, address)
      t.equal(countedNetwork(address), network, address)
    }
    const group = fc.integer({ min: 0, max: 0xffff }).map((value) => value.toString(16))
    const groups = fc.array(group, { minLength: 4, maxLength: 4 })
    const byte = fc.integer({ min: 0, max: 0xff })
    fc.assert(fc.property(groups, groups, groups, byte, byte, (net, host, other, low, otherLow) => {
      const subnet = (last: number): string[] => [...net.slice(0, 3), (256 * Number.parseInt(net[3] ?? '', 16) % 65_536 + last).toString(16)]
      const padded = [...subnet(otherLow), ...other].map((part) => part.padStart(4, '0').toUpperCase()).join(':')
      return countedAddress([...subnet(low), ...host].join(':')) === countedAddress(`[${padded}]:443`)
    }), { seed: 7 })
    t.pass('one household is one, in 100 random networks')
  })
})

t.test('ids', async (t) => {
  const ids = Array.from({ length: 1000 }, newId)
  t.equal(new Set(ids).size, 1000, 'no two alike')
  t.ok(ids.every((id) => /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(id)), 'UUIDv7')
  t.same(ids.toSorted(), ids, 'they sort by creation')
  for (const text of ['', 'x', `${ID}0`, ` ${ID}`, ID.replaceAll('-', ''), `${ID}\n`, ID.replace('0', 'g')]) t.notOk(isUuid(text), JSON.stringify(text))
  t.ok(isUuid(ID) && isUuid(ID.toUpperCase()))
  t.test('base62', async (t) => {
    for (const length of [0, 1, 30, 1000]) t.match(randomBase62(length), new RegExp(`^[0-9A-Za-z]{${length}}$`))
    const counts = new Map<string, number>()
    for (const character of randomBase62(62_000)) counts.set(character, (counts.get(character) ?? 0) + 1)
    t.equal(counts.size, 62, 'every character comes up')
    t.ok([...counts.values()].every((count) => count > 800 && count < 1200), 'each about a thousand times: no modulo bias')
    t.same([toBase62(0, 3), toBase62(61, 3), toBase62(62, 3), toBase62(4_294_967_295, 6)], ['000', '00z', '010', '4gfFC3'])
  })
})

t.test('secrets', async (t) => {
  const secrets = createSecrets('one root secret, thirty-two characters')
  const others = createSecrets('another root secret, just as long as it')
  t.equal(sha256('abc').toString('hex'), 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad', 'FIPS 180-4')
  t.test('equalBytes', async (t) => {
    t.ok(equalBytes(Buffer.from('ab'), Buffer.from('ab')))
    t.ok(equalBytes(Buffer.alloc(0), Buffer.alloc(0)))
    t.notOk(equalBytes(Buffer.from('ab'), Buffer.from('ac')))
    t.notOk(equalBytes(Buffer.from('ab'), Buffer.from('abc')), 'another length does not throw')
  })
  t.test('each purpose has its own key, the same on every node', async (t) => {
    t.equal(secrets.derive('a').length, 32)
    t.same(secrets.derive('a'), secrets.derive('a'))
    t.same(secrets.derive('a'), createSecrets('one root secret, thirty-two characters').derive('a'))
    t.notSame(secrets.derive('a'), secrets.derive('b'))
    t.notSame(secrets.derive('a'), others.derive('a'))
    t.notSame(secrets.mac('a', 'x'), secrets.mac('b', 'x'))
    t.notSame(secrets.mac('a', 'x'), secrets.mac('a', 'y'))
    t.same(secrets.mac('a', 'x'), secrets.mac('a', Buffer.from('x')))
  })
  t.test('what is encrypted opens only whole, in its place, under its secret', async (t) => {
    for (const text of ['', 'x', 'Ünïcödé 🔑', 'y'.repeat(10_000)]) t.equal(secrets.decrypt('p', 'row 1', secrets.encrypt('p', 'row 1', text)), text)
    const sealed = secrets.encrypt('p', 'row 1', 'private')
    t.notSame(sealed, secrets.encrypt('p', 'row 1', 'private'), 'a new nonce each time')
    t.notOk(sealed.toString('latin1').includes('private'))
    t.throws(() => secrets.decrypt('p', 'row 2', sealed), 'moved to another row')
    t.throws(() => secrets.decrypt('q', 'row 1', sealed), 'another purpose')
    t.throws(() => others.decrypt('p', 'row 1', sealed), 'another secret')
    for (let at = 0; at < sealed.length; at++) {
      const changed = Buffer.from(sealed)
      changed.writeUInt8(changed.readUInt8(at) ^ 1, at)
      t.throws(() => secrets.decrypt('p', 'row 1', changed), `byte ${at} changed`)
    }
    for (const length of [0, 11, 12, 27, 28]) t.throws(() => secrets.decrypt('p', 'row 1', sealed.subarray(0, length)), `cut to ${length} bytes`)
  })
})

t.test('sorts name allowed fields, each once', async (t) => {
  t.same(parseSort('-createdAt,email', ['email', 'createdAt']), [{ field: 'createdAt', descending: true }, { field: 'email', descending: false }])
  for (const text of ['', ',', 'email,', 'password', '--email', ' email', 'email,-email', 'EMAIL', 'email;drop', 'toString', '__proto__', '+email']) {
    t.throws(() => parseSort(text, ['email', 'createdAt']), { code: 'request.invalid', errors: [{ path: 'sort' }] }, JSON.stringify(text))
  }
})

t.test('cursors', async (t) => {
  const cursors = createCursors(createSecrets('one root secret, thirty-two characters'))
  const cursor = cursors.write(SCOPE, ['2026-01-01T00:00:00.000Z', ID])
  const refuses = (text: string, scope = SCOPE): void => void t.throws(() => cursors.read(scope, text), { code: 'cursor.invalid' } satisfies { code: ErrorCode }, text.slice(0, 60))
  t.same(cursors.read(SCOPE, cursor), ['2026-01-01T00:00:00.000Z', ID])
  t.match(cursor, /^[\w-]+\.[\w-]+$/, 'fit for a URL')
  t.test('values come back as they were', async (t) => {
    fc.assert(fc.property(fc.array(fc.string({ unit: 'grapheme' })), (values) => JSON.stringify(cursors.read(SCOPE, cursors.write(SCOPE, values))) === JSON.stringify(values)), { seed: 7 })
    t.pass('100 random lists')
  })
  t.test('another list, sort, filter or installation refuses it', async (t) => {
    for (const change of [{ list: 'keys' }, { sort: 'createdAt' }, { filters: '[["status","active"]]' }]) {
      t.throws(() => cursors.read({ ...SCOPE, ...change }, cursor), { code: 'cursor.invalid' }, JSON.stringify(change))
    }
    t.throws(() => createCursors(createSecrets('another root secret, just as long as it')).read(SCOPE, cursor), { code: 'cursor.invalid' })
    t.throws(() => cursors.read({ list: 'users-createdAt', sort: '', filters: '[]' }, cursor), { code: 'cursor.invalid' }, 'parts of the scope cannot be shifted')
  })
  const [body = '', tag = ''] = cursor.split('.')
  for (const text of ['', '.', 'x', body, `${body}.`, `.${tag}`, `${cursor}.x`, `${body}.${tag.slice(0, -4)}`, `${body.slice(0, -2)}.${tag}`, `A${body}.${tag}`, `${body}.${'A'.repeat(22)}`, '\u0000.\u0000', '😀.😀']) refuses(text)
})

t.test('the system clock moves on', async (t) => {
  t.ok(Math.abs(systemClock.now() - Date.now()) < 1000)
  const before = systemClock.monotonic()
  t.ok(systemClock.monotonic() >= before)
})
