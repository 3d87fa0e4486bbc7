// Planned resets of somebody's factors, one an account. What happens once (a reset, its being called off) is one conditional write.
import type { PrismaClient } from '../database/generated/client.js'
import type { Tx } from '../database/transaction.js'

export interface FactorReset {
  /** another one for each planning */
  id: string
  userId: string
  /** who planned it */
  givenBy: string
  /** set when an API key did */
  givenWithKey: string | null
  createdAt: Date
  dueAt: Date
}

export interface FactorResetStore {
  /** Plans one in the place of the account's last one. */
  replace: (tx: Tx, reset: FactorReset) => Promise<void>
  find: (userId: string) => Promise<FactorReset | null>
  /** Those that are due, the oldest first. */
  listDue: (now: Date, most: number) => Promise<FactorReset[]>
  /** Takes one to be done now. Did we win? */
  take: (tx: Tx, id: string, now: Date) => Promise<boolean>
  /** Calls off what is planned for an account; was anything? */
  cancel: (tx: Tx, userId: string) => Promise<boolean>
}

export function createFactorResetStore({ prisma }: { prisma: PrismaClient }): FactorResetStore {
  return {
    async replace(tx, { userId, ...reset }) {
      await tx.factorReset.upsert({ where: { userId }, create: { userId, ...reset }, update: reset })
    },
    find: (userId) => prisma.factorReset.findUnique({ where: { userId } }),
    listDue: (now, most) => prisma.factorReset.findMany({ where: { dueAt: { lte: now } }, orderBy: { dueAt: 'asc' }, take: most }),
    async take(tx, id, now) {
      const { count } = await tx.factorReset.deleteMany({ where: { id, dueAt: { lte: now } } })
      return count === 1
    },
    cancel: async (tx, userId) => (await tx.$executeRaw`DELETE FROM factor_resets WHERE user_id = ${userId}::uuid`) === 1,
  }
}
