// How a node becomes a member of those that share limits through Redis, again and again: it finds out what Redis remembers, tells it
// what it does not know (what was let through alone; all of it, if Redis has forgotten), and only then promises not to decide alone.
import { setImmediate as turn } from 'node:timers/promises'
import type { LimitCharge } from '../../shared-store/shared-store.js'
import { leasePlanOf } from './lease.js'
import type { Membership } from './membership.js'
import type { MemoryLimitStore } from './memory-limit-store.js'
import type { Ask, Granted } from './redis-limit-store.js'

export interface TellingOptions {
  local: MemoryLimitStore
  membership: Membership
  /** counts in Redis whatever is left; rejects when it could not */
  charge: (asks: readonly Ask[]) => Promise<Granted>
  /** Redis remembers something else than it did: no longer a member */
  forgotten: () => void
  /** has the other nodes look at Redis, too */
  alarm: () => void
}

export interface Telling {
  /** Looks at Redis, and tells it what it lacks, and all of the `named` counters. Rejects when that fails, and then it is to be tried again. */
  restore: (named: readonly LimitCharge[]) => Promise<void>
}

const CHARGES_A_SCRIPT = 100
const ROUNDS = 5

function asTold(charge: LimitCharge): Ask {
  const { windowMs, burst } = leasePlanOf(charge)
  return { charge, windowMs, burst, want: 0, refund: null }
}

export function createTelling({ local, membership, charge, forgotten, alarm }: TellingOptions): Telling {
  /** the memory of Redis that has been told everything */
  let home: string | null = null
  /** one that is to be given up: an old copy */
  let copy = ''

  async function report(owed: readonly LimitCharge[]): Promise<void> {
    for (let at = 0; at < owed.length; at += CHARGES_A_SCRIPT) {
      const chunk = owed.slice(at, at + CHARGES_A_SCRIPT)
      const sentAt = local.now()
      try {
        local.noteShared(chunk, await charge(chunk.map(asTold)), sentAt)
      } catch (error) {
        // what may have arrived all the same is counted twice then, never too little
        local.owe(owed.slice(at))
        throw error
      }
    }
  }

  /** What was let through while the rest was told, too. */
  async function reportRest(): Promise<void> {
    for (let round = 0; ; round += 1) {
      // no more of it, or it would never end
      if (round === ROUNDS) membership.quiet()
      const owed = local.owed('untold')
      if (owed.length === 0) return
      // only one that is alone goes on, and it knows by itself what it let through
      if (round > ROUNDS) return local.owe(owed)
      await report(owed)
    }
  }

  return {
    async restore(named) {
      const before = membership.lastEpoch()
      let epoch = await membership.hello(copy)
      if (before !== null && epoch.id === before.id && epoch.seq <= before.seq) {
        copy = epoch.id
        epoch = await membership.hello(copy)
      }
      copy = ''
      const isNew = epoch.id !== home
      if (isNew) {
        forgotten()
        if (home !== null && epoch.id !== before?.id) alarm()
        // what it answered before it was asked who it is has been counted here first
        await turn()
      }
      if (membership.isMember() && named.length === 0) return
      await report(local.owed(isNew ? 'all' : named))
      await reportRest()
      await membership.join()
      home = epoch.id
    },
  }
}
