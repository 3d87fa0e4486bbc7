// Keeps the usage ledger going: minutes that are over are folded into the history, what was kept long enough is deleted,
// and what has been counted is written before the end. Its metrics: decisions by outcome, and how many the ledger lacks.
import fp from 'fastify-plugin'
import { Counter, Gauge } from 'prom-client'
import { OUTCOMES } from '../src/usage/usage-counts.js'

const FOLD_EVERY_MS = 5_000
const PRUNE_EVERY_MS = 600_000

export default fp(async (app) => {
  const { usage, usageLedger, metrics, log } = app
  let running: Promise<void> = Promise.resolve()
  // one after the other: a slow database must not collect work
  const upkeep = (what: string, work: () => Promise<number>) => (): void => {
    running = running.then(async () => void (await work())).catch((error: unknown) => log.error({ err: error }, `${what} failed; it is tried again`))
  }
  const timers = [
    setInterval(upkeep('folding usage', usage.fold), FOLD_EVERY_MS).unref(),
    setInterval(upkeep('deleting old usage', usage.prune), PRUNE_EVERY_MS).unref(),
  ]

  metrics.registerMetric(new Counter({
    name: 'gatehouse_usage_decisions_total', help: 'Decisions about known keys', labelNames: ['outcome'], registers: [],
    collect() {
      this.reset()
      const decided = usageLedger.decided()
      for (const outcome of OUTCOMES) this.inc({ outcome }, decided[outcome])
    },
  }))
  metrics.registerMetric(new Gauge({
    name: 'gatehouse_usage_drift', help: 'Decisions of this node that are not in the ledger (yet)', registers: [],
    collect() {
      this.set(usageLedger.drift())
    },
  }))

  app.addHook('onClose', async () => {
    for (const timer of timers) clearInterval(timer)
    await running
    await usageLedger.close()
  })
}, { name: 'usage', dependencies: ['services', 'metrics'] })
