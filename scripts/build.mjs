// Compiles src, plugins, routes and bench into dist, and puts the pages together, when one of them has changed since the last time.
import { ensureBuilt, ensureGenerated } from './prepare.mjs'

await ensureGenerated()
await ensureBuilt()
