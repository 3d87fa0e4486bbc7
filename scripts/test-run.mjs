// One run of tap on freshly set up stores: shares the files out to lanes, shows tap's output, tears the stores down, and ends
// with the tally.
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ensurePages } from './prepare.mjs'
import { failuresOf, tallyLine, totalsOf } from './tally.mjs'
import { setUpStores } from './test-setup.mjs'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const LANES = fileURLToPath(new URL('test-lanes.mjs', import.meta.url))
const TAP = fileURLToPath(new URL('../node_modules/tap/dist/esm/run.mjs', import.meta.url))

// these run longest, in this order: most of them wait for servers, and are short to read. Begun first, none of them is what one lane is
// left with at the end
const LONG = [
  'flows/process', 'flows/workers', 'flows/admin', 'flows/redis-cluster', 'flows/rolling-restart', 'flows/redis-sentinel', 'store/embedded-postgres', 'flows/pack', 'model/decision',
  'domain/simulator', 'flows/hostile-routes', 'flows/backup', 'flows/pgbouncer', 'structure/client', 'flows/prepare', 'flows/walk',
].map((name) => `test/${name}.test.ts`)

/** Every test file below these folders of test/, but those that measure time: a neighbour's work would decide them (npm run test:timing). */
export function testFiles(folders = ['.']) {
  return folders.flatMap((folder) => readdirSync(join(ROOT, 'test', folder), { recursive: true }).filter((name) => name.endsWith('.test.ts') && !name.startsWith('timing/')).map((name) => join('test', folder, name)))
}

/** Longest first, as far as that is known: then the larger file. */
function inOrder(files) {
  const weight = (file) => (LONG.includes(file) ? Number.MAX_SAFE_INTEGER - LONG.indexOf(file) : statSync(join(ROOT, file)).size)
  return files.toSorted((a, b) => (weight(a) === weight(b) ? a.localeCompare(b) : weight(b) - weight(a)))
}

/** How many lanes, and the environment that tells each what to run; they share the files by claims in a folder of this run's own. */
function makeLanes(names, withCoverage) {
  const files = inOrder([...new Set(names.map((name) => relative(ROOT, resolve(name))))])
  mkdirSync(join(ROOT, '.tap'), { recursive: true })
  const claims = mkdtempSync(join(ROOT, '.tap', 'lanes-'))
  // one more than there are cores: a file that starts programs, or waits for a lost store, leaves its core to another
  const count = Math.min(files.length, Math.min(5, availableParallelism() + 1))
  return { env: { GATEHOUSE_TEST_LANE: JSON.stringify({ files, claims }), GATEHOUSE_TEST_LANES: JSON.stringify({ count, withCoverage }) }, remove: () => rmSync(claims, { recursive: true, force: true }) }
}

function spawnTap(args, env = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, { cwd: ROOT, env: { ...process.env, ...env, FASTIFY_AUTOLOAD_TYPESCRIPT: '1' }, stdio: ['ignore', 'pipe', 'inherit'] })
    // a terminal's Ctrl-C reaches tap by itself; here it only must not end this process before the stores are torn down
    const stop = (signal) => void child.kill(signal)
    for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, stop)
    let output = ''
    child.stdout.setEncoding('utf8').on('data', (text) => {
      output += text
      process.stdout.write(text)
    })
    child.on('error', reject)
    child.on('close', (code) => {
      for (const signal of ['SIGINT', 'SIGTERM']) process.off(signal, stop)
      resolve({ output, code: code ?? 1 })
    })
  })
}

/** Why a run without a failed test is not good after all, or null. */
function complaintOf({ passed, failed }, code) {
  if (failed > 0) return null
  if (passed === 0) return 'no test passed'
  return code === 0 ? null : `tap ended with ${code}: a time-out or a crash, see above`
}

/**
 * Runs these test files. With `coverage`, what has run of the program is counted, and it may find one more complaint afterwards. Prints the tally as the last
 * line. Resolves to the exit code: 0 only when something passed, nothing failed and there is no complaint.
 */
export async function runTap(files, { coverage = null } = {}) {
  const missing = files.filter((file) => !existsSync(resolve(ROOT, file)))
  if (missing.length > 0) {
    console.error(`There is no ${missing.join(', ')}`)
    console.log(tallyLine({ passed: 0, failed: 1, skipped: 0 }))
    return 1
  }
  await ensurePages()
  let stores
  try {
    stores = await setUpStores()
  } catch (error) {
    console.error('The stores for the tests could not be set up:', error)
    console.log(tallyLine({ passed: 0, failed: 1, skipped: 0 }))
    return 1
  }
  const { env, notes, tearDown } = stores
  for (const note of notes) console.log(`# ${note}`)
  const lanes = makeLanes(files, coverage !== null)
  if (coverage) for (const before of ['coverage', 'report']) rmSync(join(ROOT, '.tap', before), { recursive: true, force: true })
  let result
  try {
    result = await spawnTap([LANES], { ...env, ...lanes.env })
  } finally {
    lanes.remove()
    await tearDown()
  }
  const totals = totalsOf(result.output) ?? { passed: 0, failed: 1, skipped: 0 }
  if (coverage) await spawnTap([TAP, 'report', '--no-color'])
  const complaint = complaintOf(totals, result.code) ?? (await coverage?.()) ?? null
  for (const [where, ...details] of failuresOf(result.output)) console.log(`# failed: ${where}\n${details.map((line) => `#   ${line}`).join('\n')}`)
  if (complaint) console.error(`# ${complaint}`)
  console.log(tallyLine(totals))
  return totals.failed > 0 || complaint ? result.code || 1 : result.code
}
