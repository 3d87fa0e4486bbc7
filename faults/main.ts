// npm run test:faults: three nodes on stores of their own, under load, while one thing after another fails. Prints what was
// promised and what happened as a table, and ends with 1 when anything promised did not hold.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { bearer, createApi } from '../bench/api.js'
import { stopAll } from '../bench/processes.js'
import { ADMIN, makeNodes } from './nodes.js'
import { machineText, tableOf } from './report.js'
import { type Bench, type Outcome, runScenario } from './run-scenario.js'
import { type Scenario, SCENARIOS } from './scenarios.js'
import { isRedisInstalled, openPostgres, openRedisServer } from './stores.js'
import { openWire } from './wire.js'

const NODES = 3
const RATE = 300
const USAGE = `npm run test:faults -- [--only NAME]... [--rate REQUESTS_A_SECOND] [--list]`
const say = (line: string): void => console.error(line)
/** last in, first out */
const undo: (() => unknown)[] = []

interface Options {
  scenarios: Scenario[]
  ratePerSecond: number
}

function readOptions(args: string[]): Options | null {
  const { values } = parseArgs({ args, options: { only: { type: 'string', multiple: true }, rate: { type: 'string' }, list: { type: 'boolean' } } })
  if (values.list === true) {
    for (const { name, does } of SCENARIOS) console.log(`${name.padEnd(16)} ${does}`)
    return null
  }
  const only = values.only ?? []
  const unknown = only.find((name) => !SCENARIOS.some((scenario) => scenario.name === name))
  if (unknown !== undefined) throw new Error(`There is no scenario ${unknown}; they are ${SCENARIOS.map(({ name }) => name).join(', ')}\n${USAGE}`)
  const ratePerSecond = Number(values.rate ?? RATE)
  if (!(ratePerSecond >= 1 && ratePerSecond <= 20_000)) throw new Error(`--rate must be from 1 to 20000\n${USAGE}`)
  return { scenarios: SCENARIOS.filter(({ name }) => only.length === 0 || only.includes(name)), ratePerSecond }
}

/** What this machine cannot do: told, and a failure where nothing may be left out. */
function leaveOut(reason: string): void {
  say(`skipped: ${reason}`)
  if (process.env['CI'] === 'true') process.exitCode = 1
}

async function open({ ratePerSecond }: Options): Promise<{ bench: Bench; database: string }> {
  // short: the path of a Unix socket has to fit below it
  const folder = mkdtempSync(join(tmpdir(), 'gatehouse-faults-'))
  undo.push(() => rmSync(folder, { recursive: true, force: true }))
  const postgres = await openPostgres(folder, process.env['GATEHOUSE_TEST_DATABASE_URL'])
  undo.push(postgres.close)
  const redis = await openRedisServer(folder)
  undo.push(redis.close)
  const wire = await openWire(redis.url)
  undo.push(wire.close)
  const nodes = await makeNodes(NODES, { databaseUrl: postgres.url, redisUrls: [wire.url, redis.url, redis.url], dataDir: folder })
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
  const database = postgres.suspend === null ? "somebody's PostgreSQL" : 'embedded PostgreSQL'
  return { bench: { nodes, postgres, redis, wire, api, adminToken: accessToken, callerKey: key, ratePerSecond }, database }
}

async function run(options: Options): Promise<void> {
  if (!isRedisInstalled()) {
    leaveOut('redis-server is not installed, and every scenario needs a Redis that may be killed')
    return
  }
  const { bench, database } = await open(options)
  const outcomes: Outcome[] = []
  for (const scenario of options.scenarios) {
    if (scenario.needs === 'suspendable postgres' && bench.postgres.suspend === null) {
      leaveOut(`${scenario.name}: the server of GATEHOUSE_TEST_DATABASE_URL is not ours to stop`)
      continue
    }
    say(`${scenario.name}: ${scenario.does}`)
    const outcome = await runScenario(bench, scenario)
    outcomes.push(outcome)
    for (const violation of outcome.violations) say(`  VIOLATED ${violation}`)
    if (outcome.skipped > 0) say(`  ${outcome.skipped} questions were not asked: a node had too many waiting`)
  }
  console.log(`${machineText(database)}, ${NODES} nodes, ${options.ratePerSecond} verifications a second and the limited keys\n\n${tableOf(outcomes)}`)
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
