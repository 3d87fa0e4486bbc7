// What has happened in an organization, for who may see it (sight-rules.ts). A place to go on from is sealed, and always as long: bare, it would say how much happens
// elsewhere.
import { type EventBody, type EventList, type EventQuery, type EventService, type PlaceText, pointText } from '../events/index.js'
import type { Clock } from '../kernel/clock.js'
import { problem } from '../kernel/errors.js'
import type { ListQuery, PageText } from '../kernel/page.js'
import type { Caller, Principal } from '../kernel/principal.js'
import type { Secrets } from '../kernel/secrets.js'
import type { Standing, StandingService } from '../organizations/index.js'
import type { OrganizationLogStore } from './organization-log-store.js'
import { refuseSight } from './sight-rules.js'
import { createStandingWatch } from './standing-watch.js'

export interface OrganizationLogService {
  /** The audit log, as far as it is about the organization. Throws organization.not_found, access.denied. */
  audit: (caller: Caller, organizationId: string, query: ListQuery) => Promise<PageText>
  /** Its events, the oldest first, at most `limit` from a place that was told before, or from the first that is kept. Throws organization.not_found, access.denied, request.invalid, cursor.invalid, events.expired. */
  events: (caller: Caller, organizationId: string, query: EventQuery, limit: number) => Promise<EventList>
  /** The same as they happen, as long as `admitted` and the organization let whoever asked. Throws like `events`, and events.too_many_streams, server.busy. */
  stream: (caller: Caller, organizationId: string, query: EventQuery, admitted: () => Principal | Promise<Principal>) => Promise<EventBody>
}

export interface OrganizationLogServiceDeps {
  store: OrganizationLogStore
  standings: Pick<StandingService, 'see' | 'standingsOf'>
  events: Pick<EventService, 'listOf' | 'streamOf'>
  secrets: Secrets
  clock: Clock
}

const PURPOSE = 'places between the events of an organization'
// more than the longest place
const PLACE = 32

const refuse = (principal: Principal | null, standing: Standing | null): void => refuseSight(principal?.permissions ?? [], standing)

export function createOrganizationLogService({ store, standings, events, secrets, clock }: OrganizationLogServiceDeps): OrganizationLogService {
  const watch = createStandingWatch({ standings, clock, refuse })

  async function see(caller: Caller, organizationId: string): Promise<void> {
    const { standing } = await standings.see(caller, organizationId)
    refuse(caller.principal, standing)
  }

  const seal = (organizationId: string, place: string): string => secrets.encrypt(PURPOSE, organizationId, place.padEnd(PLACE)).toString('base64url')

  function unseal(organizationId: string, text: string): string {
    try {
      return secrets.decrypt(PURPOSE, organizationId, Buffer.from(text, 'base64url')).trimEnd()
    } catch (cause) {
      throw problem('cursor.invalid', { cause })
    }
  }

  /** A query with the place that is meant. Throws cursor.invalid. */
  const unsealed = (organizationId: string, { after, ...query }: EventQuery): EventQuery => ({ ...query, ...(after === undefined ? {} : { after: unseal(organizationId, after) }) })

  return {
    async audit(caller, organizationId, query) {
      await see(caller, organizationId)
      return store.list(organizationId, query)
    },
    async events(caller, organizationId, query, limit) {
      await see(caller, organizationId)
      const { next, ...list } = await events.listOf(organizationId, unsealed(organizationId, query), limit)
      return { ...list, next: seal(organizationId, next) }
    },
    async stream(caller, organizationId, query, admitted) {
      await see(caller, organizationId)
      const { principal } = caller
      if (!principal) throw problem('credentials.missing')
      const placeText: PlaceText = (point) => seal(organizationId, pointText(point))
      return events.streamOf(organizationId, principal, unsealed(organizationId, query), { admitted: watch.of(caller, organizationId, admitted), placeText })
    },
  }
}
