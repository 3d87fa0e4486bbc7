// Is Redis there? A breaker opens at the first command that fails for the connection's sake, so that one request at most waits
// for its time-out; from then on commands are refused at once. A probe of our own, never a request, finds out when Redis is back.
import { circuitBreaker, CircuitState, ConsecutiveBreaker, handleWhen } from 'cockatiel'
import type { Clock } from '../kernel/clock.js'
import { after } from '../kernel/timers.js'
import { failureReason } from './failure-reason.js'

export interface StoreLog {
  info: (details: object, message: string) => void
  warn: (details: object, message: string) => void
}

export interface Guard {
  /** Runs a command. Rejects at once while Redis is lost, else as the command does. */
  run: <T>(command: () => Promise<T>) => Promise<T>
  isUp: () => boolean
  /** what the last probe, or the command that failed for Redis's sake, ran into; null when it went well */
  reason: () => string | null
  /** Probes now: something happened to the connection, or to what Redis remembers. Resolves when that is done; never rejects. */
  wake: () => Promise<void>
  stop: () => void
}

const PROBE_UP_MS = 1_000
const PROBE_LOST_MS = 250
// it may have been a hiccup, of Redis or of this process
const PROBE_FIRST_MS = 50
const COMPLAIN_EVERY_MS = 10_000
// errors of one command (a key of another type, say): the server answers, and the next command may well succeed
const OF_THE_COMMAND = /^(WRONGTYPE|NOSCRIPT|NOPERM|ERR)\b/
const OF_THE_SERVER = /\b(OOM|READONLY|MISCONF|MASTERDOWN|LOADING|CLUSTERDOWN)\b/

function isServerLost(error: unknown): boolean {
  const message = error instanceof Error ? error.message : ''
  // Redis 6 and older wrap what a script ran into: "ERR Error running script ...: -OOM command not allowed"
  return !OF_THE_COMMAND.test(message) || OF_THE_SERVER.test(message)
}

/** `probe` must do what the program does: read, write and run scripts. Closed (up) until the first failure. */
export function createGuard({ probe, onLost, clock, log }: { probe: () => Promise<unknown>; onLost?: () => void; clock: Clock; log: StoreLog }): Guard {
  // halfOpenAfter 0: only our probe ever runs while it is open, and the probe keeps its own pace
  const breaker = circuitBreaker(handleWhen(isServerLost), { breaker: new ConsecutiveBreaker(1), halfOpenAfter: 0 })
  const lost = new Error('Redis does not answer')
  let cancel: (() => void) | undefined
  let looking: Promise<void> | null = null
  let again = false
  let stopped = false
  let told = false
  let complainedAt = -Infinity
  let why: string | null = null

  const isUp = (): boolean => breaker.state === CircuitState.Closed
  breaker.onBreak((reason) => {
    onLost?.()
    why = failureReason('error' in reason ? reason.error : null)
    // every failed probe breaks it anew: an outage is told once
    if (!stopped && !told) log.warn({ reason: why }, 'Redis does not answer: this node goes on without it')
    schedule(told ? PROBE_LOST_MS : PROBE_FIRST_MS)
    told = true
  })
  breaker.onReset(() => {
    told = false
    why = null
    log.info({}, 'Redis answers again')
  })

  function schedule(ms: number): void {
    cancel?.()
    if (!stopped) cancel = after(ms, () => void look())
  }

  function complain(error: unknown): void {
    if (stopped || clock.monotonic() - complainedAt < COMPLAIN_EVERY_MS) return
    complainedAt = clock.monotonic()
    log.warn({ reason: failureReason(error) }, 'a Redis command failed')
  }

  async function probeNow(): Promise<void> {
    try {
      await breaker.execute(probe)
      why = null
    } catch (error) {
      why = failureReason(error)
      if (!isServerLost(error)) complain(error)
    } finally {
      looking = null
      const soon = again && isUp()
      again = false
      schedule(soon ? 0 : isUp() ? PROBE_UP_MS : PROBE_LOST_MS)
    }
  }
  /** One at a time. What happens during one calls for another. */
  async function look(): Promise<void> {
    if (stopped) return
    again ||= looking !== null
    await (looking ??= probeNow())
  }

  schedule(PROBE_UP_MS)
  return {
    isUp,
    reason: () => why,
    async run(command) {
      if (!isUp()) throw lost
      try {
        return await breaker.execute(command)
      } catch (error) {
        if (!isServerLost(error)) complain(error)
        throw error
      }
    },
    wake: look,
    stop() {
      stopped = true
      cancel?.()
    },
  }
}
