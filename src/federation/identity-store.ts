// Whose identities are whose. An identity is one account's at most, which the unique index says; what is looked at before it changes hands is
// looked at behind the lock of the account.
import type { Prisma, PrismaClient } from '../database/generated/client.js'
import type { Tx } from '../database/transaction.js'
import type { ProviderKind } from './provider-rules.js'

export interface IdentityKey {
  providerId: string
  issuer: string
  subject: string
}

/** The address as the provider says it, for people to tell identities apart, and as far as it may be believed. */
export interface Addresses {
  email: string | null
  provenEmail: string | null
}

export interface IdentityRow {
  id: string
  email: string | null
  createdAt: Date
  lastUsedAt: Date | null
  provider: { id: string; name: string; kind: ProviderKind; issuer: string; keyId: string | null; enabled: boolean }
}

export interface IdentityStore {
  /** Whose the identity is, and whose account has one of these spellings of an address: of one moment, for a sign-up makes both at once. */
  look: (key: IdentityKey, spellings: readonly string[]) => Promise<{ identity: { id: string; userId: string } | null; accountOfEmail: string | null }>
  /** Waits for grants under way as this user and for who else changes the account, until the transaction ends. */
  lockUser: (tx: Tx, userId: string) => Promise<void>
  /** Is the account an active person's, and, where a session is named, is that open? For a statement behind the lock. */
  isOpen: (tx: Tx, userId: string, sessionId: string | null, now: Date) => Promise<boolean>
  isAnonymous: (userId: string) => Promise<boolean>
  /** Makes an anonymous account a real one, for it can be come back to now. Was it anonymous? */
  makeReal: (tx: Tx, userId: string, at: Date) => Promise<boolean>
  count: (tx: Tx, userId: string) => Promise<number>
  /** False: somebody has it. */
  insert: (tx: Tx, identity: IdentityKey & Addresses & { id: string; userId: string; at: Date }) => Promise<boolean>
  /** Notes a use of an identity that is still the user's, by a provider that is still enabled. False: it is not. */
  use: (tx: Tx, id: string, userId: string, addresses: Addresses, at: Date) => Promise<boolean>
  list: (userId: string) => Promise<IdentityRow[]>
  /** Takes it away from the user; null: they have none such. */
  delete: (tx: Tx, id: string, userId: string) => Promise<IdentityKey | null>
  /** Can the user still sign in: by a password, a passkey, or an identity of a provider that is enabled? For a statement behind the lock. */
  canSignIn: (tx: Tx, userId: string) => Promise<boolean>
}

const PROVIDER = { id: true, name: true, kind: true, issuer: true, keyId: true, enabled: true } as const
const SHOWN = { id: true, email: true, createdAt: true, lastUsedAt: true, provider: { select: PROVIDER } } as const

export function createIdentityStore({ prisma }: { prisma: PrismaClient }): IdentityStore {
  return {
    async look({ providerId, issuer, subject }, spellings) {
      const [row] = await prisma.$queryRaw<{ id: string | null; userId: string | null; accountOfEmail: string | null }[]>`
        SELECT i.id, i.user_id AS "userId", u.id AS "accountOfEmail"
        FROM (SELECT 1) AS one
        LEFT JOIN external_identities i ON i.provider_id = ${providerId}::uuid AND i.issuer = ${issuer} AND i.subject = ${subject}
        LEFT JOIN LATERAL (SELECT id FROM users WHERE email = ANY(${[...spellings]}::text[]) ORDER BY array_position(${[...spellings]}::text[], email) LIMIT 1) AS u ON true`
      const { id = null, userId = null, accountOfEmail = null } = row ?? {}
      return { identity: id === null || userId === null ? null : { id, userId }, accountOfEmail }
    },
    async lockUser(tx, userId) {
      await tx.$executeRaw`SELECT sign_in_lock(${userId}::uuid, '{}')`
    },
    async isOpen(tx, userId, sessionId, now) {
      const sessions: Prisma.UserWhereInput = sessionId === null ? {} : { sessions: { some: { id: sessionId, endedAt: null, expiresAt: { gt: now } } } }
      return (await tx.user.count({ where: { id: userId, status: 'active', kind: 'person', ...sessions } })) === 1
    },
    isAnonymous: async (userId) => (await prisma.user.count({ where: { id: userId, anonymous: true } })) === 1,
    async makeReal(tx, userId, at) {
      const { count } = await tx.user.updateMany({ where: { id: userId, anonymous: true }, data: { anonymous: false, updatedAt: at, version: { increment: 1 } } })
      return count === 1
    },
    count: (tx, userId) => tx.externalIdentity.count({ where: { userId } }),
    async insert(tx, { at, ...identity }) {
      const rows = await tx.externalIdentity.createManyAndReturn({ data: [{ ...identity, createdAt: at }], skipDuplicates: true, select: { id: true } })
      return rows.length === 1
    },
    async use(tx, id, userId, { email, provenEmail }, at) {
      const { count } = await tx.externalIdentity.updateMany({ where: { id, userId, provider: { enabled: true } }, data: { lastUsedAt: at, email, provenEmail } })
      return count === 1
    },
    list: (userId) => prisma.externalIdentity.findMany({ where: { userId }, orderBy: [{ createdAt: 'asc' }, { id: 'asc' }], select: SHOWN }),
    async delete(tx, id, userId) {
      const [row] = await tx.$queryRaw<IdentityKey[]>`
        DELETE FROM external_identities WHERE id = ${id}::uuid AND user_id = ${userId}::uuid RETURNING provider_id AS "providerId", issuer, subject`
      return row ?? null
    },
    async canSignIn(tx, userId) {
      const ways: Prisma.UserWhereInput[] = [{ passwordHash: { not: null } }, { passkeys: { some: {} } }, { identities: { some: { provider: { enabled: true } } } }]
      return (await tx.user.count({ where: { id: userId, OR: ways } })) === 1
    },
  }
}
