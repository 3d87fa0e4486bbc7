// What may be said about a key, and what its dates mean. Pure.
import { type FieldError, problem } from '../kernel/errors.js'
import { isStorable, type Metadata, metadataFaults } from '../kernel/metadata.js'
import { canonicalNetwork } from '../kernel/networks.js'
import { misplaced } from '../kernel/permission-catalogue.js'
import { type Limit, limitMistakes } from '../limits/index.js'

export { METADATA_BYTES, type Metadata } from '../kernel/metadata.js'
export type KeyLimit = Limit

export type KeyStatus = 'active' | 'revoked' | 'expired'

// where ISO 8601 takes a sign and two more digits, which PostgreSQL does not read
const YEAR_10000_MS = Date.UTC(10_000, 0)

/** The part of a key's input that a schema cannot check. */
export interface CheckedInput {
  name?: string
  limits?: KeyLimit[]
  metadata?: Metadata
  expiresAt?: string | null
  ownerExpiresAt?: string | null
  permissions?: string[]
  addresses?: string[]
  ownerAddresses?: string[]
}

/** When a key ends: the earlier of its seller's and its owner's end; null: never. */
export function keyEndsAt({ expiresAt, ownerExpiresAt }: { expiresAt: Date | null; ownerExpiresAt: Date | null }): Date | null {
  if (!expiresAt || !ownerExpiresAt) return expiresAt ?? ownerExpiresAt
  return expiresAt <= ownerExpiresAt ? expiresAt : ownerExpiresAt
}

/** A key is dead from its end on, to the millisecond. */
export function keyStatus(row: { revokedAt: Date | null; expiresAt: Date | null; ownerExpiresAt: Date | null }, nowMs: number): KeyStatus {
  if (row.revokedAt) return 'revoked'
  const end = keyEndsAt(row)
  return end && end.getTime() <= nowMs ? 'expired' : 'active'
}

/** The one spelling of each network, without repeats. Only for lists that `checkKeyInput` has let through. */
export function canonicalAddresses(addresses: readonly string[]): string[] {
  return [...new Set(addresses.map((text) => canonicalNetwork(text) ?? text))].toSorted()
}

function wrong<T>(path: string, list: readonly T[] | undefined, why: (one: T) => string | null): FieldError[] {
  return (list ?? []).flatMap((one, at) => {
    const message = why(one)
    return message === null ? [] : [{ path: `${path}/${at}`, message }]
  })
}

const notNetwork = (text: string): string | null => (canonicalNetwork(text) === null ? 'must be an address or a network: 192.0.2.7, 10.0.0.0/8, 2001:db8::/32' : null)

function mistakesOf({ name, limits, metadata, permissions, addresses, ownerAddresses, ...ends }: CheckedInput, nowMs: number): FieldError[] {
  const found: FieldError[] = []
  if (name !== undefined && !isStorable(name)) found.push({ path: '/name', message: 'holds characters that cannot be stored' })
  if (limits) found.push(...limitMistakes(limits))
  if (metadata) found.push(...metadataFaults(metadata).map((message) => ({ path: '/metadata', message })))
  // a time JavaScript cannot read is NaN, and NaN is not above anything
  for (const field of ['expiresAt', 'ownerExpiresAt'] as const) {
    const end = ends[field]
    if (typeof end !== 'string') continue
    if (!(Date.parse(end) > nowMs)) found.push({ path: `/${field}`, message: 'must be in the future' })
    else if (Date.parse(end) >= YEAR_10000_MS) found.push({ path: `/${field}`, message: 'must be before the year 10000, in UTC' })
  }
  return [
    ...found, ...wrong('/permissions', permissions, (permission) => misplaced(permission, 'key')), ...wrong('/addresses', addresses, notNetwork),
    ...wrong('/ownerAddresses', ownerAddresses, notNetwork),
  ]
}

/** Throws request.invalid, naming every mistake. */
export function checkKeyInput(input: CheckedInput, nowMs: number): void {
  const errors = mistakesOf(input, nowMs)
  if (errors.length > 0) throw problem('request.invalid', { errors })
}
