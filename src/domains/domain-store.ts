// The rows of domains, and of people whose address was confirmed at one. What changes a row names the version, or the state, that it was judged by.
import type pg from 'pg'
import { isUniqueViolation } from '../database/failures.js'
import type { PrismaClient } from '../database/generated/client.js'
import type { Tx } from '../database/transaction.js'
import { problem } from '../kernel/errors.js'
import type { DomainState } from './domain-rules.js'

export interface DomainRow extends DomainState {
  id: string
  organizationId: string
  domain: string
  token: string
  /** when it was looked for last */
  askedAt: Date | null
  automatic: boolean
  roleIds: string[]
  expiresAt: Date | null
  issuedBy: string | null
  issuedVia: string
  version: number
  createdAt: Date
  updatedAt: Date
}

export interface Arrival {
  userId: string
  tries: number
}

export interface DomainStore {
  /** All of an organization, by name. */
  list: (organizationId: string, tx?: Tx) => Promise<DomainRow[]>
  find: (organizationId: string, id: string, tx?: Tx) => Promise<DomainRow | null>
  /** Whose it is by now; null: nobody's. */
  holder: (domain: string) => Promise<DomainRow | null>
  /** Throws organization.domain_known. */
  insert: (tx: Tx, row: Omit<DomainRow, 'version' | 'createdAt' | 'updatedAt' | 'askedAt' | keyof DomainState>, at: Date) => Promise<DomainRow>
  /** Notes that it is looked for; false: it was a moment ago. */
  ask: (id: string, at: Date, notBefore: Date) => Promise<boolean>
  /** Makes one that was asked for its organization's own; false: it is not there any more. Throws organization.domain_taken. */
  prove: (tx: Tx, id: string, at: Date, checkAt: Date) => Promise<boolean>
  /** Makes it one that is only asked for, under another token; false: it was not proven, or was seen meanwhile. */
  lose: (tx: Tx, row: Pick<DomainRow, 'id' | 'seenAt'>, token: string, at: Date, expiresAt: Date) => Promise<boolean>
  update: (tx: Tx, id: string, version: number, patch: Partial<Pick<DomainRow, 'automatic' | 'roleIds' | 'issuedBy' | 'issuedVia'>>, at: Date) => Promise<DomainRow | null>
  delete: (tx: Tx, id: string) => Promise<boolean>
  /** Takes proven ones that are due to be looked up, for so long. */
  takeDue: (now: Date, until: Date, most: number) => Promise<DomainRow[]>
  /** What a look-up came to. */
  note: (id: string, seen: Pick<DomainState, 'seenAt' | 'missingSince'> & { checkAt: Date }, at: Date) => Promise<void>
  /** Has everybody looked at who may come in by a domain, and has not been in its organization yet. */
  enlist: (row: Pick<DomainRow, 'domain' | 'organizationId'>, most: number) => Promise<number>
  arrivals: (now: Date, most: number) => Promise<Arrival[]>
  /** By which proven domain somebody may come in, as of now; null: by none. In a transaction both rows stay as they are. */
  wayIn: (userId: string, tx?: Tx) => Promise<DomainRow | null>
  /** Was somebody in an organization, or an account of before that had their address? */
  wasIn: (tx: Tx, organizationId: string, userId: string) => Promise<boolean>
  postpone: (userId: string, until: Date) => Promise<void>
  forget: (userId: string, tx?: Tx) => Promise<boolean>
}

const COLUMNS = `d.id::text AS id, d.organization_id::text AS "organizationId", d.domain, d.token, d.automatic, d.role_ids::text[] AS "roleIds", d.verified_at AS "verifiedAt", d.seen_at AS "seenAt",
  d.missing_since AS "missingSince", d.asked_at AS "askedAt", d.expires_at AS "expiresAt", d.issued_by::text AS "issuedBy", d.issued_via AS "issuedVia", d.version, d.created_at AS "createdAt", d.updated_at AS "updatedAt"`

const DUE = `
  UPDATE organization_domains d SET check_at = $2
  WHERE d.id IN (SELECT id FROM organization_domains WHERE check_at <= $1 ORDER BY check_at LIMIT $3 FOR UPDATE SKIP LOCKED) RETURNING ${COLUMNS}`

// by the index of parts of addresses: a domain has no letter that LIKE reads otherwise but _, which a host has not
const ENLIST = `
  INSERT INTO organization_arrivals (user_id)
  SELECT u.id FROM users u
  WHERE u.email LIKE '%@' || $1 AND u.email_verified_at IS NOT NULL AND u.kind = 'person' AND NOT u.anonymous AND u.status = 'active'
    AND NOT EXISTS (SELECT FROM organization_members m WHERE m.organization_id = $2::uuid AND m.user_id = u.id)
    AND NOT EXISTS (SELECT FROM organization_departures l WHERE l.organization_id = $2::uuid AND l.user_id = u.id)
  LIMIT $3 ON CONFLICT (user_id) DO NOTHING`

const WAY_IN = `
  SELECT ${COLUMNS} FROM users u JOIN organization_domains d ON d.domain = split_part(u.email, '@', 2) AND d.verified_at IS NOT NULL
  WHERE u.id = $1::uuid AND u.email_verified_at IS NOT NULL AND u.kind = 'person' AND NOT u.anonymous AND u.status = 'active' AND d.automatic`

export function createDomainStore({ prisma, pool }: { prisma: PrismaClient; pool: pg.Pool }): DomainStore {
  return {
    list: (organizationId, tx = prisma) => tx.organizationDomain.findMany({ where: { organizationId }, orderBy: { domain: 'asc' } }),
    find: (organizationId, id, tx = prisma) => tx.organizationDomain.findFirst({ where: { id, organizationId } }),
    holder: (domain) => prisma.organizationDomain.findFirst({ where: { domain, verifiedAt: { not: null } } }),
    async insert(tx, row, at) {
      try {
        return await tx.organizationDomain.create({ data: { ...row, createdAt: at, updatedAt: at } })
      } catch (error) {
        throw isUniqueViolation(error) ? problem('organization.domain_known', { cause: error }) : error
      }
    },
    async ask(id, at, notBefore) {
      const { rowCount } = await pool.query('UPDATE organization_domains SET asked_at = $2 WHERE id = $1 AND (asked_at IS NULL OR asked_at <= $3)', [id, at, notBefore])
      return rowCount === 1
    },
    async prove(tx, id, at, checkAt) {
      try {
        const { count } = await tx.organizationDomain.updateMany({
          where: { id, verifiedAt: null }, data: { verifiedAt: at, seenAt: at, missingSince: null, checkAt, expiresAt: null, updatedAt: at, version: { increment: 1 } },
        })
        return count === 1
      } catch (error) {
        throw isUniqueViolation(error) ? problem('organization.domain_taken', { cause: error }) : error
      }
    },
    async lose(tx, { id, seenAt }, token, at, expiresAt) {
      const { count } = await tx.organizationDomain.updateMany({
        where: { id, seenAt, verifiedAt: { not: null } }, data: { verifiedAt: null, seenAt: null, missingSince: null, checkAt: null, expiresAt, token, updatedAt: at, version: { increment: 1 } },
      })
      return count === 1
    },
    async update(tx, id, version, patch, at) {
      const [row] = await tx.organizationDomain.updateManyAndReturn({ where: { id, version }, data: { ...patch, updatedAt: at, version: { increment: 1 } } })
      return row ?? null
    },
    async delete(tx, id) {
      const { count } = await tx.organizationDomain.deleteMany({ where: { id } })
      return count === 1
    },
    async takeDue(now, until, most) {
      return (await pool.query<DomainRow>(DUE, [now, until, most])).rows
    },
    async note(id, { seenAt, missingSince, checkAt }, at) {
      await pool.query('UPDATE organization_domains SET seen_at = $2, missing_since = $3, check_at = $4, asked_at = $5 WHERE id = $1 AND verified_at IS NOT NULL', [id, seenAt, missingSince, checkAt, at])
    },
    async enlist({ domain, organizationId }, most) {
      return (await pool.query(ENLIST, [domain, organizationId, most])).rowCount ?? 0
    },
    async arrivals(now, most) {
      const { rows } = await pool.query<Arrival>('SELECT user_id::text AS "userId", tries FROM organization_arrivals WHERE due_at IS NULL OR due_at <= $1 ORDER BY user_id LIMIT $2', [now, most])
      return rows
    },
    async wayIn(userId, tx) {
      if (tx) return (await tx.$queryRawUnsafe<DomainRow[]>(`${WAY_IN} FOR SHARE OF u, d`, userId))[0] ?? null
      return (await pool.query<DomainRow>(WAY_IN, [userId])).rows[0] ?? null
    },
    async wasIn(tx, organizationId, userId) {
      const [row] = await tx.$queryRaw<{ found: boolean }[]>`
        SELECT EXISTS (SELECT FROM organization_departures WHERE organization_id = ${organizationId}::uuid AND user_id = ${userId}::uuid) OR EXISTS (
          SELECT FROM organization_departures d JOIN users u ON d.address_hash = sha256(convert_to(u.email, 'UTF8')) WHERE d.organization_id = ${organizationId}::uuid AND u.id = ${userId}::uuid) AS found`
      return row?.found ?? false
    },
    async postpone(userId, until) {
      await pool.query('UPDATE organization_arrivals SET due_at = $2, tries = tries + 1 WHERE user_id = $1', [userId, until])
    },
    async forget(userId, tx = prisma) {
      return (await tx.organizationArrival.deleteMany({ where: { userId } })).count === 1
    },
  }
}
