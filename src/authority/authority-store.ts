// Reads behind the gate (prisma/migrations/*_authority: authority_hold): what the acting credential holds, locked until the commit, and
// what a target may do. Takes locks in one order: users, roles, credentials.
import { Prisma } from '../database/generated/client.js'
import type { Tx } from '../database/transaction.js'
import type { ActingFacts, TargetFacts } from './authority-rules.js'

/** Whose gates an act passes. What is named as narrowed is passed alone: grants that were under way have committed by then, later ones wait. */
export interface GateScope {
  users?: readonly string[]
  narrowedUsers?: readonly string[]
  /** names */
  roles?: readonly string[]
  narrowedRoles?: readonly string[]
  /** `key:ID`, `sess:ID` */
  narrowedCredentials?: readonly string[]
  /** a lock after all gates: makes what is counted for one owner wait for one another, `keys:ID` */
  cap?: string
}

export interface AuthorityStore {
  /** `acting`: `key:ID`, `sess:ID`, or '' for nobody (actorId null: the host). */
  hold: (tx: Tx, actorId: string | null, acting: string, scope: GateScope) => Promise<ActingFacts>
  /** Null: no such user. */
  target: (tx: Tx, userId: string, now: Date) => Promise<TargetFacts | null>
  /** The same of many; who is not there is left out. */
  targets: (tx: Tx, userIds: readonly string[], now: Date) => Promise<TargetFacts[]>
  /** The last lock of a transaction that may leave no administrator. */
  guardAdmins: (tx: Tx) => Promise<void>
  /** Makes what is counted for one owner wait for one another: `keys:ID`. */
  guardCap: (tx: Tx, name: string) => Promise<void>
  /** The same for many owners, in one order for all who ask for several. */
  guardCaps: (tx: Tx, names: readonly string[]) => Promise<void>
}

const CAP_CLASS = 7104
const ADMIN_CLASS = 7105

interface HeldRow {
  active: boolean
  role_permissions: string[]
  live: boolean
  written: string[]
  kind: 'bound' | 'standing' | null
  expires_at: Date | null
  owner_expires_at: Date | null
  addresses: string[] | null
  owner_addresses: string[] | null
}

// what everybody has makes nobody harder to reach
const SPECIAL = Prisma.sql`NOT EXISTS (SELECT 1 FROM roles m, unnest(m.permissions) g WHERE m.name = 'member' AND permission_covers(g, p))`

const list = (texts: readonly string[] = []): string[] => [...texts]

export function createAuthorityStore(): AuthorityStore {
  const store: AuthorityStore = {
    async hold(tx, actorId, acting, { users, narrowedUsers, roles, narrowedRoles, narrowedCredentials, cap }) {
      const [row] = await tx.$queryRaw<HeldRow[]>`
        SELECT h.*, (CASE WHEN ${cap ?? null}::text IS NOT NULL THEN pg_advisory_xact_lock(${CAP_CLASS}::int, hashtext(${cap ?? null}::text)) END)::text AS cap
        FROM authority_hold(${actorId}::uuid, ${acting}, ${list(users)}::text[], ${list(narrowedUsers)}::text[], ${list(roles)}::text[],
                                     ${list(narrowedRoles)}::text[], ${list(narrowedCredentials)}::text[]) AS h`
      if (!row) throw new Error('authority_hold answers one row')
      return {
        active: row.active, rolePermissions: row.role_permissions, live: row.live, kind: row.kind, written: row.written, expiresAt: row.expires_at,
        ownerExpiresAt: row.owner_expires_at, addresses: row.addresses ?? [], ownerAddresses: row.owner_addresses ?? [],
      }
    },
    target: async (tx, userId, now) => (await store.targets(tx, [userId], now))[0] ?? null,
    targets: (tx, userIds, now) => tx.$queryRaw<TargetFacts[]>(Prisma.sql`
      SELECT u.id, u.kind::text AS kind, u.status::text AS status,
               ARRAY(SELECT DISTINCT p FROM user_roles ur JOIN roles r ON r.name = ur.role_name, unnest(r.permissions) p WHERE ur.user_id = u.id AND ${SPECIAL} ORDER BY 1) AS "rolePermissions",
               ARRAY(SELECT DISTINCT p FROM api_keys k, unnest(k.permissions) p WHERE k.owner_user_id = u.id AND k.revoked_at IS NULL
                       AND least(k.expires_at, k.owner_expires_at, 'infinity') > ${now} AND ${SPECIAL} ORDER BY 1) AS "keyPermissions",
               ARRAY(SELECT unnest(r.permissions) FROM organization_members m JOIN organization_roles r ON r.organization_id = m.organization_id AND r.id = ANY(m.role_ids) WHERE m.user_id = u.id
                     UNION SELECT unnest(o.entitlement) FROM organization_members m JOIN organizations o ON o.id = m.organization_id WHERE m.user_id = u.id AND m.is_owner ORDER BY 1) AS "organizationPermissions"
        FROM users u WHERE u.id = ANY(${list(userIds)}::uuid[])`),
    async guardAdmins(tx) {
      await tx.$executeRaw`SELECT pg_advisory_xact_lock(${ADMIN_CLASS}::int, 0)`
    },
    async guardCap(tx, name) {
      await tx.$executeRaw`SELECT pg_advisory_xact_lock(${CAP_CLASS}::int, hashtext(${name}))`
    },
    async guardCaps(tx, names) {
      await tx.$executeRaw`SELECT pg_advisory_xact_lock(${CAP_CLASS}::int, h) FROM (SELECT DISTINCT hashtext(n) AS h FROM unnest(${list(names)}::text[]) AS n ORDER BY 1) AS ordered`
    },
  }
  return store
}
