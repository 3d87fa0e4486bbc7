// How far an import under an Idempotency-Key has come, written with each batch: who sends the same rows again goes on behind the last that is done.
import type { Prisma, PrismaClient } from '../database/generated/client.js'
import type { Tx } from '../database/transaction.js'

export interface ImportCounts {
  created: number
  updated: number
  unchanged: number
  failed: number
}

export interface ImportProgress extends ImportCounts {
  rows: number
  /** of all rows so far, under a key of this installation */
  digest: Uint8Array
}

export interface ImportStore {
  find: (scope: string, key: string, now: Date) => Promise<ImportProgress | null>
  /** False: another request has gone on from `before` rows in the meantime. */
  advance: (tx: Tx, scope: string, key: string, before: number, progress: ImportProgress, time: { now: Date; expiresAt: Date }) => Promise<boolean>
}

export function createImportStore({ prisma }: { prisma: PrismaClient }): ImportStore {
  return {
    async find(scope, key, now) {
      const row = await prisma.bulkImport.findUnique({ where: { scope_key: { scope, key } } })
      return row && row.expiresAt > now ? row : null
    },
    async advance(tx, scope, key, before, { digest, ...progress }, { now, expiresAt }) {
      const data: Omit<Prisma.BulkImportCreateInput, 'scope' | 'key'> = { ...progress, digest: Uint8Array.from(digest), expiresAt }
      if (before > 0) return (await tx.bulkImport.updateMany({ where: { scope, key, rows: before }, data })).count === 1
      // one of an earlier day gives way
      await tx.bulkImport.deleteMany({ where: { scope, key, expiresAt: { lte: now } } })
      return (await tx.bulkImport.createMany({ data: [{ scope, key, ...data }], skipDuplicates: true })).count === 1
    },
  }
}
