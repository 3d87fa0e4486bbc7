// All that is kept of a person, as one JSON document for themselves (GDPR, articles 15 and 20). No secret is in it, nor anybody else's data: of the
// audit log it holds what they did, not what was done to them. Every part has a cap of its own at rest; the log is cut here.
import type { AccountFeature } from '../accounts/index.js'
import type { AuditStore } from '../audit/index.js'
import type { Clock } from '../kernel/clock.js'
import { problem } from '../kernel/errors.js'
import type { ListQuery, PageText } from '../kernel/page.js'
import type { Caller } from '../kernel/principal.js'
import type { KeyService } from '../keys/index.js'
import type { SessionService } from '../sessions/index.js'

/** What a feature keeps of a person. */
export type Section = (userId: string) => Promise<unknown>

export type AccountExport = { exportedAt: string; account: unknown } & Record<string, unknown>

export interface ExportService {
  /** Everything of the caller's own account. Throws user.not_found. */
  everything: (caller: Caller) => Promise<AccountExport>
}

export interface ExportServiceDependencies {
  accounts: Pick<AccountFeature['accounts'], 'find'>
  devices: Pick<AccountFeature['devices'], 'list'>
  sessions: Pick<SessionService, 'list'>
  keys: Pick<KeyService, 'list'>
  audit: Pick<AuditStore, 'list'>
  clock: Clock
  sections: Readonly<Record<string, Section>>
}

const PAGE_ROWS = 200
const MOST_ACTS = 2_000
// more than an account may have of anything else
const MOST_ROWS = 20_000

/** All rows of a list, page by page, the first `most` of them. */
async function allOf(list: (query: ListQuery) => Promise<PageText>, most: number): Promise<unknown[]> {
  const rows: unknown[] = []
  let cursor: string | null = null
  do {
    // each page begins where the last one ended
    const { json }: PageText = await list({ limit: PAGE_ROWS, ...(cursor === null ? {} : { cursor }) }) // oxlint-disable-line no-await-in-loop
    const { data, page } = JSON.parse(json) as { data: unknown[]; page: { nextCursor: string | null } }
    rows.push(...data)
    cursor = page.nextCursor
  } while (cursor !== null && rows.length < most)
  return rows.slice(0, most)
}

export function createExportService({ accounts, devices, sessions, keys, audit, clock, sections }: ExportServiceDependencies): ExportService {
  return {
    async everything(caller) {
      const { principal } = caller
      if (!principal) throw problem('user.not_found')
      const { id, sessionId } = principal
      const others = Promise.all(Object.entries(sections).map(async ([name, read]) => [name, await read(id)] as const))
      const [account, ofSessions, ofDevices, ofKeys, activity, rest] = await Promise.all([
        accounts.find(id),
        allOf((query) => sessions.list(id, query, sessionId), MOST_ROWS),
        devices.list(id),
        allOf((query) => keys.list(caller, { ...query, ownerUserId: id }), MOST_ROWS),
        allOf((query) => audit.list({ ...query, actorId: id, sort: '-at' }), MOST_ACTS),
        others,
      ])
      return { exportedAt: new Date(clock.now()).toISOString(), account, sessions: ofSessions, devices: ofDevices, keys: ofKeys, ...Object.fromEntries(rest), activity }
    },
  }
}
