// The rules of forward-auth: which of them holds for a request, what it needs then, and how that is explained.
import t from 'tap'
import { explainRules } from '../../src/gate/explain-rules.js'
import { checkGateRule, compileGateTable } from '../../src/gate/gate-rules.js'
import { needs, planOf, rule } from '../support/gate-rules.js'

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

t.test('a token is of one audience, so a request that could need two of them, or one and none, is refused', async (t) => {
  const good = { host: '*', path: '/a', public: false, permissions: [] }
  t.doesNotThrow(() => checkGateRule({ ...good, audience: 'https://a.example', scopes: ['read'] }))
  t.throws(() => checkGateRule({ ...good, scopes: ['read'] }), { errors: [{ path: '/scopes' }] })
  t.throws(() => checkGateRule({ ...good, public: true, audience: 'https://a.example' }), { errors: [{ path: '/audience' }] })
  const of = (path: string, audience: string | null, ...scopes: string[]) => rule({ path, audience, scopes, permissions: ['a:b'] })
  const rules = [of('/a/*', 'a', 'read', 'write'), of('/again/*', 'a', 'read', 'list'), of('/b/*', 'b'), of('/none/*', null), rule({ path: '/public/*', public: true, limit: { quota: 1, windowSeconds: 1, per: 'owner' } })]
  for (const other of ['/b/x', '/none/x']) t.match(planOf(rules, `/a/..${other}`), { refused: 'gate.target_refused', detail: /one of two audiences/ }, other)
  t.match(planOf(rules, '/a/x'), { refused: null, audience: 'a', scopes: ['read', 'write'], permissions: ['a:b'], limits: [] })
  t.same(planOf(rules, '/a/../again/x'), { refused: null, public: false, audience: 'a', scopes: ['read', 'write', 'list'], permissions: ['a:b'], limits: [] })
  t.match(planOf(rules, '/public/../b/x'), { refused: null, public: false, audience: 'b', limits: [{ quota: 1, per: 'address', ruleId: rules[4]?.id }] })
  t.match(planOf(rules, '/none/x'), { refused: null, audience: null, scopes: [] })
  const table = compileGateTable(rules)
  t.match(explainRules(table, 'GET', 'localhost', '/a/x'), { audience: 'a', scopes: ['read', 'write'], permissions: ['a:b'], outcome: 'credential' })
  t.match(explainRules(table, 'GET', 'localhost', '/a/../b/x'), { audience: null, scopes: [], permissions: [], outcome: 'refused', refused: null })
})

t.test('an explanation puts what came closest in front, and says what was asked', async (t) => {
  const far = [rule({ host: 'other.example', path: '/else' }), rule({ path: '/else', methods: ['PUT'] }), rule({ path: '/else' })]
  const near = [rule({ host: 'other.example', path: '/x', priority: -1 }), rule({ path: '/x', methods: ['PUT', 'POST'] })]
  const explained = explainRules(compileGateTable([...far, ...near]), 'GET', 'localhost', '/x')
  t.same(explained.rules.map(({ id }) => id), [...near.toReversed(), ...far.toReversed()].map(({ id }) => id))
  t.ok(explained.rules.every(({ holds }) => !holds))
  t.match(explained.rules[1], { host: 'other.example', path: '/x', methods: [], priority: -1, why: 'it is for the host other.example' })
  t.match(explained, { method: 'GET', host: 'localhost', target: '/x', outcome: 'no_rule', more: 0 })
  const folded = [rule({ path: '/A/*' }), rule({ path: '/*' })]
  t.equal(explainRules(compileGateTable(folded), 'GET', 'localhost', '/a//b').rules[0]?.why, 'holds for /a//b, /a/b')
  t.equal(explainRules(compileGateTable(folded), 'GET', 'localhost', '/a//b').rules[1]?.why, 'goes first, and servers that do not tell letters apart take /a//b, /a/b for its path')
})

t.test('what no rule covers is told in at most 300 characters of its path', async (t) => {
  const told = (length: number): string => (planOf([], `/${'x'.repeat(length - 1)}`) as { detail: string }).detail
  t.equal(told(300), `No rule for GET localhost/${'x'.repeat(299)}`)
  t.equal(told(301), `No rule for GET localhost/${'x'.repeat(299)}...`)
})
