// Sign-ins that wait for a second factor. A try is one conditional update, the use one conditional delete: each tells who won.
import { bytes } from '../database/along.js'
import { Prisma, type PrismaClient } from '../database/generated/client.js'
import type { Along, Tx } from '../database/transaction.js'
import type { SessionKind } from './session-store.js'

export interface ChallengeRow {
  id: string
  userId: string
  kind: SessionKind
  amr: string[]
}

export interface NewChallenge extends Omit<ChallengeRow, 'amr'> {
  amr: readonly string[]
  tokenHash: Uint8Array
  createdAt: Date
  expiresAt: Date
}

export interface ChallengeStore {
  /** Along with another statement; all but the `most` newest of the user go. */
  inserting: (challenge: NewChallenge, most: number) => Along
  /** Takes one of its tries, of which there are `most`; null: there is no such challenge, or none is left. It commits by itself. */
  takeTry: (tokenHash: Uint8Array, now: Date, most: number) => Promise<ChallengeRow | null>
  /** What it is for, without a try. */
  find: (tokenHash: Uint8Array, now: Date, most: number) => Promise<ChallengeRow | null>
  /** Uses it up, if it is still there. Did we win? */
  consume: (tx: Tx, id: string, now: Date) => Promise<boolean>
  deleteAll: (tx: Tx, userId: string) => Promise<number>
}

const ROW = Prisma.sql`id, user_id AS "userId", kind::text AS kind, amr`

export function createChallengeStore({ prisma }: { prisma: PrismaClient }): ChallengeStore {
  return {
    inserting: ({ id, userId, kind, amr, tokenHash, createdAt, expiresAt }, most) => (when) => ({
      challenge_made: Prisma.sql`
        INSERT INTO sign_in_challenges (id, user_id, token_hash, kind, amr, created_at, expires_at)
        SELECT ${id}::uuid, ${userId}::uuid, ${bytes(tokenHash)}::bytea, ${kind}::session_kind, ${[...amr]}::text[], ${createdAt}::timestamptz, ${expiresAt}::timestamptz
        WHERE EXISTS (SELECT FROM ${when})`,
      challenges_dropped: Prisma.sql`
        DELETE FROM sign_in_challenges WHERE EXISTS (SELECT FROM ${when})
          AND id IN (SELECT id FROM sign_in_challenges WHERE user_id = ${userId}::uuid ORDER BY created_at DESC, id DESC OFFSET ${most - 1})`,
    }),
    async takeTry(tokenHash, now, most) {
      const [row] = await prisma.$queryRaw<ChallengeRow[]>`
        UPDATE sign_in_challenges SET tries = tries + 1 WHERE token_hash = ${bytes(tokenHash)} AND tries < ${most} AND expires_at > ${now}::timestamptz RETURNING ${ROW}`
      return row ?? null
    },
    async find(tokenHash, now, most) {
      const [row] = await prisma.$queryRaw<ChallengeRow[]>`
        SELECT ${ROW} FROM sign_in_challenges WHERE token_hash = ${bytes(tokenHash)} AND tries < ${most} AND expires_at > ${now}::timestamptz`
      return row ?? null
    },
    async consume(tx, id, now) {
      return (await tx.$executeRaw`DELETE FROM sign_in_challenges WHERE id = ${id}::uuid AND expires_at > ${now}::timestamptz`) === 1
    },
    async deleteAll(tx, userId) {
      const { count } = await tx.signInChallenge.deleteMany({ where: { userId } })
      return count
    },
  }
}
