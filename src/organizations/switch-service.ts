// In which organization somebody acts: one that they are in, or none. It is a thing of their session, said by its tokens, and decided anew with each use.
import type { AuditStore } from '../audit/index.js'
import { type AuthorityService, isHeld } from '../authority/index.js'
import type { Transact } from '../database/transaction.js'
import { problem } from '../kernel/errors.js'
import type { Caller } from '../kernel/principal.js'
import type { SessionService } from '../sessions/index.js'
import { personOf } from './organization-rules.js'
import type { OrganizationStore } from './organization-store.js'

export interface SwitchedOrganization {
  organizationId: string | null
  /** of a session of tokens: the one to go on with */
  accessToken?: string
  expiresIn?: number
}

export interface SwitchService {
  /** Has the caller's session act in an organization, or in none. Throws organization.not_found, also for one that is suspended; access.denied, session.not_found. */
  actIn: (caller: Caller, organizationId: string | null) => Promise<SwitchedOrganization>
}

export interface SwitchServiceDeps {
  store: Pick<OrganizationStore, 'find' | 'gate' | 'membership'>
  sessions: Pick<SessionService, 'actIn'>
  authority: AuthorityService
  audit: AuditStore
  transact: Transact
}

export function createSwitchService({ store, sessions, authority, audit, transact }: SwitchServiceDeps): SwitchService {
  return {
    actIn: (caller, organizationId) => transact(async (tx) => {
      const held = await authority.hold(tx, caller)
      const person = personOf(caller)
      if (!isHeld(held) || !person) throw problem('access.denied', { detail: 'Only who is here themselves acts in an organization' })
      if (organizationId !== null) {
        await store.gate(tx, organizationId, 'beside')
        const membership = await store.membership(organizationId, person.id, tx)
        if (!membership || (await store.find(organizationId, tx))?.status !== 'active') throw problem('organization.not_found')
      }
      const tokens = await sessions.actIn(tx, caller, organizationId)
      await audit.record(tx, caller, { action: 'organization.entered', targetType: 'session', targetId: person.sessionId ?? '', details: { organizationId: organizationId ?? '' } })
      return { organizationId, ...tokens }
    }),
  }
}
