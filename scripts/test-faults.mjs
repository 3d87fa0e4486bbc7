// npm run test:faults: builds what is tested, then hands over to dist/faults/main.js in this process, so that Ctrl-C reaches
// it and the servers it starts.
import { ensureBuilt, ensureGenerated, ensureInstalled } from './prepare.mjs'

await ensureInstalled()
await ensureGenerated()
await ensureBuilt()
await import('../dist/faults/main.js')
