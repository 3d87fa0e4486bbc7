// npm run test:quick: a first verdict while one works, in under a minute on two cores: everything pure, the rules of the house, and
// the doors most changes touch. No coverage, and fewer simulated worlds. `npm test` is what counts.
import { ensureGenerated, ensureInstalled } from './prepare.mjs'

await ensureInstalled()
await ensureGenerated()
const { runTap, testFiles } = await import('./test-run.mjs')
process.env.GATEHOUSE_TEST_SEEDS ??= '100'
const DOORS = ['answers', 'auth', 'keys', 'keys-verify', 'setup', 'users', 'whoami'].map((name) => `test/routes/${name}.test.ts`)
process.exitCode = await runTap([...testFiles(['domain', 'structure']), ...DOORS])
