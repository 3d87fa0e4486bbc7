// Calendar quotas on one node: units are set aside in PostgreSQL in blocks, before any of them is spent, and spent here without
// asking. So a quota is never passed and never forgotten, whoever restarts when; a node that dies loses its block, which is no
// more than about a second of its own demand. What a node does not need goes back after two seconds, and when it stops.
import type { Clock } from '../../kernel/clock.js'
import type { Guarantee, LimitCharge, LimitState } from '../../shared-store/shared-store.js'
import { type Span, spanOf } from '../algorithms/calendar.js'
import { createDemand, type Demand, noteDemand } from '../stores/lease.js'
import type { QuotaCounterStore } from './quota-counter-store.js'

interface Block {
  /** among the blocks of this node */
  name: string
  key: string
  span: Span
  quota: number
  left: number
  /** of the whole quota, this block included, when PostgreSQL was last asked */
  used: number
  demand: Demand
  spentAtMs: number
  filling: boolean
  /** until then this cost is denied without asking */
  denied: { untilMs: number; cost: number } | null
}

/** A calendar charge whose units have been set aside; `release` returns them when the decision goes against it. */
export interface Hold {
  state: LimitState
  release: () => void
}

/** Denied: the state, and ms until the next period (Infinity: the cost is above the quota). */
export interface Refusal {
  state: LimitState
  retryAfterMs: number
}

export interface QuotaBlocks {
  /** From the block, at once; null when PostgreSQL must be asked. */
  holdHere: (charge: LimitCharge) => Hold | Refusal | null
  /** Rejects when PostgreSQL does not answer: a quota is never guessed. */
  hold: (charge: LimitCharge) => Promise<Hold | Refusal>
  look: (charge: LimitCharge) => Promise<Refusal>
  guarantee: (charge: LimitCharge) => Guarantee
  /** Gives back what has not been needed for a while, or everything. Never rejects. */
  giveBack: (all?: boolean) => Promise<void>
}

const PERIOD_MS = 1_000
const IDLE_MS = 2_000
const DENIED_MS = 100
const MAX_BLOCKS = 50_000

export function isHold(answer: Hold | Refusal): answer is Hold {
  return 'release' in answer
}

export function createQuotaBlocks({ store, clock, liveNodes }: { store: QuotaCounterStore; clock: Clock; liveNodes: () => number }): QuotaBlocks {
  const blocks = new Map<string, Block>()

  function blockOf({ key, period = 'day', quota }: LimitCharge): Block {
    const name = `${period}:${key}`
    const nowMs = clock.now()
    const known = blocks.get(name)
    if (known && nowMs >= known.span.startMs && nowMs < known.span.endMs) return known
    // a period that has ended needs nothing back
    const block = { name, key, span: spanOf(period, nowMs), quota, left: 0, used: 0, demand: createDemand(), spentAtMs: 0, filling: false, denied: null }
    if (known || blocks.size < MAX_BLOCKS) blocks.set(name, block)
    return block
  }

  function stateOf({ used, left, span }: Block, quota: number): LimitState {
    return { remaining: Math.max(0, quota - used + left), resetMs: Math.max(0, span.endMs - clock.now()) }
  }

  function refused(block: Block, { cost, quota }: LimitCharge): Refusal {
    const state = stateOf(block, quota)
    return { state, retryAfterMs: cost > quota ? Infinity : Math.max(1, state.resetMs) }
  }

  /**
   * Units that are not spent: the block's again, or the quota's, when the block is kept no more or counts another quota by now
   * (what was set aside under one quota says nothing about another).
   */
  function putBack(block: Block, units: number, quota: number): void {
    block.left += units
    if (blocks.get(block.name) !== block || block.quota !== quota) returnAll(block).catch(() => undefined)
  }

  function held(block: Block, { cost, quota }: LimitCharge): Hold {
    block.spentAtMs = clock.monotonic()
    return { state: stateOf(block, quota), release: () => putBack(block, cost, quota) }
  }

  async function returnAll(block: Block): Promise<void> {
    const units = block.left
    if (units === 0) return
    block.left = 0
    await store.giveBack(block.key, block.span, units)
    block.used -= units
  }

  function holdHere(charge: LimitCharge): Hold | Refusal | null {
    const { cost, quota } = charge
    const block = blockOf(charge)
    const now = clock.monotonic()
    noteDemand(block.demand, now, cost, PERIOD_MS)
    if (block.quota !== quota) return null
    if (block.left >= cost) {
      block.left -= cost
      return held(block, charge)
    }
    return block.denied && now < block.denied.untilMs && cost >= block.denied.cost ? refused(block, charge) : null
  }

  async function hold(charge: LimitCharge): Promise<Hold | Refusal> {
    const { cost, quota } = charge
    const block = blockOf(charge)
    if (block.quota !== quota) {
      block.quota = quota
      block.denied = null
      await returnAll(block)
    }
    // meanwhile somebody may have come with yet another quota: what the block holds now is theirs
    const own = block.quota === quota ? Math.min(block.left, cost) : 0
    block.left -= own
    const { current, before } = block.demand
    const extra = block.filling ? 0 : Math.max(current, before)
    block.filling ||= extra > 0
    try {
      const got = await store.reserve(block.key, block.span, { cost: cost - own, extra, quota, nodes: Math.max(1, liveNodes()) })
      if (got) {
        block.used = got.used
        putBack(block, got.granted - (cost - own), quota)
        return held(block, charge)
      }
      block.used = await store.used(block.key, block.span)
      putBack(block, own, quota)
      if (block.quota === quota) block.denied = { untilMs: clock.monotonic() + DENIED_MS, cost }
      return refused(block, charge)
    } catch (error) {
      putBack(block, own, quota)
      throw error
    } finally {
      if (extra > 0) block.filling = false
    }
  }

  return {
    holdHere,
    hold,
    async look(charge) {
      const { cost, quota } = charge
      const block = blockOf(charge)
      const used = await store.used(block.key, block.span)
      const state = { remaining: Math.max(0, quota - used + block.left), resetMs: used === 0 ? 0 : Math.max(0, block.span.endMs - clock.now()) }
      return { state, retryAfterMs: cost <= state.remaining ? 0 : refused(block, charge).retryAfterMs }
    },
    guarantee({ quota }) {
      const nodes = Math.max(1, liveNodes())
      // the blocks of the others; of one node alone every unit is in reach
      return nodes === 1 ? { guarantee: 'exact', earlyBy: 0 } : { guarantee: 'leased', earlyBy: Math.floor(quota * (nodes - 1) / (2 * nodes)) }
    },
    async giveBack(all = false) {
      const now = clock.monotonic()
      const idle: Promise<void>[] = []
      for (const [name, block] of blocks) {
        if (block.filling || (!all && now - block.spentAtMs < IDLE_MS)) continue
        blocks.delete(name)
        if (clock.now() < block.span.endMs) idle.push(returnAll(block).catch(() => undefined))
      }
      await Promise.all(idle)
    },
  }
}
