// npm run test:faults: three nodes on stores of their own, under load, while one thing after another fails. Prints what was
// promised and what happened as a table, and ends with 1 when anything promised did not hold.
import { mkdtempSync, rmSync } from 'node:fs'
import { loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { bearer, createApi } from '../bench/api.js'
import { stopAll } from '../bench/processes.js'
import { ADMIN, type GatehouseNode, makeNodes } from './nodes.js'
import { machineText, rowOf, tableOf } from './report.js'
import { type Bench, type Outcome, runScenario } from './run-scenario.js'
import { type Run, RUNS } from './runs.js'
import { missingFor, openStores, type StageName } from './stages.js'

const NODES = 3
const RATE = 300
const WARM_UP_COUNT = 60
const WARM_UP_LANES = 4
const SAID_MAX = 1_500
const LOAD_EVERY_MS = 1_000
const USAGE = `npm run test:faults -- [--only NAME]... [--rate REQUESTS_A_SECOND] [--load MOST] [--list]`
const say = (line: string): void => console.error(line)
/** last in, first out */
const undo: (() => unknown)[] = []

interface Options {
  runs: Run[]
  ratePerSecond: number
  /** each run waits until the machine's load average is no more than this */
  mostLoad: number
}

function readOptions(args: string[]): Options | null {
  const { values } = parseArgs({ args, options: { only: { type: 'string', multiple: true }, rate: { type: 'string' }, load: { type: 'string' }, list: { type: 'boolean' } } })
  if (values.list === true) {
    for (const { name, does } of RUNS) console.log(`${name.padEnd(25)} ${does}`)
    return null
  }
  const only = values.only ?? []
  const unknown = only.find((name) => !RUNS.some((one) => one.name === name))
  if (unknown !== undefined) throw new Error(`There is no scenario ${unknown}; they are ${RUNS.map(({ name }) => name).join(', ')}\n${USAGE}`)
  const ratePerSecond = Number(values.rate ?? RATE)
  if (!(ratePerSecond >= 1 && ratePerSecond <= 20_000)) throw new Error(`--rate must be from 1 to 20000\n${USAGE}`)
  const mostLoad = Number(values.load ?? Infinity)
  if (!(mostLoad > 0)) throw new Error(`--load must be above 0\n${USAGE}`)
  return { runs: RUNS.filter(({ name }) => only.length === 0 || only.includes(name)), ratePerSecond, mostLoad }
}

/** What this machine cannot do: told, and a failure where nothing may be left out. */
function leaveOut(reason: string): void {
  say(`skipped: ${reason}`)
  if (process.env['CI'] === 'true') process.exitCode = 1
}

/** First requests to every process are slow, and no matter of a fault: they are made before anything is measured. A new connection each, so that every worker gets some. */
async function warmUp(nodes: readonly GatehouseNode[], callerKey: string): Promise<void> {
  const lane = async (origin: string): Promise<void> => {
    for (let count = 0; count < WARM_UP_COUNT; count += 1) {
      await createApi(origin).send('/api/v1/keys/verify', { method: 'POST', headers: { ...bearer(callerKey), connection: 'close' }, body: { key: callerKey } })
    }
  }
  await Promise.all(nodes.flatMap(({ origin }) => Array.from({ length: WARM_UP_LANES }, () => lane(origin))))
}

/** The nodes of a stage, and who manages keys there. */
async function open(stage: StageName, ratePerSecond: number): Promise<Bench> {
  // short: the path of a Unix socket has to fit below it
  const folder = mkdtempSync(join(tmpdir(), 'gatehouse-faults-'))
  undo.push(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }))
  const stores = await openStores(stage, folder, { teardown: (work) => void undo.push(work) })
  const { databaseUrl, redisUrls, workers } = stores
  const nodes = await makeNodes(NODES, { databaseUrl, redisUrls, workers, dataDir: folder })
  undo.push(async () => {
    for (const node of nodes) node.signal('SIGCONT')
    await stopAll()
  })
  const [first, ...others] = nodes
  if (!first) throw new Error('no nodes')
  await first.start() // it migrates, and makes the administrator
  await Promise.all(others.map((node) => node.start()))
  const api = createApi(first.origin)
  const { accessToken } = await api.json<{ accessToken: string }>('/api/v1/auth/login', { method: 'POST', body: ADMIN })
  const body = { name: 'the API that asks', permissions: ['gatehouse:keys.verify'] }
  const { key } = await api.json<{ key: string }>('/api/v1/keys', { method: 'POST', headers: bearer(accessToken), body })
  await warmUp(nodes, key)
  return { nodes, stores, api, adminToken: accessToken, callerKey: key, ratePerSecond }
}

/** At once, so that a run that is called off has said what it found. */
function report(outcome: Outcome): void {
  const { violations, skipped } = outcome
  say(rowOf(outcome))
  for (const violation of violations) say(`  VIOLATED ${violation}`)
  if (skipped > 0) say(`  ${skipped} questions were not asked: a node had too many waiting`)
}

/** On a machine that others keep busy, what is measured is how long processes wait for their turn. */
async function untilQuiet(mostLoad: number): Promise<void> {
  while ((loadavg()[0] ?? 0) > mostLoad) await delay(LOAD_EVERY_MS)
}

/** All runs of one stage, which is opened for them and closed behind them. */
async function runStage(stage: StageName, runs: readonly Run[], { ratePerSecond, mostLoad }: Options): Promise<Outcome[]> {
  const missing = missingFor(stage)
  if (missing !== null) {
    leaveOut(`${runs.map(({ name }) => name).join(', ')}: ${missing}`)
    return []
  }
  await untilQuiet(mostLoad)
  const bench = await open(stage, ratePerSecond)
  const outcomes: Outcome[] = []
  for (const one of runs) {
    if (one.needs === 'suspendable postgres' && bench.stores.world?.postgres.suspend === null) {
      leaveOut(`${one.name}: the server of GATEHOUSE_TEST_DATABASE_URL is not ours to stop`)
      continue
    }
    await untilQuiet(mostLoad)
    say(`${one.name}: ${one.does}`)
    const outcome = await runScenario(bench, one)
    outcomes.push(outcome)
    report(outcome)
    if (outcome.violations.length > 0) for (const node of bench.nodes) say(`  ${node.origin} said: ${node.said().slice(-SAID_MAX)}`)
  }
  await cleanUp()
  return outcomes
}

async function run(options: Options): Promise<void> {
  const { runs, ratePerSecond } = options
  const outcomes: Outcome[] = []
  for (const stage of new Set(runs.map((one) => one.stage))) {
    outcomes.push(...await runStage(stage, runs.filter((one) => one.stage === stage), options))
  }
  const given = process.env['GATEHOUSE_TEST_DATABASE_URL'] ?? ''
  const database = given === '' ? 'embedded PostgreSQL' : "somebody's PostgreSQL"
  console.log(`${machineText(database)}, ${NODES} nodes, ${ratePerSecond} verifications a second and the limited keys\n\n${tableOf(outcomes)}`)
  if (outcomes.some(({ violations }) => violations.length > 0)) process.exitCode = 1
}

async function cleanUp(): Promise<void> {
  for (let step = undo.pop(); step; step = undo.pop()) await Promise.resolve(step()).catch((error: unknown) => say(String(error)))
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => void cleanUp().then(() => process.exit(130)))
}

try {
  const options = readOptions(process.argv.slice(2))
  if (options) await run(options)
} catch (error) {
  say(error instanceof Error ? error.stack ?? error.message : String(error))
  process.exitCode = 1
} finally {
  await cleanUp()
}
