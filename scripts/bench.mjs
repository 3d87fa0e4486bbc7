// npm run bench, bench:seed and bench:profile: builds what is measured, then hands over to dist/bench/main.js in this process, so
// that Ctrl-C reaches it and the servers it starts.
import { ensureBuilt, ensureGenerated, ensureInstalled } from './prepare.mjs'

await ensureInstalled()
await ensureGenerated()
await ensureBuilt()
await import('../dist/bench/main.js')
