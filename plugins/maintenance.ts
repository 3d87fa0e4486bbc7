// Deletes what has had its time, every ten minutes, a thousand rows at a time: stored idempotent answers, login counters, links that set a password, calendar quotas,
// sessions that ended a month ago, refusals of the audit log. Writes the refusals that were counted, every five seconds and at the end.
import fp from 'fastify-plugin'

const EVERY_MS = 600_000
const COUNTED_EVERY_MS = 5_000
const DAY_MS = 86_400_000
const SESSIONS_KEPT_MS = 30 * DAY_MS
// a node whose clock is slow may still count the period before
const QUOTAS_KEPT_MS = DAY_MS
const BATCH = 1_000

/** A table, what of it has had its time, and the index that finds it. `$1` is the time. */
interface Sweep {
  table: string
  where: string
  before: number
}

/** The first UUIDv7 of a time: a row that ended before it was made before it. */
function firstIdOf(ms: number): string {
  return Math.max(0, ms).toString(16).padStart(12, '0').replace(/^(.{8})(.{4})$/, '$1-$2-7000-8000-000000000000')
}

/** One statement a batch, so that no transaction and no lock lasts. */
async function inBatches(deleteSome: () => Promise<number>): Promise<void> {
  while ((await deleteSome()) === BATCH);
}

export default fp(async (app) => {
  const { database, audit, clock, config, log } = app

  async function sweep(): Promise<void> {
    const now = clock.now()
    const old = now - SESSIONS_KEPT_MS
    const sweeps: Sweep[] = [
      { table: 'idempotency_records', where: 'expires_at <= $1', before: now },
      { table: 'quota_counters', where: 'ends_at < $1', before: now - QUOTAS_KEPT_MS },
      { table: 'login_counters', where: 'expires_at <= $1', before: now },
      { table: 'password_resets', where: 'expires_at <= $1', before: now },
      { table: 'known_devices', where: 'expires_at <= $1', before: now },
      { table: 'sessions', where: `id < '${firstIdOf(old)}'::uuid AND (ended_at <= $1 OR expires_at <= $1)`, before: old },
    ]
    for (const { table, where, before } of sweeps) {
      await inBatches(async () => {
        const text = `DELETE FROM ${table} WHERE ctid = ANY(ARRAY(SELECT ctid FROM ${table} WHERE ${where} LIMIT ${BATCH}))`
        return (await database.pool.query(text, [new Date(before)])).rowCount ?? 0
      })
    }
    await inBatches(() => audit.deleteRefusals(new Date(now - config.auditRefusalsKeptDays * DAY_MS), BATCH))
  }

  let running: Promise<void> = Promise.resolve()
  const timer = setInterval(() => {
    running = sweep().catch((error: unknown) => log.error({ err: error }, 'deleting what has had its time failed; it is tried again'))
  }, EVERY_MS)
  timer.unref()
  let writing: Promise<void> = Promise.resolve()
  const counted = setInterval(() => {
    writing = audit.writeCounted().catch((error: unknown) => log.warn({ err: error }, 'refusals that were counted could not be written; it is tried again'))
  }, COUNTED_EVERY_MS)
  counted.unref()
  app.decorate('sweep', sweep)
  app.addHook('onClose', async () => {
    clearInterval(timer)
    clearInterval(counted)
    await Promise.all([running, writing])
    await audit.writeCounted(true).catch((error: unknown) => log.error({ err: error }, 'refusals that were counted are lost'))
  })
}, { name: 'maintenance', dependencies: ['prisma', 'services'] })

declare module 'fastify' {
  interface FastifyInstance {
    /** Deletes what has had its time, now. */
    sweep: () => Promise<void>
  }
}
