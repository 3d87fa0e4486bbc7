// Who may let whom do what, decided where it lasts: in the transaction of the act, behind the gate. What a request's credential was
// found to hold at its start is up to a lease old, which is enough to look at things and not to leave lasting effects.
import { type Caller, UNTIL_MFA } from '../kernel/principal.js'
import type { Tx } from '../database/transaction.js'
import type { Clock } from '../kernel/clock.js'
import { problem } from '../kernel/errors.js'
import { APPLICATION, ALL_OF_GATEHOUSE } from '../kernel/permissions.js'
import { heldBy, type Held, NOTHING_HELD, refuseWithout, type TargetFacts, UNFENCED } from './authority-rules.js'
import type { AuthorityStore, GateScope } from './authority-store.js'

export interface AuthorityService {
  /** Passes the gates of an act, before any other lock of its transaction, and says what the caller holds until its commit. */
  hold: (tx: Tx, caller: Caller, scope?: GateScope) => Promise<Held>
  /** hold, for somebody who is not here: who gave what is taken now, as they are now, with the key they gave it with where it was one. */
  holdOf: (tx: Tx, giver: { userId: string; keyId: string | null }, scope?: GateScope) => Promise<Held>
  /** hold, and throws access.denied unless one of the permissions is still held. */
  require: (tx: Tx, caller: Caller, anyOf: string | readonly string[], scope?: GateScope) => Promise<Held>
  /** What a user may do, for reach. Throws user.not_found. */
  target: (tx: Tx, userId: string) => Promise<TargetFacts>
  /** The same of many, by their ids; who is not there is not in it. */
  targets: (tx: Tx, userIds: readonly string[]) => Promise<ReadonlyMap<string, TargetFacts>>
  guardAdmins: AuthorityStore['guardAdmins']
  guardCap: AuthorityStore['guardCap']
  guardCaps: AuthorityStore['guardCaps']
}

/** The machine itself: its commands and its start. */
const HOST: Held = { permissions: [ALL_OF_GATEHOUSE, APPLICATION], fence: UNFENCED }

function actingOf({ principal }: Caller): string {
  if (!principal) return ''
  return principal.keyId === undefined ? `sess:${principal.sessionId ?? ''}` : `key:${principal.keyId}`
}

export function createAuthorityService({ store, clock }: { store: AuthorityStore; clock: Clock }): AuthorityService {
  async function hold(tx: Tx, caller: Caller, scope: GateScope = {}): Promise<Held> {
    // whoever acts for another gives nothing and gains nothing in their name, whatever route they come by
    if (caller.principal?.act) return NOTHING_HELD
    const facts = await store.hold(tx, caller.principal?.id ?? null, actingOf(caller), scope)
    if (!caller.principal) return caller.host === true ? HOST : NOTHING_HELD
    const held = heldBy(facts, clock.now())
    return caller.principal.wantsMfa === true ? { ...held, permissions: UNTIL_MFA } : held
  }

  async function target(tx: Tx, userId: string): Promise<TargetFacts> {
    const facts = await store.target(tx, userId, new Date(clock.now()))
    if (!facts) throw problem('user.not_found')
    return facts
  }

  return {
    hold,
    target,
    targets: async (tx, userIds) => new Map((await store.targets(tx, userIds, new Date(clock.now()))).map((facts) => [facts.id, facts])),
    async holdOf(tx, { userId, keyId }, scope = {}) {
      const facts = await store.hold(tx, userId, keyId === null ? '' : `key:${keyId}`, scope)
      // a person gives as a person: that they have signed out since changes nothing
      return heldBy(keyId === null ? { ...facts, live: true } : facts, clock.now())
    },
    async require(tx, caller, anyOf, scope) {
      const held = await hold(tx, caller, scope)
      refuseWithout(held, ...[anyOf].flat())
      return held
    },
    guardAdmins: store.guardAdmins,
    guardCap: store.guardCap,
    guardCaps: store.guardCaps,
  }
}
