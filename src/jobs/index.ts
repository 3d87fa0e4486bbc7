// Work that is done again and again while the program runs: the only place where it is timed. A feature says what, how often and
// with which other work it must not meet; a slow database never collects repetitions, and a failure never ends them.
import { systemTimer, type Every } from '../kernel/timers.js'

export interface Job {
  /** what is done, as the log puts it when it fails: "deleting old usage" */
  name: string
  everyMs: number
  work: () => Promise<unknown>
  /** jobs of one lane never run at the same time */
  lane?: string
}

export interface Jobs {
  /** Begins. The function it returns ends it, and resolves when what runs is through. */
  add: (job: Job) => () => Promise<void>
  /** Does the work of every job of this name now, whatever its time. Throws what the work throws, or when there is no such job. */
  run: (name: string) => Promise<void>
}

export interface JobsDeps {
  log: { error: (details: object, message: string) => void }
  every?: Every
}

export function createJobs({ log, every = systemTimer }: JobsDeps): Jobs {
  const jobs = new Set<Job>()
  const lanes = new Map<string, Promise<void>>()

  /** After all that waits in the job's lane. */
  function inLane({ lane, work }: Job): Promise<void> {
    const before = (lane === undefined ? undefined : lanes.get(lane)) ?? Promise.resolve()
    const done = before.then(work).then(() => undefined)
    if (lane !== undefined) lanes.set(lane, done.catch(() => undefined))
    return done
  }

  return {
    add(job) {
      jobs.add(job)
      let running: Promise<void> | null = null
      const stop = every(job.everyMs, () => {
        running ??= inLane(job)
          .catch((error: unknown) => log.error({ err: error }, `${job.name} failed; it is tried again`))
          .finally(() => { running = null })
      })
      return async () => {
        stop()
        jobs.delete(job)
        await running
      }
    },
    async run(name) {
      const named = [...jobs].filter((job) => job.name === name)
      if (named.length === 0) throw new Error(`There is no job "${name}"`)
      for (const job of named) await inLane(job)
    },
  }
}
