// What the fault test's processes say to each other over IPC, and the one clock they share. Plain data only.

export interface LimitedKey {
  key: string
  algorithm: 'window' | 'gcra' | 'calendar'
  quota: number
  /** of a calendar quota, which holds for longer than a scenario lasts: in which time it is to be used up */
  windowMs: number
  /** gcra only */
  burst?: number
}

/** Keys are known by their number: first those that will be revoked, in that order, then the limited ones. */
export interface Begin {
  kind: 'begin'
  origins: string[]
  /** of the API that asks; holds gatehouse:keys.verify */
  callerKey: string
  revocable: string[]
  limited: LimitedKey[]
  /** for the revocable keys; the limited ones come on top */
  ratePerSecond: number
}

/** The revocable key of this number is being revoked (`acknowledged: false`), or has been. */
export interface Revoked {
  kind: 'revoked'
  key: number
  acknowledged: boolean
}

/** Sends no more, waits for what is under way, answers with Results. */
export interface End {
  kind: 'end'
}

export type Order = Begin | Revoked | End

/** One question and what came of it, on the machine's steady clock. */
export interface Answer {
  key: number
  node: number
  sentMs: number
  receivedMs: number
  /** HTTP status; 0 when no answer came */
  status: number
  /** the verification's code, the problem's, or the error of the connection */
  code: string
}

export interface Results {
  answers: Answer[]
  /** questions not asked because too many were waiting for that node */
  skipped: number
}

/** Milliseconds on a clock that never goes back and is the same for all processes of this machine. */
export function steadyMs(): number {
  return Number(process.hrtime.bigint() / 1_000n) / 1_000
}
