// Does queued work: takes what is due for as many as may run at once, and ends each piece as done, to be tried again, or given up.
// A queue that is slow or stuck keeps only its own places; a piece that outlives its time is another's, and its end here counts for nothing.
import { randomInt } from 'node:crypto'
import type { Transact, Tx } from '../database/transaction.js'
import type { Job } from '../jobs/index.js'
import type { Clock } from '../kernel/clock.js'
import { newId } from '../kernel/ids.js'
import type { Secrets } from '../kernel/secrets.js'
import { MOST_ATTEMPTS, waitMs } from './backoff-rules.js'
import type { QueueStore, TakenWork } from './queue-store.js'

/** The name of the job that looks for due work: a test runs it. */
export const QUEUED_WORK = 'doing queued work'
const EVERY_MS = 1_000
// a piece is its taker's for so long; what does it takes less (mail gives up after 30 s)
const TAKEN_MS = 60_000
const PURPOSE = 'queued-work'

/** Work that no further try would bring about: given up at once. */
export class Undoable extends Error {
  override readonly name = 'Undoable'
}

export interface Promised {
  queue: string
  /** JSON; kept encrypted */
  payload: object
  /** shown in the list of dead letters: never a secret */
  about?: Record<string, string>
}

export interface Item {
  /** the same at every try, for whoever must know a repetition */
  id: string
  payload: unknown
  /** 1 at the first try */
  attempt: number
  /** when it was promised */
  createdAt: Date
}

/** Who does the work of a queue. `inside`: in the transaction that forgets it, so it is done exactly once. `outside`: beyond the database, so at least once. */
export type Worker = { queue: string; atOnce: number } & (
  | { inside: (tx: Tx, item: Item) => Promise<void> }
  | { outside: (item: Item) => Promise<void> }
)

export interface QueueService {
  /** Who does what is promised to a queue; before anything is. Throws when there is one already. */
  workOn: (worker: Worker) => void
  /** Promises work in the transaction of what it belongs to; begun as soon as that has committed. Throws when nobody works on the queue. */
  promise: (tx: Tx, work: Promised) => Promise<string>
  /** Looks for due work now, rather than within a second; called after a commit. */
  wake: () => void
}

export interface QueueServiceDependencies {
  store: QueueStore
  transact: Transact
  afterCommit: (work: () => Promise<void>) => Promise<void>
  secrets: Secrets
  clock: Clock
  log: { warn: (details: object, message: string) => void }
}

type Outcome = 'done' | 'again' | 'given_up' | 'lost'

export interface Working {
  queue: QueueService
  job: Job
  counts: () => Iterable<readonly [{ queue: string; outcome: string }, number]>
  close: () => Promise<void>
}

export function createQueueService({ store, transact, afterCommit, secrets, clock, log }: QueueServiceDependencies): Working {
  const workers = new Map<string, Worker & { running: number }>()
  const counted = new Map<string, readonly [{ queue: string; outcome: Outcome }, number]>()
  const running = new Set<Promise<void>>()
  const now = (): Date => new Date(clock.now())
  let looking: Promise<void> | null = null
  let lookAgain = false
  let isClosing = false

  function count(queue: string, outcome: Outcome): void {
    const [labels, sum] = counted.get(`${queue} ${outcome}`) ?? [{ queue, outcome }, 0]
    counted.set(`${queue} ${outcome}`, [labels, sum + 1])
  }

  function read(work: TakenWork): Item {
    const { id, attempts: attempt, createdAt } = work
    try {
      return { id, payload: JSON.parse(secrets.decrypt(PURPOSE, id, work.payload)), attempt, createdAt }
    } catch (error) {
      throw new Undoable('It was made under a secret that is neither this nor the previous one', { cause: error })
    }
  }

  async function attempt(worker: Worker, work: TakenWork): Promise<Outcome> {
    // whoever took it before this died each time: what kills a node is not tried for ever
    if (work.attempts > MOST_ATTEMPTS) throw new Undoable(`Nobody came back from ${MOST_ATTEMPTS} tries`)
    const item = read(work)
    if ('outside' in worker) {
      await worker.outside(item)
      return (await store.finish(work)) ? 'done' : 'lost'
    }
    return transact(async (tx) => {
      if (!(await store.finish(work, tx))) return 'lost'
      await worker.inside(tx, item)
      return 'done'
    })
  }

  async function fail(work: TakenWork, error: unknown): Promise<Outcome> {
    const text = error instanceof Error ? error.message.slice(0, 500) : 'unknown'
    const { queue, id, attempts } = work
    if (error instanceof Undoable || attempts >= MOST_ATTEMPTS) {
      log.warn({ queue, id, attempts, reason: text }, 'queued work was given up: see GET /api/v1/dead-letters')
      await store.bury(work, text, now())
      return 'given_up'
    }
    const waitingMs = waitMs(attempts, randomInt(1_000) / 1_000)
    log.warn({ queue, id, attempts, waitingMs, reason: text }, 'queued work failed; it is tried again')
    await store.postpone(work, new Date(clock.now() + waitingMs))
    return 'again'
  }

  async function work(worker: Worker & { running: number }, taken: TakenWork): Promise<void> {
    worker.running += 1
    try {
      count(taken.queue, await attempt(worker, taken).catch((error: unknown) => fail(taken, error)))
    } catch (error) {
      // the database is away: the claim ends by itself, and whoever finds it then goes on
      log.warn({ err: error, queue: taken.queue, id: taken.id }, 'how queued work ended could not be written; it is tried again')
    } finally {
      worker.running -= 1
      queue.wake()
    }
  }

  async function look(): Promise<void> {
    const free = Object.fromEntries([...workers.values()].flatMap(({ queue: name, atOnce, running: busy }) => (busy < atOnce ? [[name, atOnce - busy]] : [])))
    if (isClosing || Object.keys(free).length === 0) return
    for (const taken of await store.take(free, now(), new Date(clock.now() + TAKEN_MS))) {
      const worker = workers.get(taken.queue)
      if (!worker) continue
      const done: Promise<void> = work(worker, taken).finally(() => running.delete(done))
      running.add(done)
    }
  }

  /** One look at a time; who asks while one is under way gets another after it. */
  function looked(): Promise<void> {
    if (looking) lookAgain = true
    looking ??= look().finally(() => {
      looking = null
      if (lookAgain) queue.wake()
      lookAgain = false
    })
    return looking
  }

  const isBusy = (): boolean => looking !== null || running.size > 0

  const queue: QueueService = {
    workOn(worker) {
      if (workers.has(worker.queue)) throw new Error(`Somebody works on the queue "${worker.queue}" already`)
      workers.set(worker.queue, { ...worker, running: 0 })
    },
    async promise(tx, { queue: name, payload, about = {} }) {
      if (!workers.has(name)) throw new Error(`Nobody works on the queue "${name}"`)
      const id = newId()
      await store.insert(tx, { id, queue: name, payload: secrets.encrypt(PURPOSE, id, JSON.stringify(payload)), about, at: now() })
      await afterCommit(async () => queue.wake())
      return id
    },
    wake() {
      if (!isClosing) looked().catch((error: unknown) => log.warn({ err: error }, 'due work could not be looked for; it is tried again'))
    },
  }

  return {
    queue,
    // ends when nothing that is due now is left undone by this node
    job: {
      name: QUEUED_WORK, everyMs: EVERY_MS,
      async work() {
        if (workers.size === 0) return
        await looked()
        while (isBusy()) {
          await looking
          await Promise.all(running)
        }
      },
    },
    counts: () => counted.values(),
    async close() {
      isClosing = true
      await looking?.catch(() => undefined)
      await Promise.all(running)
    },
  }
}
