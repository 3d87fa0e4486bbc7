// npm run bench, bench:seed and bench:profile: builds what is measured, then hands over to dist/bench/main.js in this process, so
// that Ctrl-C reaches it and the servers it starts. The OAuth rows, when they are asked for by name, get their peer installed.
import { join } from 'node:path'
import { ensureBuilt, ensureGenerated, ensureInstalled, root } from './prepare.mjs'

const only = process.argv[process.argv.indexOf('--only') + 1] ?? ''

await ensureInstalled()
await ensureGenerated()
await ensureBuilt()
if (only.split(',').some((name) => name.startsWith('oauth'))) await ensureInstalled(join(root, 'bench', 'peers'))
await import('../dist/bench/main.js')
