// The rules of forward-auth: what a request target may mean, which rule holds, and for how long rules are believed.
import t from 'tap'
import fc from 'fast-check'
import { createRevocations } from '../../src/revocation/revocations.js'
import type { GateRuleSnapshot } from '../../src/gate/gate-rule-store.js'
import { explainRules } from '../../src/gate/explain-rules.js'
import { checkGateRule, compileGateTable, type GatePlan, type GateRule } from '../../src/gate/gate-rules.js'
import { createRuleSource, GATE_TAG } from '../../src/gate/gate-source.js'
import { normaliseHost, readTarget } from '../../src/gate/normalise-uri.js'
import { GATEWAYS, lastAddress, PROFILES } from '../../src/gate/profiles.js'
import { isReserved, reservedHeaderOf, upgradeOf } from '../../src/gate/reserved-headers.js'
import { fakeClock } from '../support/clock.js'

let count = 0
function rule(changes: Partial<GateRule> & { path: string }): GateRule {
  return { id: `rule-${String(count += 1).padStart(4, '0')}`, host: '*', methods: [], public: false, permissions: [], audience: null, scopes: [], limit: null, priority: 0, ...changes }
}

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

const planOf = (rules: GateRule[], target: string, { method = 'GET', host = 'localhost' } = {}): GatePlan => compileGateTable(rules).plan(method, host, target)
const needs = (plan: GatePlan): string => (plan.refused !== null ? plan.refused : plan.public ? 'public' : plan.permissions.join(' '))

t.test('the most specific rule holds, whatever the order', async (t) => {
  const rules = [
    rule({ path: '/*', permissions: ['any:any'] }), rule({ path: '/a/*', permissions: ['a:below'] }), rule({ path: '/a/:id', permissions: ['a:one'] }),
    rule({ path: '/a/b', permissions: ['a:b'] }), rule({ path: '/a/:id/c', permissions: ['a:c'] }), rule({ path: '/a/b', methods: ['PUT', 'POST'], permissions: ['a:put'] }),
    rule({ path: '/a/b', methods: ['PUT'], permissions: ['a:only-put'] }), rule({ host: 'x.example', path: '/*', permissions: ['x:any'] }),
    rule({ host: '*.example', path: '/a/b', permissions: ['example:b'] }), rule({ host: '*.y.example', path: '/a/b', permissions: ['y:b'] }),
    rule({ path: '/first/*', permissions: ['low:low'] }), rule({ path: '/first/x', permissions: ['high:low'], priority: -1 }),
  ]
  const cases: [string, string, object?][] = [
    ['/', 'any:any'], ['/z/z', 'any:any'], ['/a', 'a:below'], ['/a/', 'a:below'], ['/a/b', 'a:b'], ['/a/b/', 'a:b'], ['/a/z', 'a:one'], ['/a/z/c', 'a:c'], ['/a/z/d', 'a:below'], ['/ab', 'any:any'],
    ['/a/b', 'a:only-put', { method: 'PUT' }], ['/a/b', 'a:put', { method: 'POST' }], ['/a/b', 'x:any', { host: 'x.example' }], ['/a/b', 'example:b', { host: 'z.example' }],
    ['/a/b', 'y:b', { host: 'z.y.example' }], ['/a/b', 'a:b', { host: 'example' }], ['/a/b', 'a:b', { host: 'badexample' }], ['/first/x', 'low:low'],
  ]
  for (const [target, wanted, options] of cases) {
    t.equal(needs(planOf(rules, target, options)), wanted, `${target} ${JSON.stringify(options ?? {})}`)
    t.equal(needs(planOf(rules.toReversed(), target, options)), wanted)
  }
})

t.test('a request must have what every reading of its target needs', async (t) => {
  const rules = [rule({ path: '/public/*', public: true, limit: { quota: 1, windowSeconds: 1 } }), rule({ path: '/admin/*', permissions: ['admin:all'] }), rule({ path: '/Strict', permissions: ['strict:strict'] })]
  t.equal(needs(planOf(rules, '/public/x')), 'public')
  t.equal(needs(planOf(rules, '/public//x')), 'public')
  t.equal(needs(planOf(rules, '/public/a%2fb;c')), 'public')
  t.equal(needs(planOf(rules, '/public/a/../b')), 'public')
  t.equal(needs(planOf(rules, '/public/../admin')), 'admin:all')
  t.match(planOf(rules, '/public/../admin'), { limits: [{ quota: 1 }] }, 'the limits of both')
  t.equal(needs(planOf(rules, '/admin/../public/x')), 'admin:all')
  t.equal(needs(planOf(rules, '/ADMIN')), 'gate.no_rule', 'as it is written no rule covers it')
  t.equal(needs(planOf([...rules, rule({ path: '/*', public: true })], '/ADMIN/x')), 'admin:all', 'a server that folds case takes it for /admin')
  t.equal(needs(planOf([...rules, rule({ path: '/*', public: true })], '/strict')), 'strict:strict')
  const open = [...rules, rule({ path: '/*', public: true }), rule({ path: '/stra\u00dfe', permissions: ['street:use'] }), rule({ path: '/caf\u00e9/*', permissions: ['cafe:use'] })]
  // Kelvin sign and long s, full-width, dotless and dotted i, ligatures, accents, composed or not, invisible ones: to some server the same
  for (const disguise of ['/\u017ftrict', '/str\u0131ct', '/STR\u0130CT', '/\uff33trict', '/stri\u0301ct', '/str\u00edct', '/\u24e2trict', '/s\u200btrict', '/stri\u00adct', '/strict.', '/strict ', '/\u017ftrict::$DATA', '/STR\u0131CT;x', '/STRICT . ']) {
    t.equal(needs(planOf(open, encodeURI(disguise).replaceAll('%25', '%'))), 'strict:strict', disguise)
  }
  for (const disguise of ['/adm\u0131n', '/\uff41dmin/x', '/\u00e1dmin', '/admin./x', '/admin%20/x', '/admin::$DATA', '/ADM\u0130N;y/x']) t.equal(needs(planOf(open, encodeURI(disguise).replaceAll('%25', '%'))), 'admin:all', disguise)
  for (const [written, wanted] of [['/strasse', 'street:use'], ['/STRASSE', 'street:use'], ['/stra\u00dfe', 'street:use'], ['/cafe/x', 'cafe:use'], ['/cafe\u0301/x', 'cafe:use'], ['/caf\u00e9/x', 'cafe:use'], ['/coffee', 'public']] as const) t.equal(needs(planOf(open, encodeURI(written))), wanted, written)
  t.equal(needs(planOf([rule({ path: '/caf\u00e9', permissions: ['cafe:use'] })], '/caf%C3%A9')), 'cafe:use', 'a name of its own is not asked for any other')
  t.equal(needs(planOf([rule({ path: '/cafe\u0301', permissions: ['cafe:use'] })], '/caf%C3%A9')), 'cafe:use', 'however it was written in the rule')
  t.match(planOf(rules, '/other/%E2%80%A8%3Cb%3E?q', { method: 'PUT', host: 'a.example' }), { refused: 'gate.no_rule', detail: 'No rule for PUT a.example/other/%E2%80%A8%3Cb%3E' }, 'method, host and path, in ASCII')
  t.match(planOf(rules, '/public/../other'), { detail: 'No rule for GET localhost/other, which some servers take the target for' })
  t.ok((planOf(rules, `/${'x'.repeat(5000)}`) as { detail: string }).detail.length < 400)
  t.equal(needs(planOf(rules, '/public/../other')), 'gate.no_rule')
  t.equal(needs(planOf(rules, '/public/%2e%2e/admin')), 'gate.target_refused')
  t.equal(needs(planOf([], '/')), 'gate.no_rule')
})

t.test('an explanation says every reading, the rule that holds for it, and why the others do not', async (t) => {
  const [all, admin, put, other, low] = [
    rule({ path: '/*', public: true }), rule({ path: '/admin/*', permissions: ['admin:all'] }), rule({ path: '/admin/*', methods: ['PUT', 'POST'] }), rule({ host: 'other.example', path: '/admin/*' }), rule({ path: '/reports' }),
  ]
  const table = compileGateTable([all, admin, put, other, low])
  const explained = explainRules(table, 'GET', 'localhost', '/x/../ADMIN/y')
  t.match(explained, { outcome: 'credential', refused: null, permissions: ['admin:all'], more: 0 })
  t.same(explained.readings, [{ path: '/x/../ADMIN/y', ruleId: all.id, alsoIds: [] }, { path: '/ADMIN/y', ruleId: all.id, alsoIds: [admin.id] }])
  const why = Object.fromEntries(explained.rules.map(({ id, holds, why: text }) => [id, [holds, text]]))
  t.same(why, {
    [all.id]: [true, 'holds for /x/../ADMIN/y, /ADMIN/y'], [admin.id]: [true, 'goes first, and servers that do not tell letters apart take /ADMIN/y for its path'],
    [put.id]: [false, 'it is for the methods PUT, POST'], [other.id]: [false, 'it is for the host other.example'], [low.id]: [false, 'its path is another'],
  })
  t.match(explainRules(table, 'GET', 'localhost', '/admin').rules.find(({ id }) => id === all.id)?.why, `rule ${admin.id} goes first`)
  const near = explainRules(table, 'GET', 'localhost', '/admin').rules
  t.same(near.map(({ id }) => id), [admin, all, put, other, low].map(({ id }) => id), 'the closest first')
  t.same(near.slice(2, 4).map(({ why: text }) => text), ['it is for the methods PUT, POST', 'it is for the host other.example'], 'also where the path is theirs')
  t.match(explainRules(table, 'GET', 'localhost', '/x'), { outcome: 'public', permissions: [] })
  t.match(explainRules(table, 'GET', 'localhost', '/a%00'), { outcome: 'refused', refused: 'The request target holds a control character', readings: [] })
  const none = explainRules(compileGateTable(Array.from({ length: 150 }, (_, at) => rule({ path: `/only/${at}` }))), 'GET', 'localhost', '/nowhere')
  t.match(none, { outcome: 'no_rule', readings: [{ path: '/nowhere', ruleId: null, alsoIds: [] }], more: 50 })
  t.same([none.rules.length, none.permissions], [100, []])
})

t.test('a * between others is one segment, a name is one from its colon to its end, and 32 segments are the most', async (t) => {
  const middle = [rule({ path: '/a/*/b', permissions: ['middle:use'] })]
  t.same(['/a/x/b', '/a/x/y/b', '/a/b'].map((path) => needs(planOf(middle, path))), ['middle:use', 'gate.no_rule', 'gate.no_rule'])
  const plain = [rule({ path: '/a:b', permissions: ['plain:use'] })]
  t.same(['/a:b', '/c'].map((path) => needs(planOf(plain, path))), ['plain:use', 'gate.no_rule'], 'a colon within a segment is text')
  const good = { host: '*', public: false, permissions: [] }
  t.doesNotThrow(() => checkGateRule({ ...good, path: '/:name_of_it' }))
  t.throws(() => checkGateRule({ ...good, path: '/:a-b' }), { code: 'request.invalid' })
  t.doesNotThrow(() => checkGateRule({ ...good, path: '/a'.repeat(32) }))
  t.throws(() => checkGateRule({ ...good, path: '/a'.repeat(33) }), { code: 'request.invalid' })
})

t.test('HEAD goes with GET, other methods with none', async (t) => {
  const rules = [rule({ path: '/x', methods: ['GET'] })]
  t.same(['GET', 'HEAD', 'POST', 'get', 'OPTIONS'].map((method) => needs(planOf(rules, '/x', { method }))), ['', '', 'gate.no_rule', 'gate.no_rule', 'gate.no_rule'])
})

t.test('a plan is worked out once, and floods do not grow the memory of plans', async (t) => {
  const table = compileGateTable([rule({ path: '/*' })])
  t.equal(table.plan('GET', 'localhost', '/a?x=1'), table.plan('GET', 'localhost', '/a?y=2'), 'the query plays no part')
  t.not(table.plan('GET', 'localhost', `/${'a'.repeat(400)}`), table.plan('GET', 'localhost', `/${'a'.repeat(400)}`), 'long ones are not kept')
  for (let at = 0; at < 25_000; at += 1) table.plan('GET', 'localhost', `/${at}`)
  t.equal(needs(table.plan('GET', 'localhost', '/a')), '')
})

t.test('400 names what is wrong with a rule', async (t) => {
  const good = { host: '*', path: '/a', public: false, permissions: [] }
  for (const path of ['/', '/*', '/a/', '/a/*', '/:id', '/a/*/b', '/a.b:c', '/ü', '/@scope', '/a+b(c)[d]{e}!']) t.doesNotThrow(() => checkGateRule({ ...good, path }), path)
  for (const path of ['', 'a', '//', '/a//b', '/../a', '/./a', '/a%20b', '/a b', '/a?b', '/a#b', '/a;b', '/a\\b', '/:', '/:1', '/a*', '/*a', '/**', '/a\n', `/${'a/'.repeat(40)}`]) {
    t.throws(() => checkGateRule({ ...good, path }), { code: 'request.invalid', errors: [{ path: '/path' }] }, JSON.stringify(path))
  }
  for (const host of ['a.b', '*.a.b', '*', '[::1]']) t.doesNotThrow(() => checkGateRule({ ...good, host }), host)
  for (const host of ['A.b', 'a.b:80', '*.', 'a.*', '**', '', 'a b', '*a.b']) t.throws(() => checkGateRule({ ...good, host }), { errors: [{ path: '/host' }] }, host)
  t.throws(() => checkGateRule({ ...good, public: true, permissions: ['a:b'] }), { errors: [{ path: '/permissions' }] })
  t.same(planOf([rule({ path: '/a+b(c)[d]{e}!' })], '/a+b(c)[d]{e}!').refused, null, 'letters of patterns stand for themselves')
  t.equal(needs(planOf([rule({ path: '/a.c' })], '/abc')), 'gate.no_rule')
  t.throws(() => compileGateTable([rule({ path: 'broken' })]), /path must begin with/)
})

t.test('gateways: what they tell, and the answers they can pass on', async (t) => {
  const forwarded = { 'x-forwarded-method': 'PUT', 'x-forwarded-host': 'h', 'x-forwarded-uri': '/u', 'x-forwarded-proto': 'https', 'x-forwarded-for': '6.6.6.6, 10.0.0.1' }
  const original = { 'x-original-method': 'PUT', 'x-original-host': 'h', 'x-original-uri': '/u', 'x-original-proto': 'https', 'x-original-address': '10.0.0.1' }
  const told = { method: 'PUT', host: 'h', target: '/u', protocol: 'https' }
  for (const gateway of ['caddy', 'traefik'] as const) {
    t.same(PROFILES[gateway].read({ method: 'GET', url: `/gate/${gateway}?/other`, headers: forwarded }), { ...told, addresses: '6.6.6.6, 10.0.0.1' })
    t.equal(PROFILES[gateway].read({ method: 'GET', url: '/', headers: original }).target, '', 'nothing but its own headers')
  }
  for (const gateway of ['nginx', 'haproxy'] as const) {
    t.same(PROFILES[gateway].read({ method: 'GET', url: `/gate/${gateway}`, headers: original }), { ...told, addresses: '10.0.0.1' })
    t.equal(PROFILES[gateway].read({ method: 'GET', url: '/', headers: forwarded }).target, '', 'nothing but its own headers')
  }
  const envoy = PROFILES.envoy.read({ method: 'PUT', url: '/gate/envoy/a/b?c', headers: { ...forwarded, ...original, host: 'real' } })
  t.same(envoy, { method: 'PUT', host: 'real', target: '/a/b?c', protocol: 'https', addresses: '6.6.6.6, 10.0.0.1' })
  t.same(['', '10.0.0.1', '6.6.6.6, 10.0.0.1', 'a,b, ::1 '].map(lastAddress), ['', '10.0.0.1', '10.0.0.1', '::1'])
  t.same([200, 400, 401, 403, 429, 500, 503].map((status) => PROFILES.nginx.status(status)), [200, 403, 401, 403, 403, 403, 403])
  t.same([200, 400, 401, 403, 429, 503].map((status) => PROFILES.caddy.status(status)), [200, 400, 401, 403, 429, 503])
})

t.test('header names that servers join are one name, and nothing but the gateway may use it', async (t) => {
  for (const name of ['x_auth_subject', 'x.auth.subject', 'x-auth_key-id', 'x~auth~type', 'x!original!url', 'x-original', 'x_rewrite_anything', 'x-http-method', 'x.http.method.override', 'x-method-override', 'x_method', 'x-forwarded', "x'forwarded'for", 'x-auth-actor']) {
    t.ok(isReserved(name), name)
  }
  for (const name of ['x-api-key', 'x-request-id', 'x-author', 'x-authorization', 'x-originals', 'x-forward', 'xauth-subject', 'x--auth-subject', 'x-methods', 'auth-subject', 'x-auth-token', 'x-http-version']) t.notOk(isReserved(name), name)
  for (const gateway of GATEWAYS) {
    t.equal(reservedHeaderOf(gateway, { host: 'h', cookie: 'a', 'x-api-key': 'k', 'x-auth-subject': 'root', 'x-request-id': 'r' }), undefined, `${gateway}: replaced in this spelling`)
    for (const name of ['x_auth_subject', 'x-original-url', 'x-rewrite-url', 'x-http-method-override', 'x_forwarded_for', 'x-forwarded-whatever']) t.equal(reservedHeaderOf(gateway, { [name]: '' }), name, `${gateway} ${name}`)
  }
  t.equal(reservedHeaderOf('caddy', { 'x-original-uri': '/u' }), 'x-original-uri', 'what another gateway sets is a client\'s here')
  t.equal(reservedHeaderOf('nginx', { 'x-forwarded-uri': '/u' }), 'x-forwarded-uri')
  t.equal(reservedHeaderOf('traefik', { 'x-forwarded-port': '443', 'x-forwarded-uri': '/u' }), undefined)
})

t.test('what a request asks to be upgraded to', async (t) => {
  const handshake = { 'sec-websocket-key': 'dGhl', 'sec-websocket-version': '13' }
  const cases: [Record<string, string>, string, string | null][] = [
    [{}, 'GET', null], [{ upgrade: '' }, 'GET', null], [{ 'x-original-upgrade': '' }, 'POST', null], [{ upgrade: 'websocket', ...handshake }, 'GET', 'websocket'], [{ upgrade: 'WebSocket' }, 'GET', 'websocket'],
    [{ 'x-original-upgrade': 'websocket' }, 'GET', 'websocket'], [{ ...handshake }, 'GET', 'websocket'], [{ 'sec-websocket-key': 'x' }, 'GET', 'websocket'],
    [{ upgrade: 'h2c' }, 'GET', 'other'], [{ upgrade: 'websocket, h2c' }, 'GET', 'other'], [{ upgrade: 'h2c, websocket', ...handshake }, 'GET', 'other'], [{ 'x-original-upgrade': 'h2c' }, 'GET', 'other'], [{ 'http2-settings': 'AAA' }, 'GET', 'other'],
    [{ upgrade: 'websocket', 'http2-settings': '' }, 'GET', 'other'], [{ upgrade: 'websocket' }, 'POST', 'other'], [{ ...handshake }, 'PUT', 'other'], [{ upgrade: 'websocket', 'sec-websocket-version': '1337' }, 'GET', 'other'],
    [{ upgrade: 'websocket/13' }, 'GET', 'other'], [{}, 'CONNECT', 'other'], [{ upgrade: 'websocket', 'x-original-upgrade': 'h2c' }, 'GET', 'websocket'],
  ]
  for (const [headers, method, meant] of cases) t.equal(upgradeOf(headers, method), meant, `${method} ${JSON.stringify(headers)}`)
})

t.test('rules are held as long as nothing revokes them, and the lease lasts', async (t) => {
  const clock = fakeClock()
  const revocations = createRevocations({ clock, leaseMs: 1_500 })
  const poll = (head: number, tags: string[] = []) => revocations.applyPoll({ startedAt: revocations.now(), server: 's', head, rows: tags.map((tag) => ({ seq: head, tag })) })
  let stored: GateRuleSnapshot = { asOf: 0, rules: [] }
  let reads = 0
  let hook: () => unknown = () => undefined
  const source = createRuleSource({ revocations, store: { async snapshot() {
    reads += 1
    const answer = stored
    await hook()
    return answer
  } } })
  t.equal(source.current(), null, 'nothing was read yet')
  poll(0)
  const [one, two] = await Promise.all([source.load(), source.load()])
  t.equal(one, two)
  t.equal(reads, 1, 'one reading for all who wait')
  t.equal(source.current(), one)

  clock.advance(1_400)
  poll(0)
  clock.advance(1_400)
  t.equal(source.current(), one, 'a poll prolongs the lease')
  clock.advance(101)
  t.equal(source.current(), null, 'the lease has lapsed')
  poll(0)
  t.equal(source.current(), one, 'and the log has nothing against what is held')

  poll(1, ['key:other'])
  t.equal(source.current(), one)
  stored = { asOf: 2, rules: [rule({ path: '/*', public: true })] }
  revocations.apply({ seq: 2, tag: GATE_TAG })
  t.equal(source.current(), null, 'a change that was heard of')
  poll(2, [GATE_TAG])
  const fresh = await source.load()
  t.equal(needs(fresh.plan('GET', 'localhost', '/')), 'public')
  t.equal(source.current(), fresh)

  revocations.apply({ seq: 3, tag: GATE_TAG })
  const asked = reads
  hook = () => (reads - asked === 1 ? (stored = { asOf: 3, rules: [] }) : undefined)
  await source.load()
  t.equal(reads - asked, 2, 'a reading older than a change is made again')
  poll(3, [GATE_TAG])

  hook = () => clock.advance(1_500)
  await t.rejects(source.load(), { code: 'database.unavailable' }, 'an answer that took a lease is none')
  hook = () => Promise.reject(new Error('down'))
  await t.rejects(source.load(), /down/)
  hook = () => undefined
  revocations.apply({ seq: 8, tag: GATE_TAG })
  await source.load()
  t.equal(source.current(), null, 'what is older than the change that was heard of is proof at the moment it was read, and is not kept')
  stored = { asOf: 9, rules: [] }
  poll(9)
  t.equal(await source.load(), source.current())
  poll(50)
  t.equal(source.current(), null, 'a gap in the log')
})

t.test('who waits for rules is told in time', async (t) => {
  const revocations = createRevocations({ clock: fakeClock(), leaseMs: 1_500 })
  const source = createRuleSource({
    revocations, store: { snapshot: () => new Promise(() => undefined) }, deadline: async (_work, ms) => Promise.reject(new Error(`late after ${ms}`)),
  })
  await t.rejects(source.load(), /late after 2000/)
})
