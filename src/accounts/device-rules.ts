// What a known device is, and whether one asks. Pure.
import { countedAddress } from '../kernel/address.js'
import { sha256 } from '../kernel/secrets.js'

/** `device`: its token is known, `id` is its. `session`: a session of the account asks. `address`: the account was signed in from there. */
export type Recognised = { by: 'device' | 'session'; id: string } | { by: 'address' } | null

/** What is known of whoever asks to sign in to an account. */
export interface Acquaintance {
  /** the account's device with the token that was sent */
  deviceId: string | null
  /** where the account was signed in from lately; not read for a known device */
  addresses: readonly string[]
}

/** A device that is not signed in from for this long is a stranger's again. */
export const DEVICE_KEPT_SECONDS = 90 * 86_400
/** How long the address of a sign-in is known. */
export const ADDRESS_KNOWN_MS = 30 * 86_400_000
export const MOST_DEVICES = 20

const FORM = /^gd_[A-Za-z0-9_-]{43}$/

/** What a device's token is looked for by; null for what is none. */
export function deviceHash(deviceToken = ''): Buffer | null {
  return FORM.test(deviceToken) ? sha256(deviceToken) : null
}

/** The form of a device's token, from 32 random bytes. */
export function deviceTokenOf(random: Buffer): string {
  return `gd_${random.toString('base64url')}`
}

/** How an account knows who asks from this address. */
export function recognise({ deviceId, addresses }: Acquaintance, address: string): Recognised {
  if (deviceId !== null) return { by: 'device', id: deviceId }
  const counted = countedAddress(address)
  return addresses.some((one) => countedAddress(one) === counted) ? { by: 'address' } : null
}
