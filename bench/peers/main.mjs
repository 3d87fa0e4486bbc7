// npm run bench:peers: Gatehouse and its peers take turns at the same work, measured by the generator and the rounds of
// npm run bench. Prints the table; ends with 1 when a row failed, the others are still measured.
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { benchConfig, DATA_FOLDER } from '../../dist/bench/environment.js'
import { startGatehouse } from '../../dist/bench/gatehouse.js'
import { alternate } from '../../dist/bench/measure.js'
import { readOptions } from '../../dist/bench/options.js'
import { ask, choosePlacement, startChild, stopAll } from '../../dist/bench/processes.js'
import { describeMachine, factsOf, SCENARIO_HEADS, tableOf } from '../../dist/bench/report.js'
import { schemasOf } from '../../dist/bench/schemas.js'
import { ensureSeeded } from '../../dist/bench/seed.js'
import { databaseUrlOf, findRedis } from '../../dist/bench/stores.js'
import { ROWS } from './rows.mjs'
import { dropSchema } from './stores.mjs'

const PEERS = '../../bench/peers' // from dist/bench
const USAGE = 'npm run bench:peers -- [--only NAME,...] [--seconds 3] [--rounds 3] [--connections 32] [--no-pin] [--json FILE]'
const interrupted = new AbortController()
const say = (line) => console.error(line)

function chosenOf(only) {
  const unknown = only.find((start) => !ROWS.some(({ name }) => name.startsWith(start)))
  if (unknown !== undefined) throw new Error(`--only ${unknown}: the rows are ${ROWS.map(({ name }) => name).join(', ')}`)
  return ROWS.filter(({ name }) => only.length === 0 || only.some((start) => name.startsWith(start)))
}

async function send({ url, method }, headers, body) {
  const response = await fetch(url, { method, headers, ...(body === undefined ? {} : { body }) })
  return { status: response.status, text: await response.text() }
}

/** A right answer of each body's, checked, and that a wrong credential gets another one. Gives the last right answer. */
async function sample(who, request) {
  const { headers, bodies, markers, wrong } = request
  let last = ''
  for (const body of bodies.length > 0 ? [...bodies, bodies[0]] : [undefined]) {
    const { status, text } = await send(request, headers, body)
    const missing = markers.filter((marker) => !text.includes(marker))
    if (status !== 200) throw new Error(`${who} answered ${status}: ${text.slice(0, 500)}`)
    if (missing.length > 0) throw new Error(`${who}'s answer lacks ${missing.join(', ')}: ${text.slice(0, 500)}`)
    last = text
  }
  if (wrong) {
    const { text } = await send(request, wrong.headers, wrong.body)
    if (!text.includes(wrong.marker)) throw new Error(`${who} does not refuse a wrong credential: ${text.slice(0, 500)}`)
  }
  return last
}

function loadOf({ url, method, headers, bodies, markers }, text, { connections, seconds }) {
  return { url, method, headers, bodies, markers, connections, seconds, length: text.length }
}

async function measureRow(row, { world, document, generator, placement, rounds, stores }) {
  const ours = await row.prepare(world)
  const text = await sample('Gatehouse', ours)
  const peer = startChild(`${PEERS}/${row.file}`, placement.server, { ...process.env, NODE_ENV: 'production' }, { ipc: true })
  try {
    const { version, requests } = await ask(peer, {
      ...stores, connections: world.connections, inMemory: row.inMemory === true,
      ...(row.needsRedis ? { request: ours, route: { schema: schemasOf(document, ours.method, ours.path), answer: JSON.parse(text) } } : {}),
    })
    const theirs = requests[row.request]
    const [gatehouse, bare] = await alternate(generator, rounds, [
      { who: 'Gatehouse', load: loadOf(ours, text, world) }, { who: version, load: loadOf(theirs, await sample(version, theirs), world) },
    ])
    return { version, measured: { gatehouse, bare, ratio: gatehouse.requestsPerSecond / bare.requestsPerSecond } }
  } finally {
    await peer.stop()
  }
}

/** One Gatehouse, with or without Redis, and the rows that want it so. */
async function measureRows(rows, { redisUrl, config, generator, placement, options, note }) {
  if (rows.length === 0) return
  if (redisUrl === null) delete process.env.REDIS_URL
  else process.env.REDIS_URL = redisUrl
  const { api, stop } = await startGatehouse(placement.server)
  const connection = { connectionString: databaseUrlOf(config.databaseUrl) }
  const document = await api.json('/openapi.json')
  const world = { api, users: 0, bcryptCost: config.bcryptCost, connections: options.connections, seconds: options.seconds }
  const stores = { connection, poolMax: config.databasePoolMax, redisUrl }
  for (const row of rows) {
    say(`measuring ${row.name}`)
    try {
      const { version, measured } = await measureRow(row, { world, document, generator, placement, rounds: options.rounds, stores })
      note({ name: row.name, label: row.label, target: row.target, version, measured, failure: null })
    } catch (error) {
      interrupted.signal.throwIfAborted()
      note({ name: row.name, label: row.label, target: row.target, version: null, measured: null, failure: error.message })
    }
  }
  await dropSchema(connection)
  await stop()
}

function writeJson(file, content) {
  mkdirSync(dirname(resolve(file)), { recursive: true })
  writeFileSync(resolve(file), `${JSON.stringify({ at: new Date().toISOString(), ...content }, null, 2)}\n`)
}

async function main() {
  const options = readOptions(process.argv.slice(2), process.env)
  if (options.command !== 'bench') throw new Error(USAGE)
  const chosen = chosenOf(options.only)
  const redisUrl = await findRedis(process.env.REDIS_URL)
  delete process.env.REDIS_URL
  const config = benchConfig(process.env)
  const placement = choosePlacement(options.pin, config.databaseUrl === null)
  const seeded = await ensureSeeded(0, 0, say)
  const redis = redisUrl === null ? 'no Redis' : `Redis at ${new URL(redisUrl).host}, where a row says so`
  const where = placement.text.replace('Gatehouse shares it with its', 'Gatehouse and the peers share it with the')
  const machine = describeMachine(where, seeded.database.replace(DATA_FOLDER, 'bench/data'), redis)
  say(`${factsOf(machine)}\n`)

  const rows = []
  const generator = startChild('generator.js', placement.generator, process.env, { ipc: true })
  const common = { config, generator, placement, options, note: (row) => rows.push(row) }
  await measureRows(chosen.filter(({ needsRedis }) => !needsRedis), { ...common, redisUrl: null })
  const onRedis = chosen.filter(({ needsRedis }) => needsRedis)
  if (redisUrl !== null) await measureRows(onRedis, { ...common, redisUrl })
  await generator.stop()

  const versions = [...new Set(rows.flatMap(({ version }) => version ?? []))]
  const { seconds, rounds, connections } = options
  const facts = `${factsOf(machine)}\npeers:     ${versions.join('; ')}\nmeasured:  ${rounds} rounds of ${seconds} s, ${connections} connections, medians`
  console.log(`\n${facts}\n\n${tableOf(rows, { ...SCENARIO_HEADS, other: 'peer req/s' })}`)
  if (redisUrl === null) for (const { name } of onRedis) console.error(`\nskipped ${name}: no Redis at 127.0.0.1:6379, and REDIS_URL is not set`)
  for (const { name, failure } of rows) if (failure !== null) console.error(`\nFAILED ${name}: ${failure}`)
  if (options.jsonFile !== null) {
    const plain = rows.map(({ measured, ...row }) => {
      const { gatehouse = null, bare: peer = null, ratio = null } = measured ?? {}
      return { ...row, gatehouse, peer, ratio }
    })
    writeJson(options.jsonFile, { machine, settings: { seconds, rounds, connections }, rows: plain })
  }
  process.exitCode = rows.every(({ failure }) => failure === null) ? 0 : 1
}

for (const signal of ['SIGINT', 'SIGTERM']) {
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
