// Invitations: accounts that are opened by who reads the mail of an address, with roles that somebody else vouches for.
import type pg from 'pg'
import type { Cursors } from '../kernel/page.js'
import { createInvitationService, type InvitationDependencies, type InvitationService } from './invitation-service.js'
import { createInvitationStore } from './invitation-store.js'

export type { InvitationService, InvitationView } from './invitation-service.js'

export interface InvitationNeeds extends Omit<InvitationDependencies, 'store'> {
  pool: pg.Pool
  cursors: Cursors
}

export function createInvitations({ pool, cursors, ...needs }: InvitationNeeds): { invitations: InvitationService } {
  return { invitations: createInvitationService({ ...needs, store: createInvitationStore({ pool, cursors }) }) }
}
