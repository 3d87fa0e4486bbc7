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

/**
 * One limit to be charged. `window` (the default): at most `quota` in any `windowMs`. `gcra`: at most `burst` (default: quota) at
 * once, refilled at quota per windowMs. `calendar`: at most `quota` in an hour, day or month (`period`) of UTC; windowMs does not matter.
 * Limits with the same key share one counter. `strict`: never above the quota on all nodes together, also while this node has lost
 * Redis and others may not: then nothing is let through for a window. Without it a node goes on with its share at once.
 */
export interface LimitCharge {
  key: string
  quota: number
  windowMs: number
  cost: number
  algorithm?: 'window' | 'gcra' | 'calendar'
  burst?: number
  period?: 'hour' | 'day' | 'month'
  strict?: boolean
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

/**
 * How a limit is kept. No kind ever admits more than the limit. `exact` refuses nothing that fits; `leased` may refuse up to
 * `earlyBy` units early, which other nodes hold or which are counted a little longer.
 */
export interface Guarantee {
  guarantee: 'exact' | 'leased'
  earlyBy: number
}

/** Charges all limits or none, atomically across nodes. A denied request is charged nothing. */
export interface LimitStore {
  /** Answers at once where no round trip is needed. With `dryRun`: what it would answer, and nothing is charged. */
  take: (charges: readonly LimitCharge[], dryRun?: boolean) => LimitDecision | Promise<LimitDecision>
  guarantee: (charge: LimitCharge) => Guarantee
}

export type SharedStoreState = 'memory' | 'up' | 'degraded'

export interface SharedStore {
  cache: Cache
  bus: Bus
  limits: LimitStore
  /** `memory` without REDIS_URL; `degraded` while Redis does not answer */
  state: () => SharedStoreState
  /** why it is degraded, in a fixed phrase; null when it is not, or nothing more is known */
  reason: () => string | null
  close: () => Promise<void>
}
