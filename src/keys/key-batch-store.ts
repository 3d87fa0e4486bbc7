// Keys by the hundred, at rest: looked up, counted and inserted in a statement each.
import { Prisma, type PrismaClient } from '../database/generated/client.js'
import type { Tx } from '../database/transaction.js'
import type { Issuer } from '../authority/index.js'
import type { KeyLimit, Metadata } from './key-rules.js'
import type { KeyKind, KeyOwner, KeyRow } from './key-store.js'

/** What an import compares a row with. */
export type ExistingKey = Pick<KeyRow, 'id' | 'ownerUserId' | 'organizationId' | 'name' | 'permissions' | 'limits' | 'metadata' | 'expiresAt' | 'addresses' | 'revokedAt'>

export interface BatchKey extends KeyOwner {
  id: string
  kind: KeyKind
  name: string
  start: string
  /** SHA-256 of the whole key */
  keyHash: Buffer
  permissions: readonly string[]
  limits: readonly KeyLimit[]
  metadata: Metadata
  expiresAt: Date | null
  addresses: readonly string[]
}

export interface LiveCount {
  ownerId: string
  kind: KeyKind
  n: number
}

/** Owners of two sorts, by their ids. */
export interface OwnerIds {
  users: readonly string[]
  organizations: readonly string[]
}

export interface KeyBatchStore {
  /** Keys by the hex of their hashes, whatever has become of them. */
  existing: (hashes: readonly string[], tx?: Tx) => Promise<Map<string, ExistingKey>>
  /** How many live keys of each kind owners have, counted up to the cap of the kind. */
  countLive: (tx: Tx, owners: OwnerIds, caps: Record<KeyKind, number>, now: Date) => Promise<LiveCount[]>
  /** Inserts those whose hash is no other key's; the ids of the others. */
  insertAll: (tx: Tx, rows: readonly BatchKey[], issuer: Issuer, at: Date) => Promise<Set<string>>
}

export function createKeyBatchStore({ prisma }: { prisma: PrismaClient }): KeyBatchStore {
  return {
    async existing(hashes, tx = prisma) {
      const found = await tx.$queryRaw<(ExistingKey & { hash: string })[]>`
        SELECT encode(key_hash, 'hex') AS hash, id, owner_user_id AS "ownerUserId", organization_id AS "organizationId", name, permissions, limits, metadata, expires_at AS "expiresAt", addresses, revoked_at AS "revokedAt"
        FROM api_keys WHERE key_hash = ANY (ARRAY(SELECT decode(h, 'hex') FROM unnest(${[...hashes]}::text[]) AS h))`
      return new Map(found.map(({ hash, ...key }) => [hash, key]))
    },
    async countLive(tx, { users, organizations }, caps, now) {
      const counted: LiveCount[] = []
      for (const [column, ids] of [['owner_user_id', users], ['organization_id', organizations]] as const) {
        if (ids.length === 0) continue
        counted.push(...(await tx.$queryRaw<LiveCount[]>`
          SELECT o.id AS "ownerId", k.kind::text AS kind, (SELECT count(*)::int FROM (
            SELECT 1 FROM api_keys WHERE ${Prisma.raw(column)} = o.id AND kind = k.kind AND revoked_at IS NULL AND least(expires_at, owner_expires_at, 'infinity') > ${now}::timestamptz LIMIT k.cap) AS live) AS n
          FROM unnest(${[...ids]}::uuid[]) AS o(id) CROSS JOIN (VALUES ('bound'::key_kind, ${caps.bound}::int), ('standing'::key_kind, ${caps.standing}::int)) AS k(kind, cap)`))
      }
      return counted
    },
    async insertAll(tx, rows, { by, via }, at) {
      const given = JSON.stringify(rows.map(({ id, ownerUserId, organizationId, kind, name, start, keyHash, permissions, limits, metadata, expiresAt, addresses }) => ({
        i: id, o: ownerUserId, g: organizationId, k: kind, n: name, s: start, h: keyHash.toString('hex'), p: permissions, l: limits, m: metadata, e: expiresAt, a: addresses,
      })))
      const taken = await tx.$queryRaw<{ id: string }[]>(Prisma.sql`
        WITH given AS (
          SELECT * FROM jsonb_to_recordset(${given}::jsonb) AS r(i uuid, o uuid, g uuid, k key_kind, n text, s text, h text, p text[], l jsonb, m jsonb, e timestamptz, a text[])
        ), issued AS (
          INSERT INTO api_keys (id, owner_user_id, organization_id, name, start, key_hash, kind, permissions, limits, limit_group_id, metadata, created_at, updated_at, expires_at, addresses,
            owner_addresses, issued_by, issued_via, issued_at, secret_to, secret_via, secret_at)
          SELECT i, o, g, n, s, decode(h, 'hex'), k, p, l, i, m, ${at}, ${at}, e, a, '{}', ${by}::uuid, ${via}, ${at}, ${by}::uuid, ${via}, ${at} FROM given ON CONFLICT (key_hash) DO NOTHING RETURNING id
        )
        SELECT i::text AS id FROM given WHERE NOT EXISTS (SELECT FROM issued k WHERE k.id = given.i)`)
      return new Set(taken.map(({ id }) => id))
    },
  }
}
