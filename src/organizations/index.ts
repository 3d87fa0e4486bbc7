// Organizations: customers that are many people. Who is in one, with which of its roles, and what its operator entitles it to.
import type pg from 'pg'
import { tableExpiry } from '../database/expiry.js'
import type { PrismaClient } from '../database/generated/client.js'
import type { Job } from '../jobs/index.js'
import type { Cursors } from '../kernel/page.js'
import { createOrganizationInvitationService, type OrganizationInvitationService, type OrganizationInvitationServiceDeps } from './invitation-service.js'
import { createOrganizationInvitationStore } from './invitation-store.js'
import { createMemberService, type MemberService } from './member-service.js'
import { createMemberStore } from './member-store.js'
import { createOrganizationRoleService, type OrganizationRoleService } from './organization-role-service.js'
import { createOrganizationRoleStore } from './organization-role-store.js'
import { createOrganizationService, type OrganizationService } from './organization-service.js'
import { createOrganizationStore } from './organization-store.js'
import { createStandingService, type StandingService } from './standing-service.js'
import { createSwitchService, type SwitchService, type SwitchServiceDeps } from './switch-service.js'

export { hasRight, personOf, refuseBeyond, refuseOthers, refuseRight, type Right, RIGHTS, type Standing } from './organization-rules.js'
export type { OrganizationInvitationService } from './invitation-service.js'
export type { MemberService } from './member-service.js'
export type { OrganizationRoleService } from './organization-role-service.js'
export type { OrganizationService } from './organization-service.js'
export type { Opened, StandingService } from './standing-service.js'

/** What somebody may do in an organization, for a program that has nothing else of them. */
export function createStandings({ prisma, pool, cursors, authority }: Pick<OrganizationNeeds, 'prisma' | 'pool' | 'cursors' | 'authority'>): StandingService {
  return createStandingService({ authority, store: createOrganizationStore({ prisma, pool, cursors }) })
}

export interface OrganizationNeeds extends Omit<OrganizationInvitationServiceDeps, 'store' | 'organizations' | 'roles' | 'members' | 'standings'> {
  prisma: PrismaClient
  pool: pg.Pool
  cursors: Cursors
  sessions: SwitchServiceDeps['sessions']
}

export interface OrganizationFeature {
  organizations: OrganizationService
  members: MemberService
  roles: OrganizationRoleService
  invitations: OrganizationInvitationService
  standings: StandingService
  switching: SwitchService
  jobs: Job[]
}

export function createOrganizations({ prisma, pool, cursors, ...deps }: OrganizationNeeds): OrganizationFeature {
  const store = createOrganizationStore({ prisma, pool, cursors })
  const memberStore = createMemberStore({ prisma, pool, cursors })
  const roles = createOrganizationRoleStore({ prisma })
  const standings = createStandingService({ ...deps, store })
  const members = createMemberService({ ...deps, store: memberStore, organizations: store, roles, standings })
  return {
    standings,
    members,
    switching: createSwitchService({ ...deps, store }),
    organizations: createOrganizationService({ ...deps, store, members: memberStore, standings }),
    roles: createOrganizationRoleService({ ...deps, store: roles, standings }),
    invitations: createOrganizationInvitationService({ ...deps, store: createOrganizationInvitationStore({ prisma, pool, cursors }), organizations: store, roles, members, standings }),
    jobs: [tableExpiry(pool, { table: 'organization_invitations', where: 'expires_at <= $1', before: deps.clock.now })],
  }
}
