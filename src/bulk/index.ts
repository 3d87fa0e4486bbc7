// Bulk work as streams: accounts brought along by the million, and lists taken away whole.
import type pg from 'pg'
import type { Readable } from 'node:stream'
import type { AuditStore } from '../audit/index.js'
import { tableExpiry } from '../database/expiry.js'
import type { PrismaClient } from '../database/generated/client.js'
import type { Transact } from '../database/transaction.js'
import type { Job } from '../jobs/index.js'
import { holds } from '../kernel/permissions.js'
import type { Caller } from '../kernel/principal.js'
import { exportStream, type ReadPage } from './export-stream.js'
import { createImportService, type ImportServiceDeps, type RunImport } from './import-service.js'
import { createImportStore } from './import-store.js'
import { createKeyImport, type KeyImportDeps } from './key-import-service.js'
import { createUserImport, type UserImportDeps } from './user-import-service.js'

export type { ImportFormat } from './import-rows.js'
export type { ImportMode, RunImport } from './import-service.js'

/** The text of an export or of an import's answer. */
export type BulkBody = Readable

export interface ImportService {
  users: RunImport
  keys: RunImport
  /** for an organization, by who may issue in it */
  keysOf: (organizationId: string) => RunImport
}

export interface BulkNeeds extends Omit<ImportServiceDeps, 'store'>, Omit<UserImportDeps, 'audit'>, Omit<KeyImportDeps, 'audit' | 'accounts'> {
  prisma: PrismaClient
  pool: pg.Pool
  transact: Transact
  audit: Pick<AuditStore, 'record' | 'recordingRefusal' | 'refused'>
}

export interface ExportService {
  /** All of a list, as lines of JSON; that somebody took it is written down. `admitted` throws when they may not any more. */
  lines: (caller: Caller, what: 'users' | 'keys' | 'audit', read: ReadPage, admitted: () => unknown) => Promise<BulkBody>
}

export function createBulk({ prisma, pool, ...all }: BulkNeeds): { imports: ImportService; exports: ExportService; jobs: Job[] } {
  const imports = createImportService({ ...all, store: createImportStore({ prisma }) })
  return {
    imports: { users: imports.of(createUserImport(all)), keys: imports.of(createKeyImport(all)), keysOf: (organizationId) => imports.of(createKeyImport(all, organizationId)) },
    exports: {
      async lines(caller, what, read, admitted) {
        // the first page before anything is answered: what is wrong with the question is an answer of its own
        const first = await read(undefined)
        // one's own keys are nobody else's
        if (what !== 'keys' || holds(caller.principal?.permissions ?? [], 'gatehouse:keys.read')) await all.transact((tx) => all.audit.record(tx, caller, { action: `${what}.exported`, targetType: what, targetId: '' }))
        return exportStream(async (cursor) => (cursor === undefined ? first : read(cursor)), admitted)
      },
    },
    jobs: [tableExpiry(pool, { table: 'bulk_imports', where: 'expires_at <= $1', before: () => all.clock.now() })],
  }
}
