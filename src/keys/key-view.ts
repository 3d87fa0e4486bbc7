// A key as it is shown. Pure.
import type { KeyLimit, KeyStatus, Metadata } from './key-rules.js'
import { keyEndsAt, keyStatus } from './key-rules.js'
import type { KeyRow } from './key-store.js'

export interface KeyView {
  id: string
  /** a user or an organization owns it */
  ownerUserId: string | null
  organizationId: string | null
  kind: 'bound' | 'standing'
  name: string
  start: string
  permissions: string[]
  /** what is written and not worth it now: the owner of a bound key does not hold it */
  dormant: string[]
  limits: KeyLimit[]
  metadata: Metadata
  status: KeyStatus
  version: number
  createdAt: string
  updatedAt: string
  lastUsedAt: string | null
  /** the seller's, or of a bound key the only one */
  expiresAt: string | null
  ownerExpiresAt: string | null
  /** the earlier of the two */
  endsAt: string | null
  addresses: string[]
  ownerAddresses: string[]
  revokedAt: string | null
  rotatedToId?: string
  issuedBy: string | null
  issuedVia: string | null
  issuedAt: string | null
  secretTo: string | null
  secretVia: string | null
  secretAt: string | null
}

export type IssuedKey = KeyView & { key: string }

const iso = (time: Date | null): string | null => time?.toISOString() ?? null

export function viewOf(row: KeyRow, nowMs: number): KeyView {
  return {
    id: row.id, ownerUserId: row.ownerUserId, organizationId: row.organizationId, kind: row.kind, name: row.name, start: row.start, permissions: row.permissions, dormant: row.dormant, limits: row.limits,
    metadata: row.metadata, status: keyStatus(row, nowMs), version: row.version, createdAt: row.createdAt.toISOString(), updatedAt: row.updatedAt.toISOString(),
    lastUsedAt: iso(row.lastUsedAt), expiresAt: iso(row.expiresAt), ownerExpiresAt: iso(row.ownerExpiresAt), endsAt: iso(keyEndsAt(row)), addresses: row.addresses,
    ownerAddresses: row.ownerAddresses, revokedAt: iso(row.revokedAt), ...(row.rotatedToId === null ? {} : { rotatedToId: row.rotatedToId }),
    issuedBy: row.issuedBy, issuedVia: row.issuedVia, issuedAt: iso(row.issuedAt), secretTo: row.secretTo, secretVia: row.secretVia, secretAt: iso(row.secretAt),
  }
}
