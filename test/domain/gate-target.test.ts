// What a request target may mean to the servers behind a gateway: every reading of it, or why there is none.
import t from 'tap'
import fc from 'fast-check'
import { normaliseHost, readTarget } from '../../src/gate/normalise-uri.js'

const readings = (target: string): string[] | string => {
  const read = readTarget(target, 'localhost')
  return 'refused' in read ? read.refused : [...read.readings].toSorted()
}

t.test('a target that all servers read alike has one reading', async (t) => {
  const plain: [string, string][] = [
    ['/', '/'], ['/a', '/a'], ['/a/', '/a/'], ['/a/b.c/..d/e', '/a/b.c/..d/e'], ['/v1/things:batch', '/v1/things:batch'], ['/a?x=/../b&c=%2f', '/a'], ['/?', '/'], ['/a?b#c', '/a'],
    ['/%61%62', '/ab'], ['/a%20b', '/a b'], ['/%C3%BC', '/ü'], ['/%e2%82%ac', '/€'], ['/100%25', '/100%'], ['/100%25%20off', '/100% off'], ['/a%3Ab@c!$&\'()*+,=', '/a:b@c!$&\'()*+,='],
    ['/{a}|^`"<>', '/{a}|^`"<>'], ['http://localhost/a/b?c', '/a/b'], ['HTTP://LOCALHOST:80/a', '/a'], ['https://localhost', '/'], ['http://localhost?x', '/'],
  ]
  for (const [target, path] of plain) t.same(readings(target), [path], target)
})

t.test('a target that servers read differently has a reading for each of them', async (t) => {
  const odd: [string, string[]][] = [
    ['/public/../admin', ['/admin', '/public/../admin']],
    ['/a/./b', ['/a/./b', '/a/b']],
    ['/a/..', ['/', '/a/..']],
    ['/../a', ['/../a', '/a']],
    ['/a//b', ['/a//b', '/a/b']],
    ['/a/b%2fc', ['/a/b%2Fc', '/a/b/c']],
    ['/a;x=1/b;y', ['/a/b', '/a;x=1/b;y']],
    ['/a%3bx/b', ['/a/b', '/a;x/b']],
    ['/a%3fx/b', ['/a', '/a?x/b']],
    ['/a%23x', ['/a', '/a#x']],
    // Windows drops dots and spaces at the end of a name, NTFS what comes after it
    ['/admin.', ['/admin', '/admin.']], ['/admin...', ['/admin', '/admin...']], ['/admin%20', ['/admin', '/admin ']], ['/admin%20.%20/x', ['/admin . /x', '/admin/x']], ['/admin%C2%A0', ['/admin', '/admin ', '/admin\u00a0']],
    ['/a/...', ['/a/', '/a/...']], ['/a/.../b', ['/a/.../b', '/a//b', '/a/b']], ['/admin:', ['/admin', '/admin:']],
    ['/admin::$DATA', ['/admin', '/admin::$DATA']], ['/admin::%24data', ['/admin', '/admin::$data']], ['/admin:x:$DATA', ['/admin', '/admin:x:$DATA']], ['/admin:$I30:$INDEX_ALLOCATION/x', ['/admin/x', '/admin:$I30:$INDEX_ALLOCATION/x']],
    ['/admin.;x/b', ['/admin./b', '/admin.;x/b', '/admin/b']], ['/admin::$DATA.', ['/admin', '/admin::$DATA', '/admin::$DATA.']],
    // signs that look like those of a path; letters are folded by the rules
    ['/a%EF%BC%9Bx/b', ['/a/b', '/a;x/b', '/a；x/b']], ['/a%EF%BC%9Fb', ['/a', '/a?b', '/a？b']], ['/a%ef%bc%8e', ['/a', '/a.', '/a．']], ['/x%EF%B9%95%EF%B9%95$DATA', ['/x', '/x::$DATA', '/x﹕﹕$DATA']],
    // composed or not, and signs that are others' canonical form
    ['/u%CC%88', ['/u\u0308', '/\u00fc']], ['/%E2%84%AAey', ['/Key', '/\u212aey']],
    ['/x//../a', ['/a', '/x/../a', '/x//../a', '/x/a']],
  ]
  for (const [target, paths] of odd) t.same(readings(target), paths.toSorted(), target)
})

t.test('what no honest client sends is refused', async (t) => {
  const refused: [string, RegExp][] = [
    ['', /not a path/], ['a', /not a path/], ['*', /not a path/], ['localhost:80', /not a path/], ['javascript:1', /not a path/], ['//a', /begins with/], ['///', /begins with/],
    ['/;x/a', /begins with/], ['/%2fa', /begins with/], ['/.//a', /begins with/], ['/a\\b', /backslash/], ['/a%5Cb', /backslash/], ['/a%00', /control/], ['/a%0d%0aX:y', /control/], ['/%7f', /control/],
    ['/%c2%85', /control/], ['/a b', /percent-encoded/], ['/a\tb', /percent-encoded/], ['/ü', /percent-encoded/], ['/a\u0000', /percent-encoded/], ['/a#b', /fragment/],
    ['/%', /hexadecimal/], ['/%4', /hexadecimal/], ['/%u002e', /hexadecimal/], ['/%c0%ae', /UTF-8/], ['/%c0%af', /UTF-8/], ['/%e0%80%af', /UTF-8/], ['/%ed%a0%80', /UTF-8/], ['/%ff', /UTF-8/],
    ['/%f8%80%80%80%af', /UTF-8/], ['/%252e', /twice/], ['/%25%32%65', /twice/], ['/%25252f', /twice/], ['/a/%2e%2e/b', /disguise/], ['/a/%2E/b', /disguise/], ['/a/.%2e', /disguise/],
    ['/a/..;/b', /disguise/], ['/a/..;x=1/b', /disguise/], ['/a/..%2fb', /disguise/], ['/a%2f..%2fb', /disguise/], ['/a%2f../b', /disguise/], ['/a/..%3f/b', /disguise/], ['/a/..%20/b', /disguise/],
    ['/a/%ef%bc%8e%ef%bc%8e/b', /disguise/], ['/a/..::$DATA/b', /disguise/], ['/a/.%20./b', /disguise/], ['/a/..%20.%20/b', /disguise/], ['/%E2%80%A5/b', /disguise/], ['/a/..:/b', /disguise/], ['/a%EF%BC%BCb', /disguise/], ['/%EF%BC%852e', /twice/], ['/.../a', /begins with/], ['/%20/a', /begins with/], ['/a/..%ef%bc%8fb', /disguise/], ['http://elsewhere/a', /another host/], ['http://localhost@elsewhere/a', /another host/],
    ['http://localhost:80:80/a', /another host/], ['ftp://localhost/a', /not a path/], [`/${'a'.repeat(9000)}`, /longer/],
  ]
  for (const [target, why] of refused) {
    const read = readTarget(target, 'localhost')
    t.match('refused' in read ? read.refused : read.readings, why, JSON.stringify(target))
  }
})

t.test('whatever the target: one reading is the one of RFC 3986, none is empty, and there are at most sixteen', async (t) => {
  const piece = fc.constantFrom('a', 'b', 'admin', 'a.', 'a%20', '::$DATA', 'x:', '%EF%BC%9B', 'u%CC%88', '.', '..', '', '/', ';', ';x', '%2f', '%2F', '%2e', '%3b', '%3f', '%23', '%25', '%00', '%c0%ae', '\\', '?', '#', 'é', '%C3%A9')
  fc.assert(fc.property(fc.array(piece, { maxLength: 12 }), fc.array(fc.constant('/'), { maxLength: 1 }), (pieces, lead) => {
    const target = `/${lead.join('')}${pieces.join('/')}`
    const read = readTarget(target, 'localhost')
    if ('refused' in read) return
    if (read.readings.length === 0 || read.readings.length > 16) throw new Error(`${read.readings.length} readings`)
    for (const path of read.readings) if (!path.startsWith('/') || path.startsWith('//')) throw new Error(path)
    // the WHATWG parser resolves dots and leaves the rest: its path must be among ours
    const known = new URL(target, 'http://localhost').pathname.replace(/%2f/gi, '%252F')
    if (!read.readings.includes(decodeURIComponent(known))) throw new Error(`${target}: ${known} is not in ${read.readings.join(' ')}`)
  }), { numRuns: 5_000, seed: 20_261_122 })
  t.pass('five thousand targets')
})

t.test('hosts are compared in one spelling', async (t) => {
  for (const [host, normal] of [['LocalHost', 'localhost'], ['a.b:8080', 'a.b'], ['a.b:', 'a.b'], ['a.b.', 'a.b'], ['a.b.:80', 'a.b'], ['[::1]:80', '[::1]'], ['127.0.0.1', '127.0.0.1'], ['x_y.z', 'x_y.z']]) {
    t.equal(normaliseHost(host ?? ''), normal)
  }
  for (const host of ['', ' ', 'a b', 'a,b', 'a/b', 'a@b', 'a:b', '.a', 'a..b', '-a', 'a-', 'a:80:80', 'a%2eb', 'ä', '*', 'a\0']) t.equal(normaliseHost(host), null, JSON.stringify(host))
})
