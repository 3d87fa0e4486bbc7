// Bulk work as streams: accounts brought along by the million, and lists taken away whole.
import type pg from 'pg'
import type { Readable } from 'node:stream'
import type { AuditStore } from '../audit/index.js'
import { tableExpiry } from '../database/expiry.js'
import type { PrismaClient } from '../database/generated/client.js'
import type { Transact } from '../database/transaction.js'
import type { Job } from '../jobs/index.js'
import type { PageText } from '../kernel/page.js'
import type { Caller, Principal } from '../kernel/principal.js'
import { exportStream } from './export-stream.js'
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

/** A list that is taken whole. */
export interface ExportedList {
  what: 'users' | 'keys' | 'audit'
  /** one's own rows alone: nobody else is told */
  isOwn?: boolean
  /** A page for whoever asks, as they are at that moment: what they see may have become less. */
  read: (caller: Caller, cursor: string | undefined) => Promise<PageText>
  /** Who is asking, now. Throws when they may not any more. */
  admitted: () => Principal | Promise<Principal>
}

export interface ExportService {
  /** All of a list, as lines of JSON; that somebody took what is others' is written down. */
  lines: (caller: Caller, list: ExportedList) => Promise<BulkBody>
}

export function createBulk({ prisma, pool, ...all }: BulkNeeds): { imports: ImportService; exports: ExportService; jobs: Job[] } {
  const imports = createImportService({ ...all, store: createImportStore({ prisma }) })
  return {
    imports: { users: imports.of(createUserImport(all)), keys: imports.of(createKeyImport(all)), keysOf: (organizationId) => imports.of(createKeyImport(all, organizationId)) },
    exports: {
      async lines(caller, { what, isOwn = false, read, admitted }) {
        // the first page before anything is answered: what is wrong with the question is an answer of its own
        const first = await read(caller, undefined)
        if (!isOwn) await all.transact((tx) => all.audit.record(tx, caller, { action: `${what}.exported`, targetType: what, targetId: '' }))
        // a cursor is of what was seen when it was written: whoever sees less by now is refused it
        return exportStream(first, async (cursor) => read({ ...caller, principal: await admitted() }, cursor))
      },
    },
    jobs: [tableExpiry(pool, { table: 'bulk_imports', where: 'expires_at <= $1', before: () => all.clock.now() })],
  }
}
