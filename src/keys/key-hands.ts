// Two hands on a key: who sold it and who owns it. Which fields are whose, and whether a change widens what the key may do. Pure.
// A standing key was sold: permissions, limits, metadata, end and addresses are the seller's; its owner may name it, and narrow it in
// fields of their own. A bound key is one's own: it has no metadata, for a back end that trusts `metadata.plan` must be able to.
import { problem } from '../kernel/errors.js'
import { networksWithin } from '../kernel/networks.js'
import { lacking } from '../kernel/permissions.js'
import type { KeyPatch, KeyRow } from './key-store.js'

export type Hand = 'owner' | 'seller'

const SELLERS = ['permissions', 'limits', 'metadata', 'expiresAt', 'addresses'] as const
const OWNERS = ['ownerExpiresAt', 'ownerAddresses'] as const

/** Refuses what is not the hand's to change. Throws access.denied, and request.invalid for what such a key cannot have. */
export function refuseForeignFields(row: Pick<KeyRow, 'kind'>, hands: ReadonlySet<Hand>, patch: KeyPatch): void {
  if (row.kind === 'bound') {
    const foreign = [...OWNERS.filter((field) => patch[field] !== undefined), ...(Object.keys(patch.metadata ?? {}).length > 0 ? ['metadata' as const] : [])]
    if (foreign.length > 0) {
      throw problem('request.invalid', { errors: foreign.map((field) => ({ path: `/${field}`, message: 'is of keys that were sold: this one is its owner\'s own' })) })
    }
    return
  }
  const lost = [...(hands.has('seller') ? [] : SELLERS), ...(hands.has('owner') ? [] : OWNERS)].filter((field) => patch[field] !== undefined)
  if (lost.length > 0) {
    const detail = hands.has('seller') ? 'is for the key\'s owner' : 'is for whoever sold the key; its owner may set ownerExpiresAt and ownerAddresses'
    throw problem('access.denied', { detail: `${lost.join(', ')} ${detail}` })
  }
}

const isLater = (next: Date | null, before: Date | null): boolean => before !== null && (next === null || next > before)

/** Would the change let the key do more than before, for longer, or from further places? */
export function widens(row: KeyRow, { permissions = row.permissions, expiresAt = row.expiresAt, addresses = row.addresses }: KeyPatch): boolean {
  return lacking(row.permissions, permissions).length > 0 || isLater(expiresAt, row.expiresAt) || !networksWithin(addresses, row.addresses)
}
