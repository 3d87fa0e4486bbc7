// npm start: makes the folder ready (each step only when something changed) and becomes the program, in this very process,
// so that signals reach it.
import { ensureBuilt, ensureGenerated, ensureInstalled, root } from './prepare.mjs'

process.chdir(root)
process.setSourceMapsEnabled(true)
ensureInstalled()
ensureGenerated()
ensureBuilt()
await import('../dist/src/main.js')
