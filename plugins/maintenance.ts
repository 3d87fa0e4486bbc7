// Deletes what has expired, every ten minutes: stored idempotent answers, login counters, calendar quotas, and sessions that ended a month ago.
import fp from 'fastify-plugin'

const EVERY_MS = 600_000
const SESSIONS_KEPT_MS = 30 * 86_400_000
// a node whose clock is slow may still count the period before
const QUOTAS_KEPT_MS = 86_400_000

export default fp(async (app) => {
  const { prisma, clock, log } = app
  async function sweep(): Promise<void> {
    const now = new Date(clock.now())
    const before = new Date(now.getTime() - SESSIONS_KEPT_MS)
    await prisma.idempotencyRecord.deleteMany({ where: { expiresAt: { lte: now } } })
    await prisma.quotaCounter.deleteMany({ where: { endsAt: { lt: new Date(now.getTime() - QUOTAS_KEPT_MS) } } })
    await prisma.loginCounter.deleteMany({ where: { expiresAt: { lte: now } } })
    await prisma.session.deleteMany({ where: { OR: [{ endedAt: { lte: before } }, { expiresAt: { lte: before } }] } })
  }
  let running: Promise<void> = Promise.resolve()
  const timer = setInterval(() => {
    running = sweep().catch((error: unknown) => log.error({ err: error }, 'deleting expired rows failed; it is tried again'))
  }, EVERY_MS)
  timer.unref()
  app.decorate('sweep', sweep)
  app.addHook('onClose', async () => {
    clearInterval(timer)
    await running
  })
}, { name: 'maintenance', dependencies: ['prisma'] })

declare module 'fastify' {
  interface FastifyInstance {
    /** Deletes what has expired, now. */
    sweep: () => Promise<void>
  }
}
