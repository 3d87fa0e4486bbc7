// npm run bench:peers: builds Gatehouse, installs the peers in their own folder, then hands over in this process, so that
// Ctrl-C reaches it and the servers it starts.
import { join } from 'node:path'
import { ensureBuilt, ensureGenerated, ensureInstalled, root } from './prepare.mjs'

await ensureInstalled()
await ensureGenerated()
await ensureBuilt()
await ensureInstalled(join(root, 'bench', 'peers'))
await import('../bench/peers/main.mjs')
