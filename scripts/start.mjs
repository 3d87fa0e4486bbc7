// npm start: makes the folder ready (each step only when something changed) and becomes the program, in this very process,
// so that signals reach it.
import { afterSignal, ensureBuilt, ensureGenerated, ensureInstalled, root } from './prepare.mjs'

// a start that is called off ends as a program does that is stopped, at whatever step it is: the program itself listens later
afterSignal.status = () => 0
for (const signal of ['SIGHUP', 'SIGINT', 'SIGTERM']) {
  process.on(signal, () => {
    if (process.listenerCount(signal) === 1) process.exit(0)
  })
}
process.chdir(root)
process.setSourceMapsEnabled(true)
await ensureInstalled(root, { development: false })
await ensureGenerated()
await ensureBuilt()
await import('../dist/src/main.js')
