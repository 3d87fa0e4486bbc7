// Links and codes that prove that mail to an address reaches whoever acts: made for one purpose, kept as hashes, used once by one conditional
// statement, with an end. How many go to one address in an hour is capped, whoever asks.
import type pg from 'pg'
import { tableExpiry } from '../database/expiry.js'
import type { PrismaClient } from '../database/generated/client.js'
import type { Job } from '../jobs/index.js'
import type { Clock } from '../kernel/clock.js'
import type { Secrets } from '../kernel/secrets.js'
import { createMailedLinkService, type MailedLinkService } from './mailed-link-service.js'
import { createMailedLinkStore } from './mailed-link-store.js'

export type { GivenLink, LinkKind, MailedLink, MailedLinkService, NewLink } from './mailed-link-service.js'

export interface MailedLinkNeeds {
  pool: pg.Pool
  prisma: PrismaClient
  clock: Clock
  secrets: Secrets
}

const COUNTED_MS = 3_600_000

export function createMailedLinks({ pool, prisma, clock, secrets }: MailedLinkNeeds): { mailedLinks: MailedLinkService; jobs: Job[] } {
  return {
    mailedLinks: createMailedLinkService({ store: createMailedLinkStore({ prisma }), clock, secrets }),
    // what is over is kept for as long as it is counted
    jobs: [tableExpiry(pool, { table: 'mailed_links', where: 'expires_at <= $1', before: () => clock.now() - COUNTED_MS })],
  }
}
