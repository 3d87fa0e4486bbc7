// The one row that says this installation has been set up. The first insert wins; there is no update.
import type { PrismaClient } from '../database/generated/client.js'
import type { Tx } from '../database/transaction.js'

export interface InstallationStore {
  exists: (tx?: Tx) => Promise<boolean>
  /** False when the installation has been set up already; waits for a set-up that is under way. */
  insert: (tx: Tx, byUserId: string, at: Date) => Promise<boolean>
  hasUsers: (tx: Tx) => Promise<boolean>
}

export function createInstallationStore({ prisma }: { prisma: PrismaClient }): InstallationStore {
  return {
    exists: async (tx) => (await (tx ?? prisma).installation.count()) > 0,
    async insert(tx, byUserId, at) {
      const { count } = await tx.installation.createMany({ data: [{ id: 1, byUser: byUserId, setUpAt: at }], skipDuplicates: true })
      return count === 1
    },
    hasUsers: async (tx) => (await tx.user.findFirst({ select: { id: true } })) !== null,
  }
}
