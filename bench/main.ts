// npm run bench, npm run bench:seed: seeds, starts the built server, measures each scenario against a bare Fastify server,
// prints the table. Ends with 1 when a scenario failed; the others are still measured.
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { benchConfig, DATA_FOLDER } from './environment.js'
import { startGatehouse } from './gatehouse.js'
import { measure } from './measure.js'
import { type BenchOptions, readOptions } from './options.js'
import { choosePlacement, startChild, stopAll } from './processes.js'
import { describeMachine, factsOf, type Row, tableOf } from './report.js'
import { LOGIN_SECONDS_MIN, type Scenario, SCENARIOS, type World } from './scenarios.js'
import type { OpenApi } from './schemas.js'
import { ensureSeeded } from './seed.js'

const USERS_WITHOUT_SEED = 100_000

const interrupted = new AbortController()
const say = (line: string): void => console.error(line)

function chosen(only: readonly string[]): Scenario[] {
  const unknown = only.find((name) => !SCENARIOS.some((scenario) => scenario.name.startsWith(name)))
  if (unknown !== undefined) throw new Error(`--only ${unknown}: the scenarios are ${SCENARIOS.map(({ name }) => name).join(', ')}`)
  return SCENARIOS.filter(({ name }) => only.length === 0 || only.some((start) => name.startsWith(start)))
}

function redisText(redisUrl: string | null): string {
  return redisUrl === null ? 'no Redis (in-process stand-ins)' : `Redis at ${new URL(redisUrl).host}`
}

async function bench(options: BenchOptions): Promise<boolean> {
  const scenarios = chosen(options.only)
  const config = benchConfig(process.env)
  const placement = choosePlacement(options.pin, config.databaseUrl === null)
  const seeded = await ensureSeeded(0, USERS_WITHOUT_SEED, say)
  const machine = describeMachine(placement.text, seeded.database.replace(DATA_FOLDER, 'bench/data'), redisText(config.redisUrl))
  say(`${factsOf(machine)}\n`)

  const { api, stop } = await startGatehouse(placement.server)
  const generator = startChild('generator.js', placement.generator, process.env, { ipc: true })
  const document = await api.json<OpenApi>('/openapi.json')
  const world: World = { api, users: seeded.users, bcryptCost: config.bcryptCost, connections: options.connections, seconds: options.seconds }
  const rows: Row[] = []
  for (const { name, prepare } of scenarios) {
    say(`measuring ${name}`)
    let label = name
    try {
      const prepared = await prepare(world)
      label = prepared.label
      rows.push({ name, label, measured: await measure({ api, document, generator, placement, rounds: options.rounds }, prepared), failure: null })
    } catch (error) {
      interrupted.signal.throwIfAborted()
      rows.push({ name, label, measured: null, failure: error instanceof Error ? error.message : String(error) })
    }
  }
  await generator.stop()
  await stop()

  const settings = { seconds: options.seconds, rounds: options.rounds, connections: options.connections, bcryptCost: config.bcryptCost, seededUsers: seeded.users }
  console.log(`\n${factsOf(machine)}\nmeasured:  ${options.rounds} rounds of ${options.seconds} s (sign-in ${Math.max(options.seconds, LOGIN_SECONDS_MIN)} s), ${options.connections} connections, medians\n\n${tableOf(rows)}`)
  for (const { name, failure } of rows) if (failure !== null) console.error(`\nFAILED ${name}: ${failure}`)
  if (options.jsonFile !== null) {
    const file = resolve(options.jsonFile)
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, `${JSON.stringify({ at: new Date().toISOString(), machine, settings, rows }, null, 2)}\n`)
  }
  return rows.every(({ failure }) => failure === null)
}

async function main(): Promise<void> {
  const options = readOptions(process.argv.slice(2), process.env)
  if (options.command === 'bench') {
    process.exitCode = await bench(options) ? 0 : 1
    return
  }
  const { users, database } = await ensureSeeded(options.users, 0, say)
  console.log(`${users.toLocaleString('en')} seeded users: ${database}`)
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    interrupted.abort(new Error('interrupted'))
    void stopAll().then(() => process.exit(130))
  })
}

try {
  await main()
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
} finally {
  await stopAll()
}
