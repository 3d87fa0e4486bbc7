// Is it the owner's own device that signs in? By a token that an earlier sign-in gave it (a cookie, or `deviceToken`), or, weaker,
// by the address of a sign-in of the last thirty days. Neither proves who asks: a known device only waits in a lane of its own
// and is not held back by guesses that others made.
import { randomBytes } from 'node:crypto'
import type { Tx } from '../database/transaction.js'
import { countedAddress } from '../kernel/address.js'
import type { Clock } from '../kernel/clock.js'
import { newId } from '../kernel/ids.js'
import { sha256 } from '../kernel/secrets.js'
import { DEVICE_KEPT_SECONDS, type Recognised } from './device-rules.js'
import type { DeviceStore } from './device-store.js'

const ADDRESS_KNOWN_MS = 30 * 86_400_000
const MOST_DEVICES = 20
const FORM = /^gd_[A-Za-z0-9_-]{43}$/
// an e-mail without an account costs the same look-ups
const NOBODY = '00000000-0000-7000-8000-000000000000'

export interface DeviceService {
  /** How the account knows who asks to sign in to it; `accountId` null: there is none. */
  recognise: (accountId: string | null, address: string, deviceToken?: string) => Promise<Recognised>
  /** Remembers the device in the transaction of a sign-in, and gives its token: the one it came with, or a new one. */
  remember: (tx: Tx, userId: string, recognised: Recognised, deviceToken?: string) => Promise<string>
}

export function createDeviceService({ store, clock }: { store: DeviceStore; clock: Clock }): DeviceService {
  return {
    async recognise(accountId, address, deviceToken = '') {
      const userId = accountId ?? NOBODY
      const nowMs = clock.now()
      const device = FORM.test(deviceToken) ? await store.find(userId, sha256(deviceToken), new Date(nowMs)) : null
      if (device) return { by: 'device', id: device.id }
      const counted = countedAddress(address)
      const addresses = await store.listAddresses(userId, new Date(nowMs - ADDRESS_KNOWN_MS))
      return addresses.some((one) => countedAddress(one) === counted) ? { by: 'address' } : null
    },
    async remember(tx, userId, recognised, deviceToken) {
      const usedAt = new Date(clock.now())
      const expiresAt = new Date(clock.now() + DEVICE_KEPT_SECONDS * 1_000)
      if (recognised?.by === 'device' && deviceToken !== undefined && (await store.renew(tx, recognised.id, userId, usedAt, expiresAt))) return deviceToken
      const made = `gd_${randomBytes(32).toString('base64url')}`
      await store.insert(tx, { id: newId(), userId, secretHash: sha256(made), usedAt, expiresAt })
      await store.keepNewest(tx, userId, MOST_DEVICES)
      return made
    },
  }
}
