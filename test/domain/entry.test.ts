// What a credential is worth as it was found, and the verdict over it at a moment: facts in, no store.
import t from 'tap'
import { type ActorFacts, decideKey, decideSession, foundKey, foundPerson, foundSession, type KeyFacts, type OrganizationFacts, type PersonFacts, type SessionFacts } from '../../src/decisions/entry.js'
import { UNTIL_MFA } from '../../src/kernel/principal.js'

const NOW = Date.UTC(2031, 0, 1)
const IDLE = 1_000
const CALLS = [{ name: 'calls', quota: 10, windowSeconds: 60 }]

const keyFacts = (changes: Partial<KeyFacts> = {}): KeyFacts => ({
  keyId: 'k', ownerId: 'o', isOrganizations: false, ownerActive: true, name: 'n', permissions: ['a:b'], metadata: { plan: 'free' }, revoked: false, expiresAtMs: null, ownerPermissions: null, roles: ['r'],
  addresses: [], ownerAddresses: [], limitGroupId: 'k', limits: [], ownerLimits: [], plans: [], ...changes,
})
const keyOf = (changes: Partial<KeyFacts> = {}) => foundKey({ entry: keyFacts(changes), asOf: 7 })

const ORGANIZATION: OrganizationFacts = { id: 'org', entitlement: ['app:*', 'more:x'], limits: CALLS, isOwner: false, permissions: ['app:read', 'other:x'] }
const ACTOR: ActorFacts = {
  userId: 'admin', sessionId: 'as', isLive: true, expiresAtMs: NOW + 800, lastSeenAtMs: NOW, permissions: ['gatehouse:users.impersonate', 'app:*', 'own:*'], roles: ['ar'],
}
const sessionFacts = (changes: Partial<SessionFacts> = {}): SessionFacts => ({
  sessionId: 's', userId: 'u', userActive: true, permissions: ['app:read', 'own:x', 'gatehouse:own.keys'], roles: ['r'], ended: false, expiresAtMs: NOW + 900, lastSeenAtMs: NOW - 200, acr: 'aal1' as never, authTimeMs: 5, wantsMfa: false,
  ownerLimits: [], plans: [], actor: null, organization: null, ...changes,
})
const sessionOf = (changes: Partial<SessionFacts> = {}, notAfterMs?: number) => foundSession({ entry: sessionFacts(changes), asOf: 7 }, 'token', IDLE, notAfterMs)

t.test('a key: revoked before expired before its owner before where it comes from before what is wanted', async (t) => {
  const here = (address: string): boolean => address === 'here'
  const good = { revoked: false, expiresAtMs: null, ownerActive: true, permissions: ['a:*'], allowsFrom: null }
  const cases: [Partial<Parameters<typeof decideKey>[0]>, string[], string | undefined, string][] = [
    [{}, [], undefined, 'valid'], [{}, ['a:b'], undefined, 'valid'], [{}, ['a:b', 'b:b'], undefined, 'forbidden'], [{}, ['b:b', 'a:b'], undefined, 'forbidden'],
    [{ revoked: true, expiresAtMs: NOW, ownerActive: false }, ['b:b'], undefined, 'revoked'], [{ expiresAtMs: NOW, ownerActive: false }, ['b:b'], undefined, 'expired'],
    [{ expiresAtMs: NOW - 1 }, [], undefined, 'expired'], [{ expiresAtMs: NOW + 1 }, [], undefined, 'valid'], [{ ownerActive: false }, ['b:b'], undefined, 'owner_suspended'],
    [{ allowsFrom: here }, [], 'here', 'valid'], [{ allowsFrom: here }, [], 'there', 'forbidden'], [{ allowsFrom: () => true }, [], undefined, 'forbidden'], [{ allowsFrom: null }, [], 'there', 'valid'],
  ]
  for (const [changes, wanted, address, verdict] of cases) t.equal(decideKey({ ...good, ...changes }, NOW, wanted, address), verdict, JSON.stringify([changes, wanted, address]))
})

t.test('a session: ended before expired or idle before a suspended user, each to the millisecond', async (t) => {
  const good = { ended: false, expiresAtMs: NOW + 1, lastSeenAtMs: NOW - IDLE + 1, userActive: true }
  const cases: [Partial<typeof good>, string][] = [
    [{}, 'valid'], [{ ended: true, expiresAtMs: NOW, userActive: false }, 'revoked'], [{ expiresAtMs: NOW, userActive: false }, 'expired'], [{ lastSeenAtMs: NOW - IDLE, userActive: false }, 'expired'],
    [{ expiresAtMs: NOW - 1 }, 'expired'], [{ lastSeenAtMs: NOW - IDLE - 1 }, 'expired'], [{ userActive: false }, 'owner_suspended'],
  ]
  for (const [changes, verdict] of cases) t.equal(decideSession({ ...good, ...changes }, NOW, IDLE), verdict, JSON.stringify(changes))
})

t.test('a key as it was found', async (t) => {
  const found = keyOf()
  const { key, ...rest } = found
  t.strictSame(rest, { session: null, principal: { type: 'key', id: 'o', keyId: 'k', permissions: ['a:b'], authenticatedBy: 'key' }, ids: ['k', 'o', 'r'], asOf: 7, endsAtMs: Infinity })
  t.strictSame(key, {
    keyId: 'k', ownerId: 'o', isOrganizations: false, ownerActive: true, name: 'n', permissions: ['a:b'], metadata: { plan: 'free' }, revoked: false, expiresAtMs: null, limitGroupId: 'k', expiresAt: null, bound: { limits: [], charges: [] },
    answer: { text: '' }, allowsFrom: null,
  })
  t.equal(keyOf().key?.metadata, key?.metadata, 'what keys repeat is held once')
  t.not(keyOf().key?.answer, key?.answer, 'its answer is its own')
  t.match(keyOf({ isOrganizations: true }).principal, { organizationId: 'o' })
  t.same(keyOf({ permissions: ['a:*', 'c:d'], ownerPermissions: ['a:b', 'e:f'] }).principal.permissions, ['a:b'], 'no more than its owner holds')
  const ending = keyOf({ expiresAtMs: NOW })
  t.same([ending.key?.expiresAt, ending.endsAtMs], ['2031-01-01T00:00:00.000Z', NOW])
  t.same([{ revoked: true }, { ownerActive: false }].map((changes) => keyOf({ ...changes, expiresAtMs: NOW }).endsAtMs), [0, 0])
  const limited = keyOf({ limitGroupId: 'first', limits: CALLS, ownerLimits: CALLS, plans: [CALLS] })
  t.same(limited.key?.limitGroupId, 'first')
  t.same(limited.key?.bound.charges.map((charge) => charge.key), ['key:{o}:first:calls', 'owner:{o}:calls', 'plan:{o}:calls'])
})

t.test('a key may be used from where both its seller and its owner say; who says nothing means anywhere', async (t) => {
  const asked = ['10.1.0.1', '10.2.0.1', '192.0.2.1']
  const from = (addresses: string[], ownerAddresses: string[]) => asked.map((address) => keyOf({ addresses, ownerAddresses }).key?.allowsFrom?.(address))
  t.same(from(['10.0.0.0/8'], []), [true, true, false])
  t.same(from([], ['10.1.0.0/16']), [true, false, false])
  t.same(from(['10.0.0.0/8', '192.0.2.0/24'], ['10.1.0.0/16', '192.0.2.0/24']), [true, false, true])
})

t.test('a session as it was found', async (t) => {
  const found = sessionOf()
  const permissions = ['app:read', 'own:x', 'gatehouse:own.keys']
  t.strictSame(found, {
    key: null, ids: ['s', 'u', 'r'], asOf: 7, endsAtMs: NOW + 800,
    session: { sessionId: 's', userId: 'u', userActive: true, permissions, roles: ['r'], ended: false, expiresAtMs: NOW + 900, lastSeenAtMs: NOW - 200, bound: null },
    principal: { type: 'user', id: 'u', sessionId: 's', permissions, acr: 'aal1', authTimeMs: 5, authenticatedBy: 'token' },
  })
  t.equal(foundSession({ entry: sessionFacts(), asOf: 7 }, 'cookie', IDLE).principal.authenticatedBy, 'cookie')
  t.same([sessionOf({ expiresAtMs: NOW + 5 }).endsAtMs, sessionOf({}, NOW + 6).endsAtMs, sessionOf({ ended: true }).endsAtMs, sessionOf({ userActive: false }).endsAtMs], [NOW + 5, NOW + 6, 0, 0], 'what ends first')
  t.same(sessionOf({ ownerLimits: CALLS, plans: [CALLS] }).session?.bound?.charges.map(({ key }) => key), ['owner:{u}:calls', 'plan:{u}:calls'])
  const { principal } = sessionOf({ wantsMfa: true })
  t.same([principal.permissions, principal.wantsMfa], [UNTIL_MFA, true], 'enough to add a second factor, and no more')
})

t.test('in an organization: what its roles give within its entitlement, of Gatehouse what is their own, and its limits', async (t) => {
  const found = sessionOf({ organization: ORGANIZATION, ownerLimits: [{ name: 'own', quota: 1, windowSeconds: 1 }] })
  t.same(found.principal.permissions, ['gatehouse:own.keys', 'app:read'])
  t.same([found.principal.organizationId, found.ids], ['org', ['s', 'u', 'r', 'org']])
  t.same(found.session?.bound?.charges.map(({ key }) => key), ['owner:{org}:calls'])
  t.same(sessionOf({ organization: { ...ORGANIZATION, isOwner: true, permissions: [] } }).principal.permissions, ['gatehouse:own.keys', 'app:*', 'more:x'], 'an owner all of it')
})

t.test('somebody acts for another: no more than both, as long as both, and in no organization', async (t) => {
  const { principal, session, ids, endsAtMs } = sessionOf({ actor: ACTOR, organization: ORGANIZATION, wantsMfa: true })
  t.strictSame(principal, { type: 'user', id: 'u', sessionId: 's', permissions: ['app:read', 'own:x'], acr: 'aal1', authTimeMs: 5, authenticatedBy: 'token', act: { sub: 'admin', sid: 'as' } })
  t.same([ids, session?.ended, session?.expiresAtMs, session?.bound, endsAtMs], [['s', 'u', 'r', 'as', 'admin', 'ar'], false, NOW + 800, null, NOW + 800])
  t.equal(sessionOf({ actor: { ...ACTOR, lastSeenAtMs: NOW - 900 } }).session?.expiresAtMs, NOW + 100, 'nor longer than the actor is seen')
  t.equal(sessionOf({ actor: ACTOR, expiresAtMs: NOW + 3 }).session?.expiresAtMs, NOW + 3)
  for (const [what, changes] of [['the session is ended', { actor: ACTOR, ended: true }], ['the actor is gone', { actor: { ...ACTOR, isLive: false } }], ['the actor may not any more', { actor: { ...ACTOR, permissions: ['app:*', 'own:*'] } }]] as const) {
    t.same([sessionOf(changes).session?.ended, sessionOf(changes).endsAtMs], [true, 0], what)
  }
  t.same(sessionOf({ actor: { ...ACTOR, permissions: ['app:*', 'own:*'] } }).principal.permissions, [])
})

t.test('somebody who is asked about: what they may do, in an organization nothing unless they are in it', async (t) => {
  const person = (changes: Partial<PersonFacts> = {}, organizationId: string | null = null) =>
    foundPerson({ entry: { userId: 'u', active: true, permissions: ['own:x', 'gatehouse:own.keys'], roles: ['r'], organization: null, ...changes }, asOf: 7 }, organizationId)
  t.strictSame(person(), { key: null, session: null, principal: { type: 'user', id: 'u', permissions: ['own:x', 'gatehouse:own.keys'], authenticatedBy: 'token' }, ids: ['u', 'r'], asOf: 7, endsAtMs: Infinity })
  t.match(person({ active: false }), { principal: { permissions: [] }, endsAtMs: 0 })
  t.same(person({ active: false }).principal.permissions, [])
  const member = person({ organization: ORGANIZATION }, 'org')
  t.same([member.principal.permissions, member.principal.organizationId, member.ids], [['gatehouse:own.keys', 'app:read'], 'org', ['u', 'r', 'org']])
  const none = person({}, 'org')
  t.same([none.principal.permissions, none.principal.organizationId, none.ids], [[], undefined, ['u', 'r', 'org']])
})
