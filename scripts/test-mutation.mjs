// npm run test:mutation [-- [--force] [--apart] FEATURE...]: changes one thing at a time in a feature's pure rules (scripts/mutation-features.mjs) and asks its
// tests whether they notice. Prints what nobody noticed and the score of each feature; exits 1 when one is below 90 %, or could not be tried.
// A result is kept (.build/mutation) for as long as the file and its tests stay as they are; --force tries everything anew, which a
// change in what the file imports asks for. One mutant at a time, or as many as MUTATION_JOBS says. MUTATION_FILE=plan tries those files alone
// whose path has that in it, and keeps their results apart.
import { mkdirSync } from 'node:fs'
import { ensureGenerated, ensureInstalled, root } from './prepare.mjs'
import { FEATURES } from './mutation-features.mjs'

const LEAST = 90
const only = process.env.MUTATION_FILE ?? ''
const given = process.argv.slice(2)
const isForced = given.includes('--force')
const isApart = given.includes('--apart')
const named = given.filter((argument) => !['--force', '--apart'].includes(argument))
const unknown = named.filter((name) => !(name in FEATURES))
if (unknown.length > 0) {
  console.error(`There is no ${unknown.join(', ')}. Features: ${Object.keys(FEATURES).join(', ')}`)
  process.exit(2)
}

await ensureInstalled()
await ensureGenerated()
process.chdir(root)
const { Stryker } = await import('@stryker-mutator/core')
mkdirSync('.build/mutation', { recursive: true })

function optionsOf(feature) {
  const { mutate: files, tests } = FEATURES[feature]
  const mutate = files.filter((file) => file.includes(only))
  if (mutate.length === 0) throw new Error(`No file of ${feature} has ${only} in its path`)
  return {
    mutate,
    ...(isApart
      ? { testRunner: 'tap', tap: { testFiles: tests, nodeArgs: ['--import', 'tsx', '-r', '{{hookFile}}', '{{testFile}}'] }, plugins: ['@stryker-mutator/tap-runner', './scripts/mutation-words.mjs'] }
      : { testRunner: 'inProcess', inProcess: { testFiles: tests }, plugins: ['./scripts/mutation-runner.mjs', './scripts/mutation-words.mjs'], maxTestRunnerReuse: 100 }),
    ignorers: ['words'],
    coverageAnalysis: 'perTest',
    concurrency: Number(process.env.MUTATION_JOBS ?? 1),
    // what is slow on a busy machine is not found: endless loops are, by the count of their rounds
    timeoutMS: 60_000,
    incremental: true,
    incrementalFile: `.build/mutation/${[feature, ...only.split('/')].filter(Boolean).join('-')}.json`,
    force: isForced,
    tempDirName: '.build/stryker',
    ignorePatterns: ['.build', '.tap', 'bench', 'data', 'deploy', 'dist', 'docs', 'faults', 'plugins', 'routes'],
    disableTypeChecks: false,
    reporters: ['progress-append-only', 'missed'],
    allowConsoleColors: false,
    logLevel: process.env.MUTATION_LOG ?? 'warn',
  }
}

/** A mutant that is noticed fails a test or never ends; one that cannot be run tells nothing. */
function scoreOf(mutants) {
  const noticed = mutants.filter(({ status }) => status === 'Killed' || status === 'Timeout').length
  const missed = mutants.filter(({ status }) => status === 'Survived' || status === 'NoCoverage').length
  return { noticed, of: noticed + missed, percent: noticed + missed === 0 ? 0 : (100 * noticed) / (noticed + missed) }
}

const lines = []
for (const feature of named.length > 0 ? named : Object.keys(FEATURES)) {
  const begun = performance.now()
  try {
    const mutants = await new Stryker(optionsOf(feature)).runMutationTest()
    const { noticed, of, percent } = scoreOf(mutants)
    lines.push(`${feature}: ${noticed} of ${of} noticed, ${percent.toFixed(1)} % (${Math.round((performance.now() - begun) / 1000)} s)`)
    if (percent < LEAST) process.exitCode = 1
  } catch (error) {
    console.error(error)
    lines.push(`${feature}: could not be tried`)
    process.exitCode = 1
  }
  console.log(lines.at(-1))
}
if (lines.length > 1) console.log(`\n${lines.join('\n')}`)
