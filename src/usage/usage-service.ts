// Usage as its readers see it: who may read whose, over which time; and the upkeep of the ledger (fold, retention).
// Counting is done in usage-ledger.ts.
import { isDeepStrictEqual } from 'node:util'
import type { Caller, Principal } from '../kernel/principal.js'
import { holds } from '../kernel/permissions.js'
import type { Clock } from '../kernel/clock.js'
import { problem } from '../kernel/errors.js'
import { NOBODY } from '../kernel/ids.js'
import { exportPeriod, type Granularity, type Period, type PeriodQuery, seriesPeriod, STEP_MS, totalOf, type UsageBucket, type UsageCounts, type UsageRow } from './usage-counts.js'
import { type ExportBody, type ExportFormat, exportStream, formatFor, MEDIA_TYPE } from './usage-export.js'
import type { UsageScope, UsageStore } from './usage-store.js'

export interface UsageQuery extends PeriodQuery {
  keyId?: string
  ownerId?: string
}

export interface UsageSeries {
  granularity: Granularity
  from: string
  to: string
  data: UsageBucket[]
  total: UsageCounts
}

export interface UsageExport {
  mediaType: string
  fileName: string
  body: ExportBody
}

export interface UsageService {
  /** Counts by minute, hour or day. Throws key.not_found, access.denied, request.invalid. */
  series: (caller: Caller, query: UsageQuery) => Promise<UsageSeries>
  /**
   * Every row in scope, as a stream. Throws like `series`, and response.not_acceptable; its first page is read before it resolves. It breaks off when `admitted`,
   * asked before each later page, throws, or whoever asked may not read the same any more.
   */
  export: (caller: Caller, query: UsageQuery & { format?: ExportFormat }, accept: string | undefined, admitted: () => Principal | Promise<Principal>) => Promise<UsageExport>
  /** Moves minutes that are over into the history. Resolves to how many rows. */
  fold: () => Promise<number>
  /** Deletes what has been kept for long enough. Resolves to how many rows. */
  prune: () => Promise<number>
}

export interface UsageServiceDeps {
  store: Omit<UsageStore, 'append'>
  /** Writes down that somebody took a copy of what is others'. */
  noteExport: (caller: Caller, ownerUserId: string, granularity: Granularity) => Promise<void>
  /** May the caller see the usage of an organization? False also for one that there is not. */
  mayReadOf: (caller: Caller, organizationId: string) => Promise<boolean>
  clock: Clock
  config: { usageMinutesKeptDays: number; usageHoursKeptDays: number; usageDaysKeptDays: number }
}

const READ = 'gatehouse:usage.read'
const ROWS_A_PAGE = 1_000
const ROWS_A_STEP = 2_000
// the counts of a minute's last second are then there, as a rule; later ones are folded later
const FOLD_AFTER_MS = 5_000
const WRITERS_KEPT_MS = 30 * STEP_MS.day

/** Repeats a step of at most ROWS_A_STEP rows until one finds less: each is a short statement, so nobody waits for a long one. */
async function untilDone(step: () => Promise<number>): Promise<number> {
  let total = 0
  for (;;) {
    const done = await step()
    total += done
    if (done < ROWS_A_STEP) return total
  }
}

export function createUsageService({ store, noteExport, mayReadOf, clock, config }: UsageServiceDeps): UsageService {
  /** Everybody's for holders of the permission, else the caller's own keys. Another's key looks like one that is not there. */
  async function scopeOf(caller: Caller, { keyId, ownerId }: UsageQuery): Promise<UsageScope> {
    const { principal } = caller
    if (!principal) throw problem('credentials.missing')
    if (holds(principal.permissions, READ)) return { keyId, ownerUserId: ownerId }
    const organizationId = ownerId ?? (keyId === undefined ? principal.id : await store.ownerOfKey(keyId))
    // of a key that there is not it is asked, too: it takes as long as of another's
    if (organizationId !== principal.id && (await mayReadOf(caller, organizationId ?? NOBODY)) && organizationId !== null) {
      if (keyId !== undefined && (await store.ownerOfKey(keyId)) !== organizationId) throw problem('key.not_found')
      return { keyId, ownerUserId: organizationId }
    }
    if (ownerId !== undefined && ownerId !== principal.id) throw problem('access.denied', { detail: `Another's usage needs ${READ}` })
    if (keyId !== undefined && (await store.ownerOfKey(keyId)) !== principal.id) throw problem('key.not_found')
    return { keyId, ownerUserId: principal.id }
  }

  async function* pagesFrom(first: UsageRow[], scope: UsageScope, period: Period, isStillTheirs: () => Promise<boolean>): AsyncGenerator<UsageRow[]> {
    let page = first
    for (;;) {
      const last = page.at(-1)
      if (!last) return
      yield page
      if (page.length < ROWS_A_PAGE) return
      if (!(await isStillTheirs())) throw problem('access.denied')
      // no connection is held between pages, however slowly they are read
      page = await store.page(scope, period, last, ROWS_A_PAGE)
    }
  }

  return {
    async series(caller, query) {
      const scope = await scopeOf(caller, query)
      const period = seriesPeriod(query, clock.now())
      const data = await store.series(scope, period)
      return { granularity: period.granularity, from: period.from.toISOString(), to: period.to.toISOString(), data, total: totalOf(data) }
    },

    async export(caller, query, accept, admitted) {
      const format = query.format ?? formatFor(accept)
      if (format === null) throw problem('response.not_acceptable', { detail: `Accept one of ${Object.values(MEDIA_TYPE).join(', ')}` })
      const scope = await scopeOf(caller, query)
      const period = exportPeriod(query, clock.now())
      if (scope.ownerUserId !== caller.principal?.id) await noteExport(caller, scope.ownerUserId ?? '', period.granularity)
      const first = await store.page(scope, period, null, ROWS_A_PAGE)
      const isStillTheirs = async (): Promise<boolean> => isDeepStrictEqual(await scopeOf({ ...caller, principal: await admitted() }, query), scope)
      return { mediaType: MEDIA_TYPE[format], fileName: `usage-${period.granularity}.${format}`, body: exportStream(pagesFrom(first, scope, period, isStillTheirs), format) }
    },

    fold() {
      const beforeMs = Math.floor((clock.now() - FOLD_AFTER_MS) / STEP_MS.minute) * STEP_MS.minute
      return untilDone(() => store.fold(beforeMs, ROWS_A_STEP))
    },

    async prune() {
      const nowMs = clock.now()
      const keptDays: [Granularity, number][] = [['minute', config.usageMinutesKeptDays], ['hour', config.usageHoursKeptDays], ['day', config.usageDaysKeptDays]]
      let total = 0
      for (const [granularity, days] of keptDays) {
        const before = new Date(nowMs - days * STEP_MS.day)
        total += await untilDone(() => store.prune(granularity, before, ROWS_A_STEP))
      }
      await store.pruneWriters(new Date(nowMs - WRITERS_KEPT_MS))
      return total
    },
  }
}
