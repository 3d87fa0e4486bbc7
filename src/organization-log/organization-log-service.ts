// Who sees what has happened in an organization: members with the right, and who reads the whole log anyhow. A place to go on from is sealed: bare, it would say how much
// happens elsewhere.
import type { EventList, EventQuery, EventService } from '../events/index.js'
import { problem } from '../kernel/errors.js'
import type { ListQuery, PageText } from '../kernel/page.js'
import { holds } from '../kernel/permissions.js'
import type { Caller } from '../kernel/principal.js'
import type { Secrets } from '../kernel/secrets.js'
import { refuseRight, type StandingService } from '../organizations/index.js'
import type { OrganizationLogStore } from './organization-log-store.js'

export interface OrganizationLogService {
  /** The audit log, as far as it is about the organization. Throws organization.not_found, access.denied. */
  audit: (caller: Caller, organizationId: string, query: ListQuery) => Promise<PageText>
  /** Its events, the oldest first, at most `limit` from a place that was told before, or from the first that is kept. Throws organization.not_found, access.denied, request.invalid, cursor.invalid, events.expired. */
  events: (caller: Caller, organizationId: string, query: EventQuery, limit: number) => Promise<EventList>
}

export interface OrganizationLogServiceDeps {
  store: OrganizationLogStore
  standings: Pick<StandingService, 'see'>
  events: Pick<EventService, 'listOf'>
  secrets: Secrets
}

const AUDIT = 'gatehouse:audit.read'
const PURPOSE = 'places between the events of an organization'

export function createOrganizationLogService({ store, standings, events, secrets }: OrganizationLogServiceDeps): OrganizationLogService {
  async function see(caller: Caller, organizationId: string): Promise<void> {
    const { standing } = await standings.see(caller, organizationId)
    if (holds(caller.principal?.permissions ?? [], AUDIT)) return
    if (!standing.isMember) throw problem('access.denied', { detail: `Needs ${AUDIT}` })
    refuseRight(standing, 'audit.read')
  }

  function unseal(organizationId: string, text: string): string {
    try {
      return secrets.decrypt(PURPOSE, organizationId, Buffer.from(text, 'base64url'))
    } catch (cause) {
      throw problem('cursor.invalid', { cause })
    }
  }

  return {
    async audit(caller, organizationId, query) {
      await see(caller, organizationId)
      return store.list(organizationId, query)
    },
    async events(caller, organizationId, { after, ...query }, limit) {
      await see(caller, organizationId)
      const { next, ...list } = await events.listOf(organizationId, { ...query, ...(after === undefined ? {} : { after: unseal(organizationId, after) }) }, limit)
      return { ...list, next: secrets.encrypt(PURPOSE, organizationId, next).toString('base64url') }
    },
  }
}
