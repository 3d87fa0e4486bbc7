// The program: configuration, database, migrations, server; and the way back on SIGTERM, SIGINT or a fault. What cannot
// start says so in one line a mistake, and nothing else.
import closeWithGrace from 'close-with-grace'
import type { FastifyInstance } from 'fastify'
import { buildApp } from './app.js'
import { banner } from './banner.js'
import type { Config } from './config.js'
import { type OpenDatabase, openDatabase } from './database/open.js'
import { programVersion } from './database/migrate.js'
import { loadConfig } from './environment.js'
import { randomBase62 } from './kernel/ids.js'
import { exitLineOf, InsideListenError } from './start-failure.js'

const CLOSE_MAX_MS = 9_500
const REQUESTS_MAX_MS = 4_000
// npm passes a Ctrl-C on to a process that has had it from the terminal already: the echo is not a second wish
const ECHO_MS = 1_000

type Undo = () => Promise<void>

/** Stops accepting, lets requests in flight finish, and after 4 s cuts those that have not. */
async function drain(app: FastifyInstance): Promise<void> {
  const cut = setTimeout(() => {
    for (const server of [app.server, app.inside.server]) server.closeAllConnections()
  }, REQUESTS_MAX_MS)
  await app.close()
  clearTimeout(cut)
}

async function announce(app: FastifyInstance, config: Config, database: OpenDatabase, inside: string): Promise<void> {
  const address = app.server.address()
  const port = address !== null && typeof address === 'object' ? address.port : config.port
  const host = ['0.0.0.0', '::', '127.0.0.1', 'localhost'].includes(config.host) ? '127.0.0.1' : config.host
  const setup = await app.setup.isDone() ? null : { token: app.setup.token(), password: randomBase62(20) }
  const localOrigin = `http://${host.includes(':') ? `[${host}]` : host}:${port}`
  console.log(banner({
    version: programVersion(), publicOrigin: app.publicOrigin(), localOrigin, inside, database: database.description, redisUrl: config.redisUrl, fast: app.fast.state(), reason: app.fast.reason(), setup,
  }))
}

/** Brings everything up; what has to be taken down again is pushed on `undo` as soon as it stands. */
async function start(config: Config, undo: Undo[], calledOff: AbortSignal): Promise<void> {
  const told = { log: (message: string): void => console.error(message) }
  const database = await openDatabase(config, (message) => told.log(message), calledOff)
  undo.push(() => database.close())
  const app = await buildApp({ config, database: database.database, secret: database.secret })
  undo.push(() => drain(app))
  told.log = (message) => app.log.warn(message)
  await app.ready()
  if (config.admin) await app.setup.bootstrapAdmin(config.admin)
  // the inside first: who is told by the public port that this node is ready may ask at both
  const inside = await app.inside.listen(config.inside).catch((cause: unknown) => {
    throw new InsideListenError('The inside listener could not be opened', { cause })
  })
  await app.listen({ host: config.host, port: config.port })
  await announce(app, config, database, inside)
}

async function main(): Promise<void> {
  const outcome = loadConfig(process.env)
  for (const { name, message } of 'mistakes' in outcome ? outcome.mistakes : outcome.warnings) console.error(`${name} ${message}`)
  if ('mistakes' in outcome) process.exit(1)
  const { config } = outcome
  const undo: Undo[] = []
  const callOff = new AbortController()
  // in the next turn: the signals below are listened to before anything is begun
  const starting = Promise.resolve().then(() => start(config, undo, callOff.signal))
  const closing = closeWithGrace({ delay: CLOSE_MAX_MS, skip: ['SIGINT', 'SIGTERM', 'SIGHUP', 'beforeExit'] }, async ({ err }) => {
    if (err) console.error(err)
    // a signal during the start waits for it: whatever it brings up is taken down again
    await starting.catch(() => {})
    for (const step of undo.toReversed()) await step()
  })
  let asked = -Infinity
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      callOff.abort()
      const now = performance.now()
      if (asked === -Infinity) closing.close()
      else if (now - asked > ECHO_MS) process.exit(1)
      if (asked === -Infinity) asked = now
    })
  }
  try {
    await starting
  } catch (error) {
    if (asked !== -Infinity) return
    closing.uninstall()
    console.error(exitLineOf(error, config) ?? error)
    for (const step of undo.toReversed()) await step().catch(() => {})
    process.exit(1)
  }
}

await main()
