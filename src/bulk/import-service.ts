// Opens accounts out of a stream of rows, and answers by a stream: a line for each row that was not taken (or for all), and one at the end. Rows are judged one by
// one and written in batches; what is known of how far it has come is written with the batch, so that nothing is done twice and nothing half.
import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import { bulkhead } from 'cockatiel'
import type { AccountBatches, AccountChangeService, AccountDraft, ExistingAccount } from '../accounts/index.js'
import type { AuditStore } from '../audit/index.js'
import type { Transact } from '../database/transaction.js'
import type { Clock } from '../kernel/clock.js'
import { AppError, type FieldError, problem } from '../kernel/errors.js'
import type { Caller } from '../kernel/principal.js'
import type { Secrets } from '../kernel/secrets.js'
import type { LimitStore } from '../shared-store/shared-store.js'
import { type ImportFormat, type ImportRow, rowsOf } from './import-rows.js'
import type { ImportCounts, ImportStore } from './import-store.js'

export type ImportMode = 'insert' | 'upsert'

/** A row as POST /users takes it. */
export type ImportInput = Parameters<AccountBatches['draftFor']>[1]

export interface ImportRequest {
  body: Readable
  format: ImportFormat
  isPacked: boolean
  mode: ImportMode
  /** tell of every row, and not only of those that were not taken */
  tellsAll: boolean
  /** Idempotency-Key: sent again with the same rows, it goes on where it was */
  key: string | null
  /** what is wrong with a row, by the schema; null: nothing */
  check: (value: unknown) => FieldError[] | null
}

export interface ImportService {
  /** The answer, as lines of JSON. What ends the import early is its last line; what breaks the connection ends it behind the last whole batch. Throws rate.limited. */
  users: (caller: Caller, request: ImportRequest) => Promise<Readable>
}

export interface ImportServiceDeps {
  store: ImportStore
  accounts: AccountBatches
  changes: Pick<AccountChangeService, 'update'>
  audit: Pick<AuditStore, 'recordingRefusal'>
  limits: Pick<LimitStore, 'take'>
  transact: Transact
  secrets: Secrets
  clock: Clock
  log: { error: (details: object, message: string) => void }
}

const BATCH = 250
const KEPT_MS = 24 * 3_600_000
const MOST_ROWS = 5_000_000
// of all imports of a node: they leave connections to the database for everybody else
const WRITES_AT_ONCE = 2
const MOST_KEYS = 1_000
const PURPOSE = 'bulk-import'
// lines that a client reads only when it has sent everything must not stop what it sends
const HELD = 1024 * 1024

type Outcome = { status: 'created' | 'updated' | 'unchanged'; id: string } | { status: 'failed'; code: string; detail?: string; errors?: FieldError[] }

function failureOf(error: unknown): Outcome {
  // one row's trouble; what passes (the database, too much to do) ends the import, to be gone on with later
  if (!(error instanceof AppError) || error.statusCode >= 500 || error.code === 'rate.limited') throw error
  return { status: 'failed', code: error.code, ...(error.detail === undefined ? {} : { detail: error.detail }), ...(error.errors ? { errors: error.errors } : {}) }
}

const sameRoles = (a: readonly string[], b: readonly string[]): boolean => a.length === b.length && a.toSorted().every((role, at) => role === b.toSorted()[at])

const line = (value: object): string => `${JSON.stringify(value)}\n`
const emailOf = ({ value }: ImportRow): string[] => (typeof value === 'object' && value !== null && 'email' in value && typeof value.email === 'string' ? [value.email] : [])

/** A user's or a key's: a session that is renewed goes on. */
function scopeOf({ principal }: Caller): string {
  if (!principal) throw problem('credentials.missing')
  return `${principal.type}:${principal.keyId ?? principal.id}`
}

export function createImportService({ store, accounts, changes, audit, limits, transact, secrets, clock, log }: ImportServiceDeps): ImportService {
  const writes = bulkhead(WRITES_AT_ONCE, Infinity)
  /** What changes an account that is there into what its row says; its password stays whatever the row says. */
  async function update(caller: Caller, { id, name, roles }: ExistingAccount, input: ImportInput): Promise<Outcome> {
    const patch = {
      ...(typeof input.name === 'string' && input.name.trim() !== name ? { name: input.name } : {}), ...(input.roles && !sameRoles(input.roles, roles) ? { roles: input.roles } : {}),
    }
    if (Object.keys(patch).length === 0) return { status: 'unchanged', id }
    await changes.update(caller, id, '*', patch)
    return { status: 'updated', id }
  }

  async function prepared(caller: Caller, { value, errors }: ImportRow, existing: ReadonlyMap<string, ExistingAccount>, check: ImportRequest['check']): Promise<Outcome | AccountDraft> {
    const wrong = errors ?? check(value)
    if (wrong) return { status: 'failed', code: 'request.invalid', errors: wrong }
    const input = value as ImportInput
    try {
      const draft = await audit.recordingRefusal(caller, { targetType: 'user', targetId: '' }, () => accounts.draftFor(caller, input))
      const known = draft.kind === 'service' ? undefined : existing.get(draft.email)
      return known ? await update(caller, known, input) : draft
    } catch (error) {
      return failureOf(error)
    }
  }

  async function* answer(caller: Caller, { body, format, isPacked, mode, tellsAll, key, check }: ImportRequest): AsyncGenerator<string> {
    const scope = scopeOf(caller)
    const done = key === null ? null : await store.find(scope, key, new Date(clock.now()))
    // begun with a key: rows may hold passwords, and a plain hash of them could be searched for
    const digest = createHash('sha256').update(secrets.derive(PURPOSE)).update(`${format} ${mode}\n`)
    const counts: ImportCounts = done ? { created: done.created, updated: done.updated, unchanged: done.unchanged, failed: done.failed } : { created: 0, updated: 0, unchanged: 0, failed: 0 }
    let read = 0
    let written = done?.rows ?? 0
    let batch: ImportRow[] = []
    /** the batch that is being written while the next one is read and judged */
    let writing: Promise<{ lines: string } | { error: unknown }> | null = null

    async function judged(rows: readonly ImportRow[]): Promise<(Outcome | AccountDraft)[]> {
      const existing = mode === 'upsert' ? await accounts.existing(rows.flatMap(emailOf)) : new Map<string, ExistingAccount>()
      const results: (Outcome | AccountDraft)[] = []
      for (const row of rows) results.push(await prepared(caller, row, existing, check)) // oxlint-disable-line no-await-in-loop
      return results
    }

    /** All of a batch, or nothing of it: with it, that it is done. */
    async function write(results: readonly (Outcome | AccountDraft)[], digestNow: Buffer): Promise<string> {
      const drafts = results.flatMap((result) => ('status' in result ? [] : [result]))
      const from = written
      const outcomes = await writes.execute(() => transact(async (tx) => {
        const ids = await accounts.openAll(tx, caller, drafts)
        const opened = new Map(drafts.map((draft, at) => [draft, ids[at] ?? null]))
        const all = results.map((result): Outcome => {
          if ('status' in result) return result
          const id = opened.get(result) ?? null
          return id === null ? { status: 'failed', code: 'email.taken' } : { status: 'created', id }
        })
        const sum = { ...counts }
        for (const { status } of all) sum[status] += 1
        const progress = { rows: from + results.length, digest: digestNow, ...sum }
        if (key !== null && !(await store.advance(tx, scope, key, from, progress, { now: new Date(clock.now()), expiresAt: new Date(clock.now() + KEPT_MS) }))) throw problem('idempotency.in_flight', { retryAfterSeconds: 1 })
        return { all, sum }
      }))
      Object.assign(counts, outcomes.sum)
      written = from + results.length
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
      const digestNow = digest.copy().digest()
      // whom the batch before brings is there by then
      const early = mode === 'upsert' ? await settled() : ''
      const results = await judged(rows)
      const before = early + (await settled())
      writing = write(results, digestNow).then((lines) => ({ lines }), (error: unknown) => ({ error }))
      return before
    }

    try {
      for await (const row of rowsOf(body, format, isPacked)) {
        read += 1
        digest.update(`${row.text.length}\n`).update(row.text)
        if (done && read <= done.rows) {
          if (read === done.rows && !digest.copy().digest().equals(Buffer.from(done.digest))) throw problem('idempotency.mismatch')
          continue
        }
        if (read > MOST_ROWS) throw problem('body.too_large', { detail: `At most ${MOST_ROWS} rows` })
        batch.push(row)
        if (batch.length === BATCH) yield await hand()
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
    async users(caller, request) {
      if (request.key !== null) {
        // what is kept of it takes room for a day
        const { allowed, retryAfterMs } = await limits.take([{ key: `imports:{${scopeOf(caller)}}`, quota: MOST_KEYS, windowMs: KEPT_MS, cost: 1 }])
        if (!allowed) throw problem('rate.limited', { detail: `At most ${MOST_KEYS} imports with an Idempotency-Key in 24 hours`, retryAfterSeconds: Math.ceil(retryAfterMs / 1000) })
      }
      return Readable.from(answer(caller, request), { objectMode: false, highWaterMark: HELD })
    },
  }
}
