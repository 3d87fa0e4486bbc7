// npm test: installs, generates and builds what is missing, sets the stores up, runs every test file with coverage, and ends with
// `N passed, N failed[, N skipped]`. Exits 1 on a failure, on a run in which nothing passed, and on too little coverage.
import { ensureBuilt, ensureGenerated, ensureInstalled } from './prepare.mjs'

await ensureInstalled()
await ensureGenerated()
// tests that start the program find it built, and need not build it side by side
await ensureBuilt()
// these import packages, which may not have been there until now
const { runTap, testFiles } = await import('./test-run.mjs')
const { coverageComplaint } = await import('./coverage.mjs')
const named = process.argv.slice(2)
process.exitCode = await runTap(named.length > 0 ? named : testFiles(), { coverage: coverageComplaint })
