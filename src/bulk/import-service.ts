// Takes a stream of rows in, and answers by a stream: a line for each row that was not taken (or for all), and one at the end. Rows are judged one by
// one and written in batches; what is known of how far it has come is written with the batch, so that nothing is done twice and nothing half. What a row
// is of, its kind says: user-import-service.ts, key-import-service.ts.
import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import { bulkhead } from 'cockatiel'
import type { Transact, Tx } from '../database/transaction.js'
import type { Clock } from '../kernel/clock.js'
import { AppError, type FieldError, problem } from '../kernel/errors.js'
import type { Caller } from '../kernel/principal.js'
import type { Secrets } from '../kernel/secrets.js'
import type { LimitStore } from '../shared-store/shared-store.js'
import type { Outcome } from './import-outcome.js'
import { type ImportRow, type ImportShape, rowsOf } from './import-rows.js'
import type { ImportCounts, ImportStore } from './import-store.js'

export type ImportMode = 'insert' | 'upsert'

export interface ImportRequest extends Pick<ImportShape, 'format' | 'isPacked'> {
  body: Readable
  mode: ImportMode
  /** tell of every row, and not only of those that were not taken */
  tellsAll: boolean
  /** Idempotency-Key: sent again with the same rows, it goes on where it was */
  key: string | null
  /** what is wrong with a row, by the schema; null: nothing */
  check: (value: unknown) => FieldError[] | null
}

/** What has come of a row before its batch is written, or what is to be written of it. */
export type Judged<Draft> = { outcome: Outcome } | { draft: Draft }

/** What rows are of. */
export interface ImportKind<Draft> extends Pick<ImportShape, 'columns' | 'objectOf'> {
  /** of the note of how far an import has come; '' is the first kind there was */
  name: string
  /** of one import; without, as many as of any */
  mostLines?: number
  /** unpacked; without, as the operator says of any */
  mostBytes?: number
  judge: (caller: Caller, rows: readonly ImportRow[], request: Pick<ImportRequest, 'mode' | 'check'>) => Promise<Judged<Draft>[]>
  /** Writes a batch, all of it or, when it throws, nothing; what has come of each draft. */
  write: (tx: Tx, caller: Caller, drafts: readonly Draft[]) => Promise<Outcome[]>
  /** Told what has come of a batch that is written. */
  written?: (caller: Caller, outcomes: readonly Outcome[]) => Promise<void>
}

/** The answer, as lines of JSON. What ends the import early is its last line; what breaks the connection ends it behind the last whole batch. Throws rate.limited. */
export type RunImport = (caller: Caller, request: ImportRequest) => Promise<Readable>

export interface ImportServiceDeps {
  store: ImportStore
  limits: Pick<LimitStore, 'take'>
  transact: Transact
  secrets: Secrets
  clock: Clock
  config: { importMaxBytes: number }
  log: { error: (details: object, message: string) => void }
}

const BATCH = 500
// rows may be long: no more of them is held
const BATCH_CHARACTERS = 1024 * 1024
const MOST_LINES = 5_000_000
const KEPT_MS = 24 * 3_600_000
// of all imports of a node: they leave connections to the database for everybody else
const WRITES_AT_ONCE = 2
const MOST_KEYS = 1_000
const PURPOSE = 'bulk-import'
// lines that a client reads only when it has sent everything must not stop what it sends
const HELD = 1024 * 1024

const line = (value: object): string => `${JSON.stringify(value)}\n`

/** A user's or a key's: a session that is renewed goes on. */
function scopeOf({ principal }: Caller): string {
  if (!principal) throw problem('credentials.missing')
  return `${principal.type}:${principal.keyId ?? principal.id}`
}

export function createImportService({ store, limits, transact, secrets, clock, config, log }: ImportServiceDeps): { of: <Draft>(kind: ImportKind<Draft>) => RunImport } {
  const writes = bulkhead(WRITES_AT_ONCE, Infinity)

  async function* answer<Draft>(kind: ImportKind<Draft>, caller: Caller, { body, format, isPacked, mode, tellsAll, key, check }: ImportRequest): AsyncGenerator<string> {
    const scope = `${kind.name}${scopeOf(caller)}`
    const done = key === null ? null : await store.find(scope, key, new Date(clock.now()))
    // begun with a key: rows may hold passwords, and a plain hash of them could be searched for
    const digest = createHash('sha256').update(secrets.derive(PURPOSE)).update(`${format} ${mode}\n`)
    const counts: ImportCounts = done ? { created: done.created, updated: done.updated, unchanged: done.unchanged, failed: done.failed } : { created: 0, updated: 0, unchanged: 0, failed: 0 }
    let read = 0
    let written = done?.rows ?? 0
    let batch: ImportRow[] = []
    /** of rows that are not in the digest yet: their texts, and how much that is */
    let held = 0
    let texts: string[] = []
    /** the batch that is being written while the next one is read and judged */
    let writing: Promise<{ lines: string } | { error: unknown }> | null = null

    function digestNow(): Buffer {
      digest.update(texts.join(''))
      texts = []
      held = 0
      return digest.copy().digest()
    }

    /** All of a batch, or nothing of it: with it, that it is done. */
    async function write(judged: readonly Judged<Draft>[], digested: Buffer): Promise<string> {
      const drafts = judged.flatMap((one) => ('draft' in one ? [one.draft] : []))
      const from = written
      const outcomes = await writes.execute(() => transact(async (tx) => {
        const ofDrafts = (await kind.write(tx, caller, drafts)).values()
        const all = judged.map((one): Outcome => {
          if ('outcome' in one) return one.outcome
          const { value } = ofDrafts.next()
          if (!value) throw new Error('a draft without an outcome')
          return value
        })
        const sum = { ...counts }
        for (const { status } of all) sum[status] += 1
        const progress = { rows: from + judged.length, digest: digested, ...sum }
        if (key !== null && !(await store.advance(tx, scope, key, from, progress, { now: new Date(clock.now()), expiresAt: new Date(clock.now() + KEPT_MS) }))) throw problem('idempotency.in_flight', { retryAfterSeconds: 1 })
        return { all, sum }
      }))
      Object.assign(counts, outcomes.sum)
      written = from + judged.length
      await kind.written?.(caller, outcomes.all)
      return outcomes.all.map((outcome, at) => (tellsAll || outcome.status === 'failed' ? line({ row: from + at + 1, ...outcome }) : '')).join('')
    }

    /** What the batch that is being written has come to. */
    async function settled(): Promise<string> {
      const outcome = await writing
      writing = null
      if (outcome && 'error' in outcome) throw outcome.error
      return outcome?.lines ?? ''
    }

    /** The same, at an end that has another reason. */
    const rest = (): Promise<string> => settled().catch(() => '')

    /** Judges a batch and begins to write it; what the one before has come to. */
    async function hand(): Promise<string> {
      const rows = batch
      batch = []
      const digested = digestNow()
      // whom the batch before brings is there by then
      const early = mode === 'upsert' ? await settled() : ''
      const judged = await kind.judge(caller, rows, { mode, check })
      const before = early + (await settled())
      writing = write(judged, digested).then((lines) => ({ lines }), (error: unknown) => ({ error }))
      return before
    }

    try {
      for await (const rows of rowsOf(body, { format, isPacked, columns: kind.columns, objectOf: kind.objectOf, mostBytes: Math.min(kind.mostBytes ?? Infinity, config.importMaxBytes), mostLines: kind.mostLines ?? MOST_LINES })) {
        for (const row of rows) {
          read += 1
          texts.push(`${row.text.length}\n`, row.text)
          held += row.text.length
          if (done && read <= done.rows) {
            if (texts.length > BATCH || held >= BATCH_CHARACTERS || read === done.rows) {
              const digested = digestNow()
              if (read === done.rows && !digested.equals(Buffer.from(done.digest))) throw problem('idempotency.mismatch')
            }
            continue
          }
          batch.push(row)
          if (batch.length === BATCH || held >= BATCH_CHARACTERS) yield await hand() // oxlint-disable-line no-await-in-loop
        }
      }
      if (done && read < done.rows) throw problem('idempotency.mismatch')
      if (batch.length > 0) yield await hand()
      yield await settled()
      yield line({ done: true, rows: written, resumedAfter: done?.rows ?? 0, ...counts })
    } catch (error) {
      yield await rest()
      const known = error instanceof AppError ? error : problem('server.error', { cause: error })
      // who has left is no fault
      if (known.statusCode >= 500 && !body.readableAborted) log.error({ err: error, requestId: caller.requestId }, 'an import ended early')
      yield line({ done: false, rows: written, resumedAfter: done?.rows ?? 0, ...counts, code: known.code, ...(known.detail === undefined || known.statusCode >= 500 ? {} : { detail: known.detail }), ...(known.errors ? { errors: known.errors } : {}) })
    } finally {
      body.destroy()
      await rest()
    }
  }

  return {
    of: (kind) => async (caller, request) => {
      if (request.key !== null) {
        // what is kept of it takes room for a day
        const { allowed, retryAfterMs } = await limits.take([{ key: `imports:{${scopeOf(caller)}}`, quota: MOST_KEYS, windowMs: KEPT_MS, cost: 1 }])
        if (!allowed) throw problem('rate.limited', { detail: `At most ${MOST_KEYS} imports with an Idempotency-Key in 24 hours`, retryAfterSeconds: Math.ceil(retryAfterMs / 1000) })
      }
      return Readable.from(answer(kind, caller, request), { objectMode: false, highWaterMark: HELD })
    },
  }
}
