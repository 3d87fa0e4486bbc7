// The tap of a test run (test-run.mjs starts it): one subtest for each lane, which is a process of its own. Lanes are not started by tap itself: what its
// runner loads into a process before a test (hooks for mocks and TypeScript, a list of all that is loaded, async hooks around every promise) took a sixth to a quarter of a lane's time,
// and nothing here uses it.
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import t, { TapFile } from 'tap'

const LANE = fileURLToPath(new URL('test-lane.mjs', import.meta.url))
const COVERAGE = new URL('test-coverage.mjs', import.meta.url).href
const { count, withCoverage } = JSON.parse(process.env.GATEHOUSE_TEST_LANES)
const preload = withCoverage ? `--import=${COVERAGE}` : null
const running = new Set()

function startLane(at) {
  const options = [process.env.NODE_OPTIONS, preload].filter(Boolean).join(' ')
  const child = spawn(process.execPath, ['--enable-source-maps', LANE], { stdio: ['ignore', 'pipe', 'inherit'], env: { ...process.env, TAP: '1', NODE_OPTIONS: options } })
  const ended = new Promise((resolve, reject) => child.once('error', reject).once('close', (code, signal) => resolve(signal ?? code)))
  running.add(child)
  return { name: `lane ${at + 1}`, child, ended }
}

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, () => {
    for (const child of running) child.kill(signal)
    process.kill(process.pid, signal)
  })
}

t.setTimeout(0)
t.jobs = count
const lanes = Array.from({ length: count }, (_, at) => startLane(at))
await Promise.all(lanes.map(async ({ name, child, ended }) => {
  const told = t.sub(TapFile, { name, tapStream: child.stdout, buffered: true })
  await told
  const code = await ended
  running.delete(child)
  // with 1 it ends as well where a test has failed, which it has said
  if (code !== 0 && (code !== 1 || told.subtest.passing())) t.fail(`${name} ended with ${code}`)
}))
t.end()
