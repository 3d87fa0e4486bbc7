// Checks test/model/decision.pml with Spin (https://spinroot.com; Debian: spin, gcc): no error with all rules in place, and an
// error when any of them is taken out. Exits 0 without a check where Spin is not installed, unless CI is set.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const MODEL = fileURLToPath(new URL('../test/model/decision.pml', import.meta.url))
const REMOVED = ['NOGUARD', 'NOLEASE', 'POLLEND', 'NOAGE']

/** Is there what the check needs? */
export function hasSpin() {
  return ['spin', 'gcc'].every((program) => spawnSync(program, ['--version']).error === undefined)
}

function run(folder, program, ...args) {
  const { status, stdout, stderr, error } = spawnSync(program, args, { cwd: folder, encoding: 'utf8' })
  if (error || status !== 0) throw new Error(`${program} ${args.join(' ')} failed: ${error?.message ?? stderr + stdout}`)
  return stdout
}

/** Explores every state of the model. Returns how many errors there are and how many states were seen. */
export function explore(definitions = []) {
  const folder = mkdtempSync(join(tmpdir(), 'gatehouse-model-'))
  try {
    run(folder, 'spin', '-a', ...definitions.map((name) => `-D${name}`), MODEL)
    run(folder, 'gcc', '-O2', '-w', '-DSAFETY', '-o', 'pan', 'pan.c')
    const report = run(folder, join(folder, 'pan'), '-m1000000')
    if (/max search depth too small/.test(report)) throw new Error('the search was cut off')
    const errors = /errors: (\d+)/.exec(report)?.[1]
    const states = /([\d.e+]+) states, stored/.exec(report)?.[1]
    if (errors === undefined || states === undefined) throw new Error(`the report cannot be read:\n${report}`)
    return { errors: Number(errors), states: Number(states) }
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** All cases: the rules as they are, and each one taken out. */
export function exploreAll() {
  return [{ removed: null, ...explore() }, ...REMOVED.map((removed) => ({ removed, ...explore([removed]) }))]
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  if (!hasSpin()) {
    console.log('spin or gcc is not installed: the model was not checked')
    process.exit(process.env.CI ? 1 : 0)
  }
  const cases = exploreAll()
  for (const { removed, errors, states } of cases) console.log(`${removed ?? 'all rules'}: ${errors} errors in ${states} states`)
  process.exitCode = cases.every(({ removed, errors }) => (removed === null) === (errors === 0)) ? 0 : 1
}
