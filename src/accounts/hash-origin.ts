// On whose account a hash is worked out: the lane it waits in, and the names it is counted under. Pure.
import type { Caller } from '../kernel/principal.js'
import { countedAddress, countedNetwork } from '../kernel/address.js'
import type { HashOrigin } from './hash-queue.js'

// a /48 may hold many households: one that floods from many of its /56 is still slowed
const NETWORK_SHARE = 16
// right sign-ins go before those who want a new account
const NEW_PASSWORD_LATER_MS = 5_000

/** The origin of a password that is to be checked. `knownUserId`: the account whose known device asks. `guessed`: the account that is tried. */
export function checkOrigin({ principal, address }: Caller, { knownUserId, guessed }: { knownUserId?: string | undefined; guessed?: string } = {}): HashOrigin {
  if (principal) return { lane: 'signed_in', names: [{ name: `user:${principal.id}` }] }
  if (knownUserId !== undefined) return { lane: 'device', names: [{ name: `user:${knownUserId}` }] }
  const network = countedNetwork(address)
  const from = [{ name: `address:${countedAddress(address)}` }, ...(network === null ? [] : [{ name: `network:${network}`, share: NETWORK_SHARE }])]
  // a flood of guesses at one account from many addresses waits behind those who try another
  return { lane: 'stranger', names: guessed === undefined ? from : [...from, { name: `guessed:${guessed}` }] }
}

/** The origin of a new password. */
export function newOrigin(caller: Caller): HashOrigin {
  const origin = checkOrigin(caller)
  return origin.lane === 'stranger' ? { ...origin, laterMs: NEW_PASSWORD_LATER_MS } : origin
}
