// The rules of authority by themselves: what a credential holds, what it may give, whom it reaches; whose hand a field of a key is; networks.
import t from 'tap'
import { type ActingFacts, heldBy, impersonatedPermissions, issuerOf, refuseEnd, refuseGain, refuseGrant, refuseWithout, type TargetFacts, UNFENCED } from '../../src/authority/authority-rules.js'
import { canonicalNetwork, createNetworkTest, networksWithin } from '../../src/kernel/networks.js'
import { refuseForeignFields, widens } from '../../src/keys/key-hands.js'
import type { KeyPatch, KeyRow } from '../../src/keys/key-store.js'

const NOW = Date.UTC(2031, 0, 1)
const at = (ms: number): Date => new Date(NOW + ms)
const session: ActingFacts = { active: true, rolePermissions: ['a:*'], live: true, kind: null, written: [], expiresAt: at(1_000), ownerExpiresAt: null, addresses: [], ownerAddresses: [] }
const key: ActingFacts = { ...session, kind: 'bound', written: ['a:b', 'c:d'], expiresAt: null }
const target: TargetFacts = { id: 't', kind: 'person', status: 'active', rolePermissions: ['a:b', 'gatehouse:own.keys'], keyPermissions: ['c:d'] }
const held = (permissions: string[], fence = UNFENCED) => ({ permissions, fence })
const NH = { code: 'permission.not_held' }

t.test('a credential holds what it is worth now, and nothing once it or its owner has ended', async (t) => {
  t.same(heldBy(session, NOW), { permissions: ['a:*'], fence: UNFENCED }, 'a session gives no end away: what it grants lasts')
  t.same(heldBy(key, NOW).permissions, ['a:b'], 'a bound key: written, and held by its owner')
  t.same(heldBy({ ...key, kind: 'standing' }, NOW).permissions, ['a:b', 'c:d'])
  t.same(heldBy({ ...key, expiresAt: at(9), ownerExpiresAt: at(5), addresses: ['10.0.0.0/8'], ownerAddresses: ['10.1.0.0/16'] }, NOW).fence, { endsAtMs: NOW + 5, addresses: [['10.0.0.0/8'], ['10.1.0.0/16']] })
  const ended: Partial<ActingFacts>[] = [{ active: false }, { live: false }, { expiresAt: at(0) }, { ownerExpiresAt: at(-1) }]
  for (const change of ended) for (const facts of [session, key, { ...key, kind: 'standing' as const }]) t.same(heldBy({ ...facts, ...change }, NOW).permissions, [], JSON.stringify(change))
})

t.test('an act is put down to a credential, the host, or nobody', async (t) => {
  const caller = { principal: null, address: '', userAgent: '', requestId: '' }
  t.same(issuerOf(caller), { by: null, via: '' })
  t.same(issuerOf({ ...caller, host: true }), { by: null, via: 'host' })
  const principal = { id: 'u', permissions: [] }
  t.same(issuerOf({ ...caller, principal: { ...principal, type: 'key', keyId: 'k', authenticatedBy: 'key' } }), { by: 'u', via: 'key:k' })
  t.same(issuerOf({ ...caller, principal: { ...principal, type: 'user', sessionId: 's', authenticatedBy: 'cookie' } }), { by: 'u', via: 'cookie:s' })
})

t.test('nothing is given that is not held: permissions with their weight, ends, addresses', async (t) => {
  t.doesNotThrow(() => refuseGrant(held(['a:*']), ['a:b', 'gatehouse:own.keys']))
  t.throws(() => refuseGrant(held(['a:b']), ['a:b', 'a:c']), NH)
  t.throws(() => refuseGrant(held(['gatehouse:gate.write']), ['gatehouse:gate.write']), NH, 'its weight is everything of the application')
  t.doesNotThrow(() => refuseGrant(held(['gatehouse:gate.write', '*:*']), ['gatehouse:gate.write']))
  const fenced = held(['a:*'], { endsAtMs: NOW + 5, addresses: [['10.0.0.0/8'], []] })
  const inside = { endsAtMs: NOW + 5, addresses: [['10.1.0.0/16']] }
  t.doesNotThrow(() => refuseGrant(fenced, ['a:b'], inside))
  t.throws(() => refuseGrant(fenced, ['a:b'], { ...inside, endsAtMs: NOW + 6 }), NH)
  for (const addresses of [[], [[]], [['8.0.0.0/6']], [['10.1.0.0/16', '11.0.0.0/8']], [['::ffff:0:0/96']]]) t.throws(() => refuseGrant(fenced, ['a:b'], { ...inside, addresses }), NH, JSON.stringify(addresses))
  t.throws(() => refuseGrant(fenced, ['a:b']), NH, 'what has no fence has no end')
  t.throws(() => refuseGrant(fenced, [], { endsAtMs: Infinity, addresses: [] }), NH, 'a key without permissions is a credential, too')
  t.doesNotThrow(() => refuseGrant(fenced, []), 'a role that permits nothing is free')
  t.doesNotThrow(() => refuseGrant(held(['a:*'], { endsAtMs: Infinity, addresses: [[], []] }), ['a:b']), 'a key without a fence gives like a person')
  const both = held(['a:*'], { endsAtMs: Infinity, addresses: [['10.0.0.0/8'], ['10.1.0.0/16']] })
  t.throws(() => refuseGrant(both, ['a:b'], { endsAtMs: Infinity, addresses: [['10.2.0.0/16']] }), NH, 'each list holds')
  const many = Array.from({ length: 25 }, (_, n) => `a:n${n}`)
  t.throws(() => refuseGrant(held([]), many), { ...NH, detail: `Not held: ${many.slice(0, 20).join(', ')}` }, 'the first twenty are named')
})

t.test('whoever acts for somebody may what both may, of Gatehouse what looks and repairs, and nothing of somebody who may do more', async (t) => {
  const actor = ['gatehouse:users.impersonate', 'gatehouse:users.read', 'gatehouse:users.write', 'gatehouse:own.keys', 'gatehouse:own.profile', 'a:*', 'b:c']
  const may = (ofTarget: string[], ofActor = actor) => impersonatedPermissions(ofTarget, ofActor)
  t.same(may(['a:b', 'gatehouse:users.read', 'gatehouse:users.write', 'gatehouse:own.keys', 'gatehouse:own.profile']), ['a:b', 'gatehouse:own.profile', 'gatehouse:users.read'])
  t.same(may([]), [], 'somebody who may nothing')
  t.same(may(['a:*']), ['a:*'])
  t.same(may(['a:b']), ['a:b'], 'and no more of a: than they')
  t.equal(may(['a:b', 'x:y']), null, 'they may do more')
  t.equal(may(['*:*']), null)
  t.equal(may(['gatehouse:*'], ['gatehouse:users.impersonate', '*:*']), null)
  t.equal(may(['gatehouse:gate.write'], ['gatehouse:users.impersonate', 'gatehouse:gate.write']), null, 'with the weight of what they may')
  t.equal(may(['a:b'], ['a:*']), null, 'without leave, not at all')
  t.same(may(['gatehouse:own.sessions', 'a:b'], ['gatehouse:users.impersonate', 'a:b']), ['a:b'], 'one\'s own things make nobody harder to reach')
  t.same(may(['gatehouse:*', '*:*'], ['gatehouse:*', '*:*'])?.filter((one) => /write|brake|import|impersonate|verify|check|override|own\.keys|\*$/.test(one)), ['*:*'], 'an administrator for another')
})

t.test('gaining takes everything, ending the Gatehouse part, and what is one\'s own counts for neither', async (t) => {
  t.throws(() => refuseGain(held(['a:*']), target), NH, 'their keys count')
  t.throws(() => refuseGain(held(['c:*']), target), NH)
  t.doesNotThrow(() => refuseGain(held(['a:*', 'c:d']), target))
  t.throws(() => refuseGain(held(['a:*', 'c:d'], { endsAtMs: NOW, addresses: [] }), target), NH, 'nor beyond one\'s own end')
  t.doesNotThrow(() => refuseGain(held(['a:*', 'c:d'], { endsAtMs: NOW, addresses: [] }), target, { endsAtMs: NOW, addresses: [] }))
  const ending = { endsAtMs: NOW, addresses: [] }
  t.throws(() => refuseGain(held(['a:b'], ending), { ...target, keyPermissions: [] }), NH, 'of a single permission, too')
  t.doesNotThrow(() => refuseGain(held([], ending), { ...target, rolePermissions: ['gatehouse:own.keys'], keyPermissions: [] }), 'who may do nothing is nothing to gain')
  t.throws(() => refuseGain(held(['gatehouse:gate.write']), { ...target, rolePermissions: ['gatehouse:gate.write'], keyPermissions: [] }), NH, 'with its weight')
  t.doesNotThrow(() => refuseEnd(held([]), ['a:b', 'gatehouse:own.keys']))
  t.throws(() => refuseEnd(held(['a:*', '*:*']), ['gatehouse:users.read']), NH)
  t.doesNotThrow(() => refuseEnd(held(['gatehouse:gate.write']), ['gatehouse:gate.write']), 'ending it needs no weight')
  t.throws(() => refuseWithout(held(['a:b']), 'c:d', 'e:f'), { code: 'access.denied' })
  t.doesNotThrow(() => refuseWithout(held(['e:f']), 'c:d', 'e:f'))
})

t.test('each hand changes its own fields', async (t) => {
  const [owner, seller, both] = [new Set(['owner' as const]), new Set(['seller' as const]), new Set(['owner' as const, 'seller' as const])]
  const sellers: KeyPatch[] = [{ permissions: [] }, { limits: [] }, { metadata: {} }, { expiresAt: null }, { addresses: [] }]
  const owners: KeyPatch[] = [{ ownerExpiresAt: null }, { ownerAddresses: [] }]
  const sold = { kind: 'standing' as const }
  for (const patch of sellers) {
    t.throws(() => refuseForeignFields(sold, owner, patch), { code: 'access.denied', detail: /whoever sold the key/ }, JSON.stringify(patch))
    t.doesNotThrow(() => { refuseForeignFields(sold, seller, patch); refuseForeignFields(sold, both, patch) })
  }
  for (const patch of owners) {
    t.throws(() => refuseForeignFields(sold, seller, patch), { code: 'access.denied', detail: /for the key's owner/ }, JSON.stringify(patch))
    t.throws(() => refuseForeignFields({ kind: 'bound' }, both, patch), { code: 'request.invalid' })
    t.doesNotThrow(() => { refuseForeignFields(sold, owner, patch); refuseForeignFields(sold, both, patch) })
  }
  t.throws(() => refuseForeignFields({ kind: 'bound' }, both, { metadata: { a: 1 }, ownerAddresses: [] }), { code: 'request.invalid', errors: [{ path: '/ownerAddresses' }, { path: '/metadata' }] })
  t.doesNotThrow(() => { refuseForeignFields({ kind: 'bound' }, owner, { metadata: {}, permissions: [], name: 'x' }); refuseForeignFields(sold, owner, { name: 'x' }) })
})

t.test('a change widens by a permission, an end or an address', async (t) => {
  const row = { permissions: ['a:b'], expiresAt: at(5), addresses: ['10.0.0.0/8'] } as unknown as KeyRow
  for (const patch of [{ permissions: ['a:b', 'a:c'] }, { permissions: ['a:*'] }, { expiresAt: null }, { expiresAt: at(6) }, { addresses: [] }, { addresses: ['0.0.0.0/0'] }, { addresses: ['10.0.0.0/8', '11.0.0.0/8'] }]) t.ok(widens(row, patch), JSON.stringify(patch))
  for (const patch of [{}, { permissions: [] }, { expiresAt: at(5) }, { expiresAt: at(4) }, { addresses: ['10.9.0.0/16'] }, { name: 'x' }]) t.notOk(widens(row, patch), JSON.stringify(patch))
  t.notOk(widens({ ...row, expiresAt: null, addresses: [] }, { expiresAt: at(1), addresses: ['10.0.0.0/8'] }), 'from none to one is narrower')
})

t.test('networks have one spelling, nest, and are not fooled by another', async (t) => {
  for (const [text, spelt] of [['10.1.2.3/8', '10.0.0.0/8'], ['192.0.2.7', '192.0.2.7/32'], ['2001:DB8::1/32', '2001:db8::/32'], ['::ffff:10.0.0.1', '10.0.0.1/32'], ['::ffff:10.0.0.0/104', '10.0.0.0/8'], ['::ffff:0:0/96', '0.0.0.0/0'], ['::ffff:1.2.3.4/97', '0.0.0.0/1'], ['2001:db8::1', '2001:db8::1/128'], ['::ffff:10.0.0.1/128', '10.0.0.1/32'], ['0.0.0.0/0', '0.0.0.0/0']] as const) t.equal(canonicalNetwork(text), spelt)
  for (const text of ['10.0.0.0/33', '10.1', '0x7f.1', '010.0.0.1', '10.0.0.256', '::1/129', '::ffff:0:0/95', 'x', '', '10.0.0.0/', '1.2.3.4.5', '::g']) t.equal(canonicalNetwork(text), null, text)
  t.ok(networksWithin(['10.1.0.0/16', '2001:db8:1::/48'], ['10.0.0.0/8', '2001:db8::/32']))
  for (const [inner, outer] of [[['10.0.0.0/7'], ['10.0.0.0/8']], [['11.0.0.0/8'], ['10.0.0.0/8']], [['::/0'], ['0.0.0.0/0']], [[], ['10.0.0.0/8']], [['10.0.0.0/8', '9.0.0.0/8'], ['10.0.0.0/8']]] as const) t.notOk(networksWithin(inner, outer), JSON.stringify([inner, outer]))
  t.ok(networksWithin([], []) && networksWithin(['10.0.0.0/8'], []))
  const isIn = createNetworkTest(['10.0.0.0/8', '2001:db8::/32'])
  for (const address of ['10.255.0.1', '::ffff:10.0.0.1', '2001:db8::9', '[2001:db8::9]:443', '10.0.0.1:80']) t.ok(isIn(address), address)
  for (const address of ['11.0.0.1', '2001:db9::1', '', 'x', '10.1']) t.notOk(isIn(address), address)
})
