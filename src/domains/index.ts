// E-mail domains that organizations have proven to be theirs, and the people who come in by them.
import type pg from 'pg'
import { tableExpiry } from '../database/expiry.js'
import type { PrismaClient } from '../database/generated/client.js'
import type { Job } from '../jobs/index.js'
import { type ArrivalServiceDeps, createArrivalService } from './arrival-service.js'
import { domainLists } from './domain-lists.js'
import { createDomainService, type DomainService, type DomainServiceDeps } from './domain-service.js'
import { createDomainStore } from './domain-store.js'
import { createRecordLookup } from './record-lookup.js'

export type { DomainService } from './domain-service.js'

/** What the jobs are called: a test runs them. */
export const TAKING_IN = 'taking in people of verified domains'
export const CHECKING_DOMAINS = 'looking up the records of verified domains'
const TAKE_EVERY_MS = 2_000
const CHECK_EVERY_MS = 60_000

export interface DomainNeeds extends Omit<DomainServiceDeps & ArrivalServiceDeps, 'store' | 'lookup' | 'lists' | 'keptDays'> {
  prisma: PrismaClient
  pool: pg.Pool
  config: { dnsServers: readonly string[]; organizationDomainsKeptDays: number }
}

export function createDomains({ prisma, pool, config, ...deps }: DomainNeeds): { domains: DomainService; jobs: Job[] } {
  const store = createDomainStore({ prisma, pool })
  const lookup = createRecordLookup({ servers: config.dnsServers })
  const arrivals = createArrivalService({ ...deps, store, lookup, keptDays: config.organizationDomainsKeptDays })
  return {
    domains: createDomainService({ ...deps, store, lookup, lists: domainLists }),
    jobs: [
      { name: TAKING_IN, everyMs: TAKE_EVERY_MS, work: arrivals.takeIn },
      { name: CHECKING_DOMAINS, everyMs: CHECK_EVERY_MS, work: arrivals.checkDomains },
      tableExpiry(pool, { table: 'organization_domains', where: 'expires_at <= $1', before: deps.clock.now }),
    ],
  }
}
