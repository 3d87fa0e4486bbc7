// All limits of a decision, whatever keeps them: calendar quotas in blocks from PostgreSQL, the rest where the shared store counts.
// Calendar units are set aside first and returned when anything else denies, so a decision still charges all limits or none.
import type { LimitCharge, LimitDecision, LimitState, LimitStore } from '../../shared-store/shared-store.js'
import { type Hold, isHold, type QuotaBlocks, type Refusal } from './quota-blocks.js'

type Answer = Hold | Refusal

const isCalendar = ({ algorithm }: LimitCharge): boolean => algorithm === 'calendar'

/** States in the order of the charges. */
function inOrder(charges: readonly LimitCharge[], calendar: readonly LimitState[], counted: readonly LimitState[]): LimitState[] {
  let [a, b] = [0, 0]
  return charges.map((charge) => {
    const state = isCalendar(charge) ? calendar[a++] : counted[b++]
    return state ?? { remaining: 0, resetMs: 0 }
  })
}

function combine(charges: readonly LimitCharge[], holds: readonly Answer[], decision: LimitDecision, denied: boolean): LimitDecision {
  const states = inOrder(charges, holds.map(({ state }) => state), decision.states)
  if (!denied && decision.allowed) return { allowed: true, states, retryAfterMs: 0 }
  const waits = holds.map((one) => (isHold(one) ? 0 : one.retryAfterMs))
  return { allowed: false, states, retryAfterMs: Math.max(decision.retryAfterMs, ...waits) }
}

/** Shows the units of released holds as left again. */
function release(charges: readonly LimitCharge[], holds: readonly Answer[]): void {
  holds.forEach((one, at) => {
    if (!isHold(one)) return
    one.release()
    one.state.remaining += charges[at]?.cost ?? 0
  })
}

/** Rejects only for a calendar quota whose block is used up while PostgreSQL does not answer. */
export function createQuotaLimitStore({ counters, blocks }: { counters: LimitStore; blocks: QuotaBlocks }): LimitStore {
  function finish(
    charges: readonly LimitCharge[], calendar: readonly LimitCharge[], holds: Hold[], rest: LimitCharge[],
  ): LimitDecision | Promise<LimitDecision> {
    const conclude = (decision: LimitDecision): LimitDecision => {
      if (!decision.allowed) release(calendar, holds)
      return combine(charges, holds, decision, false)
    }
    const decision = counters.take(rest)
    if (!(decision instanceof Promise)) return conclude(decision)
    return decision.then(conclude, (error: unknown) => {
      release(calendar, holds)
      throw error
    })
  }

  async function refuse(charges: readonly LimitCharge[], calendar: readonly LimitCharge[], answers: Answer[], rest: LimitCharge[]): Promise<LimitDecision> {
    release(calendar, answers)
    return combine(charges, answers, await counters.take(rest, true), true)
  }

  async function takeSlowly(charges: readonly LimitCharge[], calendar: LimitCharge[], first: Answer[], rest: LimitCharge[]): Promise<LimitDecision> {
    const answers = [...first]
    try {
      for (const charge of calendar.slice(first.length)) answers.push(await blocks.hold(charge))
    } catch (error) {
      release(calendar, answers)
      throw error
    }
    return answers.every(isHold) ? finish(charges, calendar, answers, rest) : refuse(charges, calendar, answers, rest)
  }

  async function look(charges: readonly LimitCharge[]): Promise<LimitDecision> {
    const looks = await Promise.all(charges.filter(isCalendar).map((charge) => blocks.look(charge)))
    const decision = await counters.take(charges.filter((charge) => !isCalendar(charge)), true)
    return combine(charges, looks, decision, looks.some(({ retryAfterMs }) => retryAfterMs > 0))
  }

  return {
    take(charges, dryRun = false) {
      if (!charges.some(isCalendar)) return counters.take(charges, dryRun)
      if (dryRun) return look(charges)
      const calendar = charges.filter(isCalendar)
      const rest = charges.filter((charge) => !isCalendar(charge))
      const answers: Answer[] = []
      for (const charge of calendar) {
        const answer = blocks.holdHere(charge)
        if (!answer) return takeSlowly(charges, calendar, answers, rest)
        answers.push(answer)
      }
      return answers.every(isHold) ? finish(charges, calendar, answers, rest) : refuse(charges, calendar, answers, rest)
    },
    guarantee: (charge) => (isCalendar(charge) ? blocks.guarantee(charge) : counters.guarantee(charge)),
  }
}
