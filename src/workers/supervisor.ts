// One node of several processes: the supervisor opens no database and answers no request. It starts the workers, puts new ones into the place
// of those that die, and replaces them one by one on SIGHUP. Each worker is the whole program, and a node of its own to the others.
import cluster, { type Worker } from 'node:cluster'
import { systemClock } from '../kernel/clock.js'
import { after, sleep } from '../kernel/timers.js'
import { isMessage, type Message } from './messages.js'
import { answerForAll } from './numbers.js'

export interface SupervisorOptions {
  count: number
  /** the program, as a file */
  program: string
  /** a worker that was asked to leave and is still there after so long hangs, and is killed */
  leaveMs: number
  log: { info: (details: object, message: string) => void; warn: (details: object, message: string) => void; error: (details: object, message: string) => void }
}

const FIRST_WAIT_MS = 1_000
const LONGEST_WAIT_MS = 30_000
// one that lived for so long has died of something else than its start
const LIVED_MS = 60_000

const workers = (): Worker[] => Object.values(cluster.workers ?? {}).filter((worker) => worker !== undefined)

/** Resolves with the exit status, when all have ended: 0 after a signal, or that of the first worker when it could not start. */
export function supervise({ count, program, leaveMs, log }: SupervisorOptions): Promise<number> {
  // each takes connections from the kernel itself. Handed out by the supervisor, one that is on its way to a worker that stands still or dies
  // would be nobody's for ever, and its client would wait as long
  cluster.schedulingPolicy = cluster.SCHED_NONE
  cluster.setupPrimary({ exec: program, execArgv: [...process.execArgv.filter((argument) => argument !== '--enable-source-maps'), '--enable-source-maps'], args: [] })
  answerForAll()
  const leaving = new WeakSet<Worker>()
  let isEnding = false
  let isRolling = false
  let deaths = 0
  let status = 0

  /** Resolves when it listens, or with false when it has ended before. */
  function begin(): Promise<{ worker: Worker; isUp: boolean }> {
    const worker = cluster.fork()
    const bornAt = systemClock.monotonic()
    return new Promise((resolve) => {
      let isUp = false
      // what was said to one that has just died; its end is told of as well
      worker.on('error', (error: Error) => log.warn({ worker: worker.process.pid, reason: error.message }, 'a worker could not be told'))
      worker.on('message', (message: unknown) => {
        if (!isMessage(message) || message.gatehouse !== 'up') return
        isUp = true
        log.info({ worker: worker.process.pid }, 'a worker listens')
        resolve({ worker, isUp })
      })
      worker.once('exit', (code: number | null, signal: string | null) => {
        resolve({ worker, isUp })
        if (!leaving.has(worker) && isUp && !isEnding) replace(worker, code, signal, systemClock.monotonic() - bornAt)
      })
    })
  }

  function replace(worker: Worker, code: number | null, signal: string | null, livedMs: number): void {
    deaths = livedMs >= LIVED_MS ? 0 : deaths + 1
    const waitMs = deaths === 0 ? 0 : Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** (deaths - 1))
    log.error({ worker: worker.process.pid, code, signal, waitMs }, 'a worker has died; another takes its place')
    void revive(waitMs)
  }

  /** One more worker, for as long as it takes. */
  async function revive(waitMs: number): Promise<void> {
    await sleep(waitMs)
    if (isEnding || (await begin()).isUp || isEnding) return
    log.error({ waitMs: LONGEST_WAIT_MS }, 'a worker could not start; it is tried again')
    await revive(LONGEST_WAIT_MS)
  }

  /** New ones first: a node that is replaced is never without as many as it had. */
  async function roll(): Promise<void> {
    if (isRolling || isEnding) return
    isRolling = true
    for (const old of workers()) {
      if (old.isDead()) continue // another is on its way already
      // from here on the new one is in its place, whatever becomes of it
      leaving.add(old)
      const { isUp } = await begin()
      if (!isUp) {
        log.error({ worker: old.process.pid }, 'the new worker could not start: the old ones stay')
        leaving.delete(old)
        if (old.isDead()) void revive(FIRST_WAIT_MS)
        break
      }
      if (old.isDead()) continue
      const ended = new Promise((resolve) => void old.once('exit', resolve))
      const cancel = after(leaveMs, () => {
        log.warn({ worker: old.process.pid }, 'a worker does not leave, and is killed')
        old.process.kill('SIGKILL')
      })
      old.send({ gatehouse: 'leave' } satisfies Message)
      await ended
      cancel()
    }
    isRolling = false
    log.info({ workers: workers().map(({ process: { pid } }) => pid) }, 'the workers were replaced')
  }

  /** The first alone: it migrates, and says what keeps it from starting, once. */
  async function beginAll(finish: () => void): Promise<void> {
    const { worker, isUp } = await begin()
    if (isUp) {
      for (let n = 1; n < count; n += 1) void revive(0)
      return
    }
    isEnding = true
    status = worker.process.exitCode ?? 1
    finish()
  }

  return new Promise((resolve) => {
    const finish = (): void => {
      if (workers().length === 0) resolve(status)
    }
    function end(signal: NodeJS.Signals): void {
      isEnding = true
      for (const worker of workers()) worker.process.kill(signal)
      finish()
    }
    process.on('SIGHUP', () => void roll())
    process.on('SIGTERM', end)
    process.on('SIGINT', end)
    cluster.on('exit', () => {
      if (isEnding) finish()
    })
    void beginAll(finish)
  })
}
