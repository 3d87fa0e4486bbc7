// Who may let whom do what: what a caller holds at this moment, what an act needs, and the gates that keep both true until its commit.
import type { Clock } from '../kernel/clock.js'
import { type AuthorityService, createAuthorityService } from './authority-service.js'
import { createAuthorityStore } from './authority-store.js'

export { type Fence, type Held, impersonatedPermissions, isHeld, type Issuer, issuerOf, partOf, refuseEnd, refuseGain, refuseGrant, refuseWithout, type TargetFacts, UNFENCED } from './authority-rules.js'
export type { AuthorityService } from './authority-service.js'
export type { GateScope } from './authority-store.js'

export function createAuthority({ clock }: { clock: Clock }): { authority: AuthorityService } {
  return { authority: createAuthorityService({ store: createAuthorityStore(), clock }) }
}
