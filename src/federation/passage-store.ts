// What lies between two requests of one browser: the way to a provider, a link that waits for a sign-in, a code for a page. Each is taken by one
// conditional statement, whose row says who won, and each has an end.
import type { PrismaClient } from '../database/generated/client.js'
import { bytes } from '../database/along.js'
import type { Tx } from '../database/transaction.js'

export interface PendingLinkRow {
  userId: string
  providerId: string
  issuer: string
  subject: string
  email: string
}

export interface PassageStore {
  /** Keeps a state; of one browser the newest ten stay. */
  putState: (state: { stateHash: Uint8Array; providerId: string; browserHash: Uint8Array; ciphertext: Uint8Array; createdAt: Date; expiresAt: Date }) => Promise<void>
  /** Takes a state of this browser and this provider; null: there is none, or somebody was first. */
  takeState: (stateHash: Uint8Array, providerId: string, browserHash: Uint8Array, now: Date) => Promise<Uint8Array | null>
  /** One a browser: the newest. */
  putLink: (browserHash: Uint8Array, link: PendingLinkRow, expiresAt: Date) => Promise<void>
  findLink: (browserHash: Uint8Array, now: Date) => Promise<PendingLinkRow | null>
  /** Takes the link if it is for this account. */
  takeLink: (tx: Tx, browserHash: Uint8Array, userId: string, now: Date) => Promise<PendingLinkRow | null>
  dropLink: (browserHash: Uint8Array) => Promise<void>
  putCode: (code: { codeHash: Uint8Array; browserHash: Uint8Array; ciphertext: Uint8Array; expiresAt: Date }) => Promise<void>
  findCode: (codeHash: Uint8Array, browserHash: Uint8Array, now: Date) => Promise<Uint8Array | null>
  /** Takes a code. Did we win? */
  takeCode: (tx: Tx, codeHash: Uint8Array, browserHash: Uint8Array, now: Date) => Promise<boolean>
}

const STATES_EACH = 10
// a browser's rows beside the one that comes
const KEPT = STATES_EACH - 1

export function createPassageStore({ prisma }: { prisma: PrismaClient }): PassageStore {
  return {
    async putState({ stateHash, providerId, browserHash, ciphertext, createdAt, expiresAt }) {
      // the new row is not seen by the part that deletes: beside it the newest nine stay
      await prisma.$executeRaw`
        WITH crowded AS (
          DELETE FROM federation_states WHERE state_hash IN (
            SELECT state_hash FROM federation_states WHERE browser_hash = ${bytes(browserHash)} ORDER BY created_at DESC, state_hash OFFSET ${KEPT}))
        INSERT INTO federation_states (state_hash, provider_id, browser_hash, ciphertext, created_at, expires_at)
        VALUES (${bytes(stateHash)}, ${providerId}::uuid, ${bytes(browserHash)}, ${bytes(ciphertext)}, ${createdAt}::timestamptz, ${expiresAt}::timestamptz)`
    },
    async takeState(stateHash, providerId, browserHash, now) {
      const [row] = await prisma.$queryRaw<{ ciphertext: Uint8Array }[]>`
        DELETE FROM federation_states WHERE state_hash = ${bytes(stateHash)} AND provider_id = ${providerId}::uuid AND browser_hash = ${bytes(browserHash)}
          AND expires_at > ${now}::timestamptz RETURNING ciphertext`
      return row?.ciphertext ?? null
    },
    async putLink(browserHash, link, expiresAt) {
      await prisma.pendingLink.upsert({ where: { browserHash: bytes(browserHash) }, create: { browserHash: bytes(browserHash), ...link, expiresAt }, update: { ...link, expiresAt } })
    },
    findLink: (browserHash, now) => prisma.pendingLink.findFirst({
      where: { browserHash: bytes(browserHash), expiresAt: { gt: now } }, select: { userId: true, providerId: true, issuer: true, subject: true, email: true },
    }),
    async takeLink(tx, browserHash, userId, now) {
      const [row] = await tx.$queryRaw<PendingLinkRow[]>`
        DELETE FROM pending_links WHERE browser_hash = ${bytes(browserHash)} AND user_id = ${userId}::uuid AND expires_at > ${now}::timestamptz
        RETURNING user_id AS "userId", provider_id AS "providerId", issuer, subject, email`
      return row ?? null
    },
    async dropLink(browserHash) {
      await prisma.pendingLink.deleteMany({ where: { browserHash: bytes(browserHash) } })
    },
    async putCode({ codeHash, browserHash, ciphertext, expiresAt }) {
      await prisma.federationCode.create({ data: { codeHash: bytes(codeHash), browserHash: bytes(browserHash), ciphertext: bytes(ciphertext), expiresAt } })
    },
    async findCode(codeHash, browserHash, now) {
      const row = await prisma.federationCode.findFirst({ where: { codeHash: bytes(codeHash), browserHash: bytes(browserHash), expiresAt: { gt: now } }, select: { ciphertext: true } })
      return row?.ciphertext ?? null
    },
    async takeCode(tx, codeHash, browserHash, now) {
      const taken = await tx.$executeRaw`
        DELETE FROM federation_codes WHERE code_hash = ${bytes(codeHash)} AND browser_hash = ${bytes(browserHash)} AND expires_at > ${now}::timestamptz`
      return taken === 1
    },
  }
}
