// Keeps this node's knowledge of revocations going while the server runs, shows it as metrics, and lets routes say how soon
// a change holds everywhere.
import fp from 'fastify-plugin'
import type { FastifyReply } from 'fastify'
import { Counter, Gauge } from 'prom-client'

declare module 'fastify' {
  interface FastifyReply {
    /**
     * After a change that takes something away: sets Effective-Within-Ms, and returns it. From this answer on, no node decides by the
     * old state later than that. With `wait` it waits for the nodes first.
     */
    effective: (wait: boolean | undefined) => Promise<number>
  }
}

const PRUNE_EVERY_MS = 600_000

export default fp(async (app) => {
  const { revocations, decisionCache, metrics, log } = app
  await revocations.start()
  const timer = setInterval(() => {
    revocations.prune().catch((error: unknown) => log.error({ err: error }, 'deleting old revocations failed; it is tried again'))
  }, PRUNE_EVERY_MS).unref()
  app.addHook('onClose', async () => {
    clearInterval(timer)
    await revocations.close()
  })

  app.decorateReply('effective', async function effective(this: FastifyReply, wait: boolean | undefined) {
    if (wait === true) await revocations.waitForNodes()
    const effectiveWithinMs = wait === true ? 0 : revocations.effectiveWithinMs()
    void this.header('effective-within-ms', effectiveWithinMs)
    return effectiveWithinMs
  })

  const gauge = (name: string, help: string, read: () => number): void => metrics.registerMetric(new Gauge({
    name, help, registers: [],
    collect() {
      this.set(read())
    },
  }))
  const counter = (name: string, help: string, read: () => number): void => metrics.registerMetric(new Counter({
    name, help, registers: [],
    collect() {
      this.reset()
      this.inc(read())
    },
  }))
  gauge('gatehouse_decision_cache_entries', 'Credentials whose decision is kept in memory', decisionCache.entries)
  gauge('gatehouse_decision_cache_bytes', 'Memory they take, estimated', decisionCache.bytes)
  counter('gatehouse_decision_cache_hits_total', 'Credentials found in memory', decisionCache.hits)
  counter('gatehouse_decision_cache_misses_total', 'Credentials read from the database', decisionCache.misses)
  gauge('gatehouse_revocation_lease_ms', 'For how long this node may go on deciding from memory; 0 while the database does not answer', revocations.state.leaseLeftMs)
  gauge('gatehouse_revocation_seq', 'Number of the last revocation this node knows', revocations.state.cursor)
  gauge('gatehouse_revocation_tags', 'Revocations of the last ten minutes held in memory', revocations.state.size)
  counter('gatehouse_revocation_poll_failures_total', 'Polls of the revocation log that failed', revocations.failures)
}, { name: 'revocations', dependencies: ['services', 'metrics'] })
