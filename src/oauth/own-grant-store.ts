// What somebody has let applications do, application by application: what was consented to, and the grants that live of it.
import type { PrismaClient } from '../database/generated/client.js'
import type { Tx } from '../database/transaction.js'

export interface OwnGrantRow {
  id: string
  clientId: string
  name: string
  clientUri: string | null
  firstParty: boolean
  scopes: string[]
  resources: string[]
  grantedAt: Date
  lastUsedAt: Date | null
  sessions: number
}

export interface OwnGrantStore {
  /** The newest first; those of no consent are of clients that are trusted without. */
  list: (userId: string, now: Date, most: number) => Promise<OwnGrantRow[]>
  /** Takes the consent back and ends the grants. False: there was neither. */
  withdraw: (tx: Tx, userId: string, clientId: string, now: Date) => Promise<boolean>
}

export function createOwnGrantStore({ prisma }: { prisma: PrismaClient }): OwnGrantStore {
  return {
    list: (userId, now, most) => prisma.$queryRaw<OwnGrantRow[]>`
      WITH live AS (
        SELECT g.client_id, count(*)::int AS sessions, max(s.last_seen_at) AS last_used_at, min(g.created_at) AS created_at,
          (array_agg(g.scopes::text ORDER BY g.created_at DESC))[1]::text[] AS scopes, (array_agg(g.resources::text ORDER BY g.created_at DESC))[1]::text[] AS resources
        FROM oauth_grants g JOIN sessions s ON s.id = g.id WHERE g.user_id = ${userId}::uuid AND s.ended_at IS NULL AND s.expires_at > ${now}::timestamptz GROUP BY g.client_id)
      SELECT c.id, c.client_id AS "clientId", c.name, c.client_uri AS "clientUri", c.first_party AS "firstParty", coalesce(k.scopes, l.scopes) AS scopes, coalesce(k.resources, l.resources) AS resources,
        coalesce(k.created_at, l.created_at) AS "grantedAt", l.last_used_at AS "lastUsedAt", coalesce(l.sessions, 0) AS sessions
      FROM (SELECT client_id FROM live UNION SELECT client_id FROM oauth_consents WHERE user_id = ${userId}::uuid) AS mine
      JOIN oauth_clients c ON c.id = mine.client_id LEFT JOIN live l ON l.client_id = c.id LEFT JOIN oauth_consents k ON k.client_id = c.id AND k.user_id = ${userId}::uuid
      ORDER BY coalesce(k.created_at, l.created_at) DESC, c.id LIMIT ${most}`,
    async withdraw(tx, userId, clientId, now) {
      const taken = await tx.$executeRaw`DELETE FROM oauth_consents WHERE user_id = ${userId}::uuid AND client_id = ${clientId}::uuid`
      // codes that wait are none any more
      await tx.$executeRaw`UPDATE oauth_codes SET consumed_at = ${now}::timestamptz WHERE user_id = ${userId}::uuid AND client_id = ${clientId}::uuid AND consumed_at IS NULL AND expires_at > ${now}::timestamptz`
      const ended = await tx.$executeRaw`
        UPDATE sessions SET ended_at = ${now}::timestamptz WHERE ended_at IS NULL AND id IN (SELECT id FROM oauth_grants WHERE user_id = ${userId}::uuid AND client_id = ${clientId}::uuid)`
      return taken + ended > 0
    },
  }
}
