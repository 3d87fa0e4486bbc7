// One run of tap on freshly set up stores: shows its output, tears the stores down, and ends with the tally.
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { tallyLine, totalsOf } from './tally.mjs'
import { setUpStores } from './test-setup.mjs'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const TAP = fileURLToPath(new URL('../node_modules/tap/dist/esm/run.mjs', import.meta.url))

function spawnTap(args, env) {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [TAP, 'run', '--no-color', '--reporter=tap', ...args], {
      cwd: ROOT, env: { ...process.env, ...env, FASTIFY_AUTOLOAD_TYPESCRIPT: '1' }, stdio: ['ignore', 'pipe', 'inherit'],
    })
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
  return code === 0 ? null : `tap ended with ${code}: too little coverage, a time-out or a crash, see above`
}

/**
 * Runs tap with these arguments; `check` may find one more complaint afterwards. Prints the tally as the last line.
 * Resolves to the exit code: 0 only when something passed, nothing failed and there is no complaint.
 */
export async function runTap(args, check = async () => null) {
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
  let result
  try {
    result = await spawnTap(args, env)
  } finally {
    await tearDown()
  }
  const totals = totalsOf(result.output) ?? { passed: 0, failed: 1, skipped: 0 }
  const complaint = complaintOf(totals, result.code) ?? (await check())
  if (complaint) console.error(`# ${complaint}`)
  console.log(tallyLine(totals))
  return totals.failed > 0 || complaint ? result.code || 1 : result.code
}
