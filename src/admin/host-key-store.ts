// What the host's own commands ask of keys.
import type { PrismaClient } from '../database/generated/client.js'
import type { Tx } from '../database/transaction.js'

export interface DarkKey {
  id: string
  ownerUserId: string
  name: string
  permissions: string[]
}

export interface HostKeyStore {
  listDark: (now: Date) => Promise<DarkKey[]>
  /** The ids of those that were bound keys of people, and stand now on the word of the host. */
  makeStanding: (tx: Tx, ids: readonly string[], now: Date) => Promise<string[]>
}

export function createHostKeyStore({ prisma }: { prisma: PrismaClient }): HostKeyStore {
  return {
    listDark: (now) => prisma.$queryRaw<DarkKey[]>`
      SELECT k.id, k.owner_user_id AS "ownerUserId", k.name, k.permissions FROM api_keys k JOIN users u ON u.id = k.owner_user_id AND u.kind = 'person'
      WHERE k.kind = 'bound' AND k.revoked_at IS NULL AND least(k.expires_at, k.owner_expires_at, 'infinity') > ${now} AND EXISTS (
        SELECT 1 FROM unnest(k.permissions) p WHERE NOT EXISTS (
          SELECT 1 FROM effective_roles e JOIN roles r ON r.name = e.role_name, unnest(r.permissions) g WHERE e.user_id = k.owner_user_id AND permission_covers(g, p)))
      ORDER BY k.created_at, k.id LIMIT 1000`,
    async makeStanding(tx, ids, now) {
      const rows = await tx.$queryRaw<{ id: string }[]>`
        UPDATE api_keys k SET kind = 'standing', issued_by = NULL, issued_via = 'host', issued_at = ${now}, version = k.version + 1, updated_at = ${now}
        FROM users u WHERE k.id = ANY(${[...ids]}::uuid[]) AND k.kind = 'bound' AND k.revoked_at IS NULL AND u.id = k.owner_user_id AND u.kind = 'person' RETURNING k.id`
      return rows.map(({ id }) => id)
    },
  }
}
