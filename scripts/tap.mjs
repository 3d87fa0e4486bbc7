// Runs the named test files, without coverage, on stores set up for this run: node scripts/tap.mjs test/routes/keys.test.ts
import { runTap } from './test-run.mjs'

const files = process.argv.slice(2)
if (files.length === 0) {
  console.error('usage: node scripts/tap.mjs FILE...')
  process.exit(2)
}
process.exitCode = await runTap(files)
