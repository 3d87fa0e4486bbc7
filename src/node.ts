// A process that answers: database, migrations, server; and the way back on SIGTERM, SIGINT or a fault. What cannot start says so in one
// line on stderr, and nothing else. Where stdout is no terminal, it gets JSON lines and nothing else.
import { hostname } from 'node:os'
import { setTimeout as delay } from 'node:timers/promises'
import closeWithGrace from 'close-with-grace'
import type { FastifyInstance } from 'fastify'
import { pino } from 'pino'
import { type BannerFacts, banner as bannerText, startFields } from './banner.js'
import type { Config } from './config.js'
import { type OpenDatabase, openDatabase } from './database/open.js'
import { programVersion } from './database/migrate.js'
import { randomBase62 } from './kernel/ids.js'
import { exitLineOf, InsideListenError } from './start-failure.js'
import { isFirstWorker, isWorker, onSupervisor, tellSupervisor } from './workers/messages.js'

const isTerminal = process.stdout.isTTY
const CLOSE_MAX_MS = 9_500
const REQUESTS_MAX_MS = 4_000
const HAND_OVER_MAX_S = 5
/** A worker that was asked to leave has ended by then, unless it hangs. */
export const LEAVE_MAX_MS = HAND_OVER_MAX_S * 1_000 + CLOSE_MAX_MS + 500
// npm passes a Ctrl-C on to a process that has had it from the terminal already: the echo is not a second wish
const ECHO_MS = 1_000

type Undo = () => Promise<void>

/** For a person, or as one line of a log, whatever LOG_LEVEL is: who waits for it must see it. */
function banner(facts: BannerFacts): string {
  if (isTerminal) return bannerText(facts)
  return JSON.stringify({ level: 30, time: Date.now(), pid: process.pid, hostname: hostname(), ...startFields(facts), msg: 'Gatehouse listens' })
}

/** Lets balancers see that this node is leaving, while it answers on: for so long, or until `hurry`. */
async function stepAside(app: FastifyInstance, { drainSeconds }: Config, hurry: AbortSignal): Promise<void> {
  app.answers.drain()
  app.log.info({ drainSeconds }, 'draining')
  await delay(drainSeconds * 1_000, undefined, { signal: hurry }).catch(() => undefined)
}

/** Its connections end with their next answer, and are made anew to the node's other processes; nobody is told to go elsewhere. */
async function handOver(app: FastifyInstance, { drainSeconds }: Config, hurry: AbortSignal): Promise<void> {
  app.answers.leave()
  await delay(Math.min(drainSeconds, HAND_OVER_MAX_S) * 1_000, undefined, { signal: hurry }).catch(() => undefined)
}

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
    version: programVersion(), publicOrigin: app.publicOrigin(), localOrigin, inside, database: database.description, redisUrl: config.redisUrl, sharedStore: app.sharedStore.state(), reason: app.sharedStore.reason(), setup,
  }))
}

/** Brings everything up; what has to be taken down again is pushed on `undo` as soon as it stands. */
async function start(config: Config, undo: Undo[], calledOff: AbortSignal): Promise<FastifyInstance> {
  const early = pino({ level: config.logLevel })
  const progress = { log: (message: string): void => (isTerminal ? console.error(message) : early.warn(message)) }
  const opening = openDatabase(config, (message) => progress.log(message), calledOff)
  // a third of the time of a start, spent while the database starts
  const loading = import('./app.js')
  loading.catch(() => undefined)
  const database = await opening
  undo.push(() => database.close())
  const { buildApp } = await loading
  const app = await buildApp({ config, database: database.database, secret: database.secret })
  undo.push(() => drain(app))
  progress.log = (message) => app.log.warn(message)
  await app.ready()
  if (config.admin) await app.setup.bootstrapAdmin(config.admin)
  // the inside first: who is told by the public port that this node is ready may ask at both
  const inside = await app.inside.listen(config.inside).catch((cause: unknown) => {
    throw new InsideListenError('The inside listener could not be opened', { cause })
  })
  await app.listen({ host: config.host, port: config.port })
  // what one process of a node has said, the others need not repeat
  if (!isWorker() || isFirstWorker()) await announce(app, config, database, inside)
  tellSupervisor({ gatehouse: 'up' })
  return app
}

/** Runs until a signal, a fault or the supervisor ends it. */
export async function runNode(config: Config): Promise<void> {
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
  let isClosing = false
  let started: FastifyInstance | null = null
  const hurry = new AbortController()
  const stop = async (signal: NodeJS.Signals | 'leave'): Promise<void> => {
    // whoever sits at the terminal does not wait; a supervisor's SIGTERM comes while a balancer still sends requests
    if (signal === 'SIGTERM' && started && config.drainSeconds > 0) await stepAside(started, config, hurry.signal)
    if (signal === 'leave' && started) await handOver(started, config, hurry.signal)
    isClosing = true
    closing.close()
  }
  // a supervisor's SIGHUP replaces its workers; one that reaches them by the terminal as well is not meant for them
  for (const signal of ['SIGINT', 'SIGTERM', ...(isWorker() ? [] : ['SIGHUP' as const])] as const) {
    process.on(signal, () => {
      callOff.abort()
      const now = performance.now()
      const isFirst = asked === -Infinity
      if (!isFirst && now - asked <= ECHO_MS) return
      asked = now
      if (isFirst) void stop(signal)
      else if (isClosing) process.exit(1)
      else hurry.abort()
    })
  }
  onSupervisor(({ gatehouse }) => {
    if (gatehouse !== 'leave' || asked !== -Infinity) return
    asked = performance.now()
    void stop('leave')
  })
  if (isWorker()) process.on('SIGHUP', () => undefined)
  try {
    started = await starting
  } catch (error) {
    if (asked !== -Infinity) return
    closing.uninstall()
    console.error(exitLineOf(error, config) ?? error)
    for (const step of undo.toReversed()) await step().catch(() => {})
    process.exit(1)
  }
}
