// What Gatehouse asks of a fast shared store. Two implementations: Redis (many nodes) and this process (one node), proven
// alike by one contract test. Losing what is kept here costs time or precision, never safety: nothing here makes a credential valid.

/** Copies with an end. A failing or lost store answers null and forgets writes; it never throws and never takes over 100 ms. */
export interface Cache {
  get: (key: string) => Promise<string | null>
  set: (key: string, value: string, ttlMs: number) => Promise<void>
  delete: (key: string) => Promise<void>
}

/** Messages to every node, this one included. At most once: a message may be lost, so nothing may depend on its arrival. */
export interface Bus {
  publish: (channel: string, message: string) => Promise<void>
  /** the listener stays until close */
  subscribe: (channel: string, listener: (message: string) => void) => Promise<void>
}

/** One limit to be charged: at most `quota` in any `windowMs`. Limits with the same key share one counter. */
export interface LimitCharge {
  key: string
  quota: number
  windowMs: number
  cost: number
}

/** What is left of a limit after the decision, and in how many ms it is whole again. */
export interface LimitState {
  remaining: number
  resetMs: number
}

export interface LimitDecision {
  allowed: boolean
  /** one for each charge, in order */
  states: LimitState[]
  /** 0 when allowed; else ms until the same charges could pass (Infinity when cost > quota) */
  retryAfterMs: number
}

/** Charges all limits or none, atomically across nodes. A denied request is charged nothing. */
export interface LimitStore {
  take: (charges: readonly LimitCharge[]) => Promise<LimitDecision>
}

export type FastState = 'memory' | 'up' | 'degraded'

export interface Fast {
  cache: Cache
  bus: Bus
  limits: LimitStore
  /** `memory` without REDIS_URL; `degraded` while Redis does not answer */
  state: () => FastState
  close: () => Promise<void>
}
