// npm run bench, bench:seed, bench:profile: seeds, starts the built server, measures each scenario against a bare Fastify server
// and the other rows in their own ways, prints the tables. Ends with 1 when one failed; the others are still measured.
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import type { Config } from '../src/config.js'
import { benchConfig, DATA_FOLDER } from './environment.js'
import { EXTRAS } from './extras.js'
import { startGatehouse } from './gatehouse.js'
import { measure } from './measure.js'
import { type BenchOptions, readOptions } from './options.js'
import { choosePlacement, type Placement, startChild, stopAll } from './processes.js'
import { profile, PROFILED } from './profile.js'
import { COMPARED_HEADS, describeMachine, factsOf, type Figure, figuresTable, isFigureMet, isRowMet, type Machine, type Row, tableOf } from './report.js'
import type { Bench, Extra, Findings } from './rows.js'
import { LOGIN_SECONDS_MIN, type Scenario, SCENARIOS } from './scenarios.js'
import type { OpenApi } from './schemas.js'
import { ensureSeeded } from './seed.js'
import { ensureKeys } from './seed-keys.js'
import { findRedis } from './stores.js'

const USERS_WITHOUT_SEED = 100_000

const interrupted = new AbortController()
const say = (line: string): void => console.error(line)

/** A row beside the scenarios, as it came out. */
interface Extras {
  compared: Row[]
  figures: Figure[]
  skipped: { name: string; why: string }[]
  failures: { name: string; failure: string }[]
  details: Record<string, object>
}

function chosen<T extends { name: string }>(all: readonly T[], only: readonly string[]): T[] {
  return all.filter(({ name }) => only.length === 0 || only.some((start) => name.startsWith(start)))
}

function checkNames(only: readonly string[]): void {
  const names = [...SCENARIOS, ...EXTRAS].map(({ name }) => name)
  const unknown = only.find((start) => !names.some((name) => name.startsWith(start)))
  if (unknown !== undefined) throw new Error(`--only ${unknown}: the rows are ${names.join(', ')}`)
}

function redisText(redisUrl: string | null, found: string | null): string {
  if (redisUrl !== null) return `Redis at ${new URL(redisUrl).host}`
  return `no Redis (in-process stand-ins)${found === null ? '' : `, but Redis at ${new URL(found).host} where a row says so`}`
}

function messageOf(error: unknown): string {
  interrupted.signal.throwIfAborted()
  return error instanceof Error ? error.message : String(error)
}

async function measureScenarios(scenarios: readonly Scenario[], { world, generator, placement, options, serverPid }: Bench): Promise<Row[]> {
  const { api } = world
  const document = await api.json<OpenApi>('/openapi.json')
  const rows: Row[] = []
  for (const { name, target, prepare } of scenarios) {
    say(`measuring ${name}`)
    let label = name
    try {
      const prepared = await prepare(world)
      label = prepared.label
      rows.push({ name, label, target, measured: await measure({ api, serverPid, document, generator, placement, rounds: options.rounds }, prepared), failure: null })
    } catch (error) {
      rows.push({ name, label, target, measured: null, failure: messageOf(error) })
    }
  }
  return rows
}

async function measureExtras(extras: readonly Extra[], bench: Bench): Promise<Extras> {
  const found: Extras = { compared: [], figures: [], skipped: [], failures: [], details: {} }
  const take = (name: string, { compared = [], figures = [], details, skipped }: Findings): void => {
    found.compared.push(...compared.map((row) => ({ name, failure: null, ...row })))
    found.figures.push(...figures)
    if (details) found.details[name] = details
    if (skipped !== undefined) found.skipped.push({ name, why: skipped })
  }
  for (const { name, measure: run } of extras) {
    say(`measuring ${name}`)
    try {
      take(name, await run(bench))
    } catch (error) {
      found.failures.push({ name, failure: messageOf(error) })
    }
  }
  return found
}

function print(machine: Machine, { seconds, rounds, connections }: BenchOptions, rows: readonly Row[], { compared, figures, skipped, failures }: Extras): void {
  const settings = `measured:  ${rounds} rounds of ${seconds} s (sign-in ${Math.max(seconds, LOGIN_SECONDS_MIN)} s), ${connections} connections, medians`
  const tables = [...(rows.length > 0 ? [tableOf(rows)] : []), ...(compared.length > 0 ? [tableOf(compared, COMPARED_HEADS)] : []), ...(figures.length > 0 ? [figuresTable(figures)] : [])]
  console.log(`\n${factsOf(machine)}\n${settings}\n\n${tables.join('\n\n')}`)
  for (const { name, why } of skipped) console.log(`\nskipped ${name}: ${why}`)
  for (const { name, failure } of [...rows, ...failures]) if (failure !== null) console.error(`\nFAILED ${name}: ${failure}`)
}

function writeJson(file: string, content: object): void {
  mkdirSync(dirname(resolve(file)), { recursive: true })
  writeFileSync(resolve(file), `${JSON.stringify({ at: new Date().toISOString(), ...content }, null, 2)}\n`)
}

function judged(rows: readonly Row[]): object[] {
  return rows.map((row) => ({ ...row, met: isRowMet(row) }))
}

async function bench(options: BenchOptions, config: Config, placement: Placement): Promise<boolean> {
  const extras = chosen(EXTRAS, options.only)
  const redisUrl = await findRedis(config.redisUrl)
  const seeded = await ensureSeeded(0, USERS_WITHOUT_SEED, say)
  if (extras.some(({ needsKeys }) => needsKeys)) await ensureKeys(options.keys, say)
  const machine = describeMachine(placement.text, seeded.database.replace(DATA_FOLDER, 'bench/data'), redisText(config.redisUrl, redisUrl))
  say(`${factsOf(machine)}\n`)

  const { api, child, stop } = await startGatehouse(placement.server)
  const generator = startChild('generator.js', placement.generator, process.env, { ipc: true })
  const { seconds, rounds, connections } = options
  const all: Bench = { world: { api, users: seeded.users, bcryptCost: config.bcryptCost, connections, seconds }, config, options, placement, generator, serverPid: child.process.pid, redisUrl }
  const rows = await measureScenarios(chosen(SCENARIOS, options.only), all)
  const found = await measureExtras(extras, all)
  await generator.stop()
  await stop()

  print(machine, options, rows, found)
  const settings = { seconds, rounds, connections, bcryptCost: config.bcryptCost, seededUsers: seeded.users, keys: options.keys }
  if (options.jsonFile !== null) {
    const figures = found.figures.map((figure) => ({ ...figure, met: isFigureMet(figure) }))
    writeJson(options.jsonFile, { machine, settings, ...found, rows: judged(rows), compared: judged(found.compared), figures })
  }
  return [...rows, ...found.failures].every(({ failure }) => failure === null)
}

async function profileOne(options: BenchOptions, config: Config, placement: Placement): Promise<void> {
  const [wanted = 'verify', ...more] = options.only
  const scenario = PROFILED.find(({ name }) => name === wanted) ?? PROFILED.find(({ name }) => name.startsWith(wanted))
  if (!scenario || more.length > 0) throw new Error(`bench:profile takes one scenario: --only ${PROFILED.map(({ name }) => name).join(', ')}`)
  const { users } = await ensureSeeded(0, USERS_WITHOUT_SEED, say)
  console.log(await profile(scenario, options, placement, { users, bcryptCost: config.bcryptCost }))
}

async function main(): Promise<void> {
  const options = readOptions(process.argv.slice(2), process.env)
  if (options.command === 'seed') {
    const { users, database } = await ensureSeeded(options.users, 0, say)
    console.log(`${users.toLocaleString('en')} seeded users: ${database}`)
    return
  }
  if (options.command === 'bench') checkNames(options.only)
  const config = benchConfig(process.env)
  const placement = choosePlacement(options.pin, config.databaseUrl === null)
  if (options.command === 'profile') await profileOne(options, config, placement)
  else process.exitCode = await bench(options, config, placement) ? 0 : 1
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
