// What has happened in an organization, for who is in it and has the right to see it: the rows of the audit log that are about it, and its events to go on from.
import type pg from 'pg'
import type { EventService } from '../events/index.js'
import type { Clock } from '../kernel/clock.js'
import type { Cursors } from '../kernel/page.js'
import type { Secrets } from '../kernel/secrets.js'
import type { StandingService } from '../organizations/index.js'
import { createOrganizationLogService, type OrganizationLogService } from './organization-log-service.js'
import { createOrganizationLogStore } from './organization-log-store.js'

export { refuseSight } from './sight-rules.js'
export type { OrganizationLogService } from './organization-log-service.js'

export interface OrganizationLogNeeds {
  pool: pg.Pool
  cursors: Cursors
  secrets: Secrets
  standings: StandingService
  events: EventService
  clock: Clock
}

export function createOrganizationLog({ pool, cursors, ...deps }: OrganizationLogNeeds): { organizationLog: OrganizationLogService } {
  return { organizationLog: createOrganizationLogService({ ...deps, store: createOrganizationLogStore({ pool, cursors }) }) }
}
