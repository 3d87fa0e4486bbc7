// Whether somebody who is told of an organization may still be: asked again and again, of all who are told at the moment by one statement, and
// remembered for half a second.
import type { Clock } from '../kernel/clock.js'
import type { Caller, Principal } from '../kernel/principal.js'
import type { Standing, StandingService } from '../organizations/index.js'

const REMEMBERED_MS = 500

export interface StandingWatch {
  /**
   * Asks whether a credential is still good, and then whether its principal may see the organization, which `refuse` throws at when not. Without a promise where
   * both are at hand.
   */
  of: (caller: Caller, organizationId: string, admitted: () => Principal | Promise<Principal>) => () => Principal | Promise<Principal>
}

export interface StandingWatchDeps {
  standings: Pick<StandingService, 'standingsOf'>
  clock: Clock
  refuse: (principal: Principal, standing: Standing | null) => void
}

interface Asked {
  caller: Caller
  id: string
  resolve: (standing: Standing | null) => void
  reject: (error: unknown) => void
}

export function createStandingWatch({ standings, clock, refuse }: StandingWatchDeps): StandingWatch {
  let waiting: Asked[] = []

  async function askAll(): Promise<void> {
    const asked = waiting
    waiting = []
    try {
      const found = await standings.standingsOf(asked)
      for (const [at, { resolve }] of asked.entries()) resolve(found[at] ?? null)
    } catch (error) {
      for (const { reject } of asked) reject(error)
    }
  }

  /** With all others that ask in this turn of the loop. */
  const standingOf = (caller: Caller, id: string): Promise<Standing | null> => new Promise((resolve, reject) => {
    waiting.push({ caller, id, resolve, reject })
    if (waiting.length === 1) setImmediate(() => void askAll())
  })

  return {
    of(caller, organizationId, admitted) {
      let askedMs = -Infinity
      /** of which principal it was: another session, other permissions or another organization to act in are asked about anew */
      let askedOf: Principal | null = null

      function check(principal: Principal): Principal | Promise<Principal> {
        const now = clock.monotonic()
        if (principal === askedOf && now - askedMs < REMEMBERED_MS) return principal
        return standingOf({ ...caller, principal }, organizationId).then((standing) => {
          refuse(principal, standing)
          askedMs = now
          askedOf = principal
          return principal
        })
      }

      return () => {
        const found = admitted()
        return found instanceof Promise ? found.then(check) : check(found)
      }
    },
  }
}
