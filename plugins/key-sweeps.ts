// Goes on with revocations of many keys that were not finished in their request: every second, on whichever node gets to it first.
import fp from 'fastify-plugin'
import { adoptKeys } from '../src/keys/key-adoption.js'

const EVERY_MS = 1_000
const PRUNE_EVERY_MS = 3_600_000

export default fp(async (app) => {
  const { keySweeps, database, log } = app
  // before anything is answered: a key of an older version is worth what its judgement says
  await adoptKeys(database.pool, (line) => log.warn(line))
  let running: Promise<void> | null = null
  const work = (what: () => Promise<unknown>) => (): void => {
    running ??= what().then(() => undefined)
      .catch((error: unknown) => log.error({ err: error }, 'ending keys failed; it is tried again')).finally(() => { running = null })
  }
  const timers = [setInterval(work(keySweeps.runPending), EVERY_MS).unref(), setInterval(work(keySweeps.prune), PRUNE_EVERY_MS).unref()]
  app.addHook('onClose', async () => {
    for (const timer of timers) clearInterval(timer)
    await running
  })
}, { name: 'key-sweeps', dependencies: ['services'] })
