// Anonymous users: opened, made real, and ended when nobody uses them.
import type pg from 'pg'
import { expiryJob } from '../database/expiry.js'
import type { PrismaClient } from '../database/generated/client.js'
import type { Job } from '../jobs/index.js'
import { type AnonymousDependencies, type AnonymousService, createAnonymousService } from './anonymous-service.js'
import { createAnonymousStore } from './anonymous-store.js'

export type { AnonymousService } from './anonymous-service.js'

export interface AnonymousNeeds extends Omit<AnonymousDependencies, 'store'> {
  pool: pg.Pool
  prisma: PrismaClient
}

// a transaction that ends so many accounts holds the log of revocations for some milliseconds
const MOST_AT_ONCE = 200

async function expireSome(anonymous: AnonymousService, most: number): Promise<number> {
  let ended = 0
  for (let last = MOST_AT_ONCE; last === MOST_AT_ONCE && ended < most; ended += last) last = await anonymous.expire(Math.min(most - ended, MOST_AT_ONCE))
  return ended
}

export function createAnonymous({ pool, prisma, ...needs }: AnonymousNeeds): { anonymous: AnonymousService; jobs: Job[] } {
  const anonymous = createAnonymousService({ ...needs, store: createAnonymousStore({ pool, prisma }) })
  return { anonymous, jobs: [expiryJob((most) => expireSome(anonymous, most))] }
}
