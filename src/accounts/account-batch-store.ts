// Accounts by the hundred, at rest: looked up and inserted in a statement each.
import type { Issuer } from '../authority/index.js'
import type { PrismaClient } from '../database/generated/client.js'
import type { Tx } from '../database/transaction.js'
import type { UserKind } from './account-store.js'

/** What an import compares a row with. */
export interface ExistingAccount {
  id: string
  name: string
  roles: string[]
}

export interface BatchRow {
  id: string
  email: string
  name: string
  passwordHash: string | null
  kind: UserKind
  roles: readonly string[]
}

export interface AccountBatchStore {
  /** People by their addresses. */
  existing: (emails: readonly string[]) => Promise<Map<string, ExistingAccount>>
  /** Inserts those whose address is nobody's; the ids of the others. */
  insertAll: (tx: Tx, rows: readonly BatchRow[], issuer: Issuer, at: Date) => Promise<Set<string>>
}

export function createAccountBatchStore({ prisma }: { prisma: PrismaClient }): AccountBatchStore {
  return {
    async existing(emails) {
      const found = await prisma.user.findMany({
        where: { email: { in: [...emails] }, kind: 'person' }, select: { id: true, email: true, name: true, roles: { select: { roleName: true }, orderBy: { roleName: 'asc' } } },
      })
      return new Map(found.map(({ id, email, name, roles }) => [email, { id, name, roles: roles.map(({ roleName }) => roleName) }]))
    },
    async insertAll(tx, rows, { by, via }, at) {
      // one parameter, however many they are. Roles go along in the statement that inserts their holders, as it returns them; what is answered is
      // what was not inserted, for that is little
      const taken = await tx.$queryRaw<{ id: string }[]>`
        WITH given AS (
          SELECT * FROM jsonb_to_recordset(${JSON.stringify(rows)}::jsonb) AS g(id uuid, email text, name text, "passwordHash" text, kind user_kind, roles text[])
        ), opened AS (
          INSERT INTO users (id, email, name, password_hash, kind, issued_by, issued_via, created_at, updated_at)
          SELECT id, email, name, "passwordHash", kind, ${by}::uuid, ${via}, ${at}, ${at} FROM given ON CONFLICT (email) DO NOTHING RETURNING id
        ), held AS (
          INSERT INTO user_roles (user_id, role_name, issued_by, issued_via, issued_at)
          SELECT o.id, r, ${by}::uuid, ${via}, ${at} FROM opened o JOIN given g USING (id) CROSS JOIN LATERAL unnest(g.roles) AS r
        )
        SELECT id::text AS id FROM given WHERE NOT EXISTS (SELECT FROM opened o WHERE o.id = given.id)`
      return new Set(taken.map(({ id }) => id))
    },
  }
}
