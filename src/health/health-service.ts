// Is this node ready for traffic? Each check runs at most once a second however often it is asked, and never hangs.
import { after } from '../kernel/timers.js'
import type { Clock } from '../kernel/clock.js'

export type CheckState = 'ok' | 'degraded' | 'failed' | 'off'

export interface Readiness {
  /** `degraded` still serves; `failed` does not */
  status: 'ok' | 'degraded' | 'failed'
  checks: Record<string, CheckState>
  /** why, in a few words for people, for each check that has more to say than its state */
  reasons?: Record<string, string>
}

/** A state, with what is wrong: a fixed phrase, never a host, a name or a secret. */
export interface CheckResult {
  state: CheckState
  reason?: string
}

export type Check = () => Promise<CheckState | CheckResult>

export interface HealthService {
  readiness: () => Promise<Readiness>
}

const FRESH_MS = 1_000
const WAIT_MS = 1_500

const SILENT: CheckResult = { state: 'failed', reason: 'does not answer' }

async function bounded(check: Check): Promise<CheckResult> {
  let cancel: (() => void) | undefined
  const late = new Promise<CheckResult>((resolve) => {
    cancel = after(WAIT_MS, () => resolve(SILENT))
  })
  // a check that throws has failed: that is its answer, and the dependency logs its own errors
  const answer = await Promise.race([check().catch(() => SILENT), late])
  cancel?.()
  return typeof answer === 'string' ? { state: answer } : answer
}

function worst(states: CheckState[]): Readiness['status'] {
  if (states.includes('failed')) return 'failed'
  return states.includes('degraded') ? 'degraded' : 'ok'
}

export function createHealthService({ checks, clock }: { checks: Record<string, Check>; clock: Clock }): HealthService {
  let last: { at: number; answer: Promise<Readiness> } | undefined
  async function run(): Promise<Readiness> {
    const results = await Promise.all(Object.entries(checks).map(async ([name, check]) => [name, await bounded(check)] as const))
    const states = results.map(([name, { state }]) => [name, state] as const)
    const reasons = results.flatMap(([name, { reason }]) => (reason === undefined ? [] : [[name, reason] as const]))
    return { status: worst(states.map(([, state]) => state)), checks: Object.fromEntries(states), ...(reasons.length > 0 ? { reasons: Object.fromEntries(reasons) } : {}) }
  }
  return {
    readiness() {
      if (!last || clock.monotonic() - last.at >= FRESH_MS) last = { at: clock.monotonic(), answer: run() }
      return last.answer
    },
  }
}
