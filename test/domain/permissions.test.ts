// The lattice of permissions: what is one, what covers what, what sets have in common; and the catalogue of Gatehouse's own.
import fc from 'fast-check'
import t from 'tap'
import { CATALOGUE, misplaced, OWN_RIGHTS, weightOf } from '../../src/kernel/permission-catalogue.js'
import { covers, holds, intersection, isPermission, lacking, reduced } from '../../src/kernel/permissions.js'

const segment = fc.constantFrom('a', 'b', 'ab', 'gatehouse', 'x-1', 'r.w')
const permission = fc.oneof(
  fc.array(segment, { minLength: 2, maxLength: 4 }).map((parts) => parts.join(':')),
  fc.array(segment, { minLength: 1, maxLength: 3 }).map((parts) => `${parts.join(':')}:*`),
  fc.constant('*:*'),
)
const set = fc.array(permission, { maxLength: 12 })
const plain = fc.array(segment, { minLength: 2, maxLength: 5 }).map((parts) => parts.join(':'))

t.test('what is no permission is refused in every spelling', async (t) => {
  for (const good of ['a:b', 'a:*', '*:*', 'a:b:c:d:e:f:g:h', 'a-b_c.d:e', 'gatehouse:users.read', `a:${'b'.repeat(98)}`]) t.ok(isPermission(good), good)
  const bad = ['', '*', 'a', 'a:', ':a', 'a::b', 'a:*:c', 'a:b*', '*:a', '*:*:*', 'A:b', 'a:B', 'a b:c', 'a:b\n', 'a:b:c:d:e:f:g:h:i', 'a:**', 'ä:b', 'a:b ', ' a:b', 'a:*b', `a:${'b'.repeat(99)}`, 'gatehouse', 'a:\u212a', 'a:b\0']
  for (const text of bad) t.notOk(isPermission(text), JSON.stringify(text))
})

t.test('what is common to two sets commutes, associates, is idempotent, and permits exactly what both do', async (t) => {
  fc.assert(fc.property(set, set, set, plain, (a, b, c, wanted) => {
    t.same(intersection(a, b), intersection(b, a))
    t.same(intersection(intersection(a, b), c), intersection(a, intersection(b, c)))
    t.same(intersection(a, a), reduced(a))
    const both = intersection(a, b)
    if (holds(both, wanted) !== (holds(a, wanted) && holds(b, wanted))) throw new Error(JSON.stringify([a, b, wanted]))
  }), { numRuns: 300 })
  t.pass('on random strings')
})

t.test('what another member covers is dropped, and what is left permits the same', async (t) => {
  t.same(reduced(['a:b', 'a:*', 'c:d', 'a:b', 'a:b:*']), ['a:*', 'c:d'])
  t.same(reduced(['*:*', 'a:b', 'gatehouse:keys.read']), ['*:*', 'gatehouse:keys.read'])
  fc.assert(fc.property(set, plain, (all, wanted) => {
    const left = reduced(all)
    return left.every((one) => left.every((other) => other === one || !covers(other, one))) && holds(left, wanted) === holds(all, wanted)
  }), { numRuns: 300 })
})

t.test('a look at the ancestors says what a look at each member says', async (t) => {
  fc.assert(fc.property(fc.array(permission, { minLength: 9, maxLength: 30 }), fc.oneof(permission, plain), (granted, wanted) =>
    holds(granted, wanted) === granted.some((one) => covers(one, wanted))), { numRuns: 500 })
  t.pass('in large sets, too')
})

t.test('wildcards end at a colon, and *:* stops at Gatehouse', async (t) => {
  for (const [granted, wanted] of [['a:*', 'ab:c'], ['a:*', 'a'], ['a:b:*', 'a:*'], ['*:*', 'gatehouse:users.read'], ['*:*', 'gatehouse:*'], ['gatehouse:*', '*:*'], ['a:*', '*:*']] as const) {
    t.notOk(covers(granted, wanted), `${granted} does not cover ${wanted}`)
  }
  t.ok(covers('*:*', '*:*') && covers('*:*', 'a:*') && covers('a:*', 'a:b:*'))
})

t.test('only what the catalogue names may stand, where it may stand', async (t) => {
  t.equal(misplaced('reports:read', 'key'), null)
  for (const [permission, bearer] of [
    ['gatehouse:keys.wirte', 'role'], ['Gatehouse:x', 'role'], ['gatehouse:*', 'key'], ['gatehouse:*', 'role'], ['gatehouse:*', 'member'], ['gatehouse:own.keys', 'key'],
    ['gatehouse:users.read', 'member'], ['gatehouse:users.read:*', 'role'], ['gatehouse:users', 'key'], ['gatehouse:own.*', 'member'],
  ] as const) t.type(misplaced(permission, bearer), 'string', `${permission} on a ${bearer}`)
  for (const right of OWN_RIGHTS) t.equal(misplaced(right, 'member'), null)
  t.equal(misplaced('gatehouse:*', 'rule'), null, 'a rule asks for it, and gives nothing')
})

t.test('powers weigh what they amount to, and what is one\'s own is free', async (t) => {
  t.same(weightOf(['gatehouse:gate.write']), ['gatehouse:gate.write', '*:*'])
  t.same(weightOf(['a:b', 'gatehouse:gate.write', 'c:d']), ['a:b', 'gatehouse:gate.write', 'c:d', '*:*'], 'among others, too')
  t.same(weightOf(['gatehouse:own.keys', 'a:b']), ['a:b'])
  t.same(lacking(['gatehouse:gate.write'], weightOf(['gatehouse:gate.write'])), ['*:*'])
  t.ok(weightOf(['gatehouse:*']).includes('*:*'), 'a wildcard weighs what is below it')
  for (const [name, { says }] of Object.entries(CATALOGUE)) t.match(says, /^[A-Z].*\.$/, `${name} has its sentence`)
})
