// What must hold whatever fails, judged from answers and their times alone. Pure. A fault is counted only when it is certain:
// a decision fell somewhere between sending and receipt, and every doubt about where is decided in the program's favour.
import type { Answer, LimitedKey } from './protocol.js'

export interface Revocation {
  key: number
  /** when the answer to DELETE was here; null: no node would acknowledge it */
  acknowledgedMs: number | null
  /** what that answer promised */
  effectiveWithinMs: number
  /** the last answer that was no acknowledgement */
  refusal: string | null
}

export interface Lateness {
  /** of each acknowledged revocation: ms from the acknowledgement to the sending of the last request that was accepted; 0 when there was none */
  latestMs: number[]
  /** accepted although sent later than was promised */
  violations: { key: number; node: number; lateMs: number; promisedMs: number }[]
}

/** No key is accepted for a request sent later than its revocation's acknowledgement promised. */
export function latenessOf(revocations: readonly Revocation[], answers: readonly Answer[]): Lateness {
  const accepted = new Map<number, Answer[]>()
  for (const answer of answers) {
    if (answer.code === 'valid') accepted.set(answer.key, [...accepted.get(answer.key) ?? [], answer])
  }
  const violations: Lateness['violations'] = []
  const latestMs = revocations.flatMap(({ key, acknowledgedMs, effectiveWithinMs }) => {
    if (acknowledgedMs === null) return []
    let latest = 0
    for (const { node, sentMs } of accepted.get(key) ?? []) {
      const lateMs = sentMs - acknowledgedMs
      latest = Math.max(latest, lateMs)
      if (lateMs > effectiveWithinMs) violations.push({ key, node, lateMs, promisedMs: effectiveWithinMs })
    }
    return [latest]
  })
  return { latestMs, violations }
}

/** the program counts in whole ms, rounded down: two of its times may lie this much closer than they say */
const RESOLUTION_MS = 1

export interface Excess {
  key: number
  algorithm: LimitedKey['algorithm']
  quota: number
  windowMs: number
  /** stretches of time that begin with an admission and certainly hold more than the limit allows in them */
  windows: number
  /** the most that one of them certainly holds above that, and where it begins and ends */
  above: number
  fromMs: number
  toMs: number
}

/** How much a stretch that begins with an admission may hold, and which stretches are to be looked at. */
function ruleOf({ algorithm, quota, windowMs, burst = quota }: LimitedKey): { lastsMs: number; allowed: (ms: number) => number } {
  if (algorithm === 'gcra') return { lastsMs: Infinity, allowed: (ms) => burst + (ms + RESOLUTION_MS) * quota / windowMs }
  return { lastsMs: algorithm === 'window' ? windowMs - RESOLUTION_MS : Infinity, allowed: () => quota }
}

/**
 * No true window holds more admissions than its quota, no stretch more than a burst and what the rate gives meanwhile, no period
 * more than its quota: all that was sent and answered inside a stretch was admitted inside it.
 */
export function excessOf(limited: readonly LimitedKey[], firstKey: number, answers: readonly Answer[]): Excess[] {
  return limited.flatMap((limit, at) => {
    const { algorithm, quota, windowMs } = limit
    const { lastsMs, allowed } = ruleOf(limit)
    const key = firstKey + at
    const admitted = answers.filter((answer) => answer.key === key && answer.code === 'valid').toSorted((a, b) => a.receivedMs - b.receivedMs)
    const found: Excess = { key, algorithm, quota, windowMs, windows: 0, above: 0, fromMs: 0, toMs: 0 }
    for (const { sentMs: fromMs } of admitted) {
      let [held, above, toMs] = [0, 0, 0]
      for (const { sentMs, receivedMs } of admitted) {
        if (sentMs < fromMs) continue
        if (receivedMs >= fromMs + lastsMs) break
        held += 1
        if (held - allowed(receivedMs - fromMs) <= above) continue
        above = held - allowed(receivedMs - fromMs)
        toMs = receivedMs
      }
      if (above > 0) found.windows += 1
      if (above > found.above) Object.assign(found, { above, fromMs, toMs })
    }
    return found.windows > 0 ? [found] : []
  })
}

/** Answered decisions about known keys, which the ledger must hold; and questions that may have been decided though no answer came. */
export interface Counted {
  answered: number
  uncertain: number
}

const DECIDED = new Set(['valid', 'revoked', 'expired', 'owner_suspended', 'forbidden', 'rate_limited'])
// the node was not there, or said that it decided nothing
const UNDECIDED = new Set(['ECONNREFUSED', 'not_found', 'database.unavailable', 'server.busy'])

export function countedOf(answers: readonly Answer[]): Counted {
  let answered = 0
  let uncertain = 0
  for (const { status, code } of answers) {
    if (status === 200 && DECIDED.has(code)) answered += 1
    else if (!UNDECIDED.has(code)) uncertain += 1
  }
  return { answered, uncertain }
}

export function percentileOf(values: readonly number[], part: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * part) - 1)] ?? 0
}

export function latenciesOf(answers: readonly Answer[], fromMs: number, toMs: number): number[] {
  return answers.filter(({ sentMs }) => sentMs >= fromMs && sentMs < toMs).map(({ sentMs, receivedMs }) => receivedMs - sentMs)
}
