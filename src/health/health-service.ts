// Is this node ready for traffic? Each check runs at most once a second however often it is asked, and never hangs.
import type { Clock } from '../kernel/clock.js'

export type CheckState = 'ok' | 'degraded' | 'failed' | 'off'

export interface Readiness {
  /** `degraded` still serves; `failed` does not */
  status: 'ok' | 'degraded' | 'failed'
  checks: Record<string, CheckState>
}

export interface HealthService {
  readiness: () => Promise<Readiness>
}

const FRESH_MS = 1_000
const WAIT_MS = 1_500

async function bounded(check: () => Promise<CheckState>): Promise<CheckState> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<CheckState>((resolve) => {
    timer = setTimeout(resolve, WAIT_MS, 'failed')
  })
  // a check that throws has failed: that is its answer, and the dependency logs its own errors
  const answer = await Promise.race([check().catch((): CheckState => 'failed'), late])
  clearTimeout(timer)
  return answer
}

function worst(states: CheckState[]): Readiness['status'] {
  if (states.includes('failed')) return 'failed'
  return states.includes('degraded') ? 'degraded' : 'ok'
}

export function createHealthService({ checks, clock }: { checks: Record<string, () => Promise<CheckState>>; clock: Clock }): HealthService {
  let last: { at: number; answer: Promise<Readiness> } | undefined
  async function run(): Promise<Readiness> {
    const states = await Promise.all(Object.entries(checks).map(async ([name, check]) => [name, await bounded(check)] as const))
    return { status: worst(states.map(([, state]) => state)), checks: Object.fromEntries(states) }
  }
  return {
    readiness() {
      if (!last || clock.monotonic() - last.at >= FRESH_MS) last = { at: clock.monotonic(), answer: run() }
      return last.answer
    },
  }
}
