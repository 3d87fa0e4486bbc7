// Mailed links at rest. What may happen once (a use) or only so often (a try, a mail) is one conditional statement.
import { bytes } from '../database/along.js'
import type { PrismaClient } from '../database/generated/client.js'
import type { Tx } from '../database/transaction.js'

export interface LinkRow {
  id: string
  kind: string
  email: string
  userId: string | null
  codeHash: Uint8Array | null
  details: unknown
  givenBy: string | null
  givenWithKey: string | null
  createdAt: Date
  expiresAt: Date
}

export interface NewLinkRow extends Omit<LinkRow, 'details'> {
  details: object
  tokenHash: Uint8Array
  bindingHash: Uint8Array | null
}

export interface MailedLinkStore {
  /**
   * Keeps a link unless `most` of its kind, counted apart alike, went to its address since `since`; one at a time for an address. Where any of them
   * serves whoever reads the mails, one is always kept when none of those could be used any more: a stranger's asking leaves the owner with a link, whenever they look. Was it kept?
   */
  insert: (tx: Tx, link: NewLinkRow, budget: { most: number; since: Date; countedApart: string | null }) => Promise<boolean>
  /** One that could be used; uses nothing up. `binding`: of the browser that asks. */
  find: (kind: string, tokenHash: Uint8Array, binding: Uint8Array | null, now: Date) => Promise<LinkRow | null>
  /** Uses it up. Null for whoever comes second, and for one that was voided, is bound to another browser, or has expired. */
  take: (tx: Tx, kind: string, tokenHash: Uint8Array, binding: Uint8Array | null, now: Date) => Promise<LinkRow | null>
  /** The same by its id: for one whose code was found right. */
  takeById: (tx: Tx, id: string, now: Date) => Promise<LinkRow | null>
  /** Counts a try at the code of a link; null when there is none, or none is left. Never in another transaction. */
  takeTry: (kind: string, id: string, binding: Uint8Array | null, now: Date, most: number) => Promise<LinkRow | null>
  /** Could it be used, by whichever browser it is bound to? */
  isUnused: (kind: string, tokenHash: Uint8Array, now: Date) => Promise<boolean>
  /** How many of a kind were made for an account, or an address, since then, used or not. */
  countOf: (tx: Tx, kind: string, of: { userId: string } | { email: string }, since: Date) => Promise<number>
  /** How many of a kind that somebody has given could still be used. */
  countLive: (tx: Tx, kind: string, givenBy: string, now: Date) => Promise<number>
  /** Voids the unused ones of a kind and an account, or an address. How many. */
  void: (tx: Tx, kind: string, of: { userId: string } | { email: string }, now: Date) => Promise<number>
}

const ROW = { id: true, kind: true, email: true, userId: true, codeHash: true, details: true, givenBy: true, givenWithKey: true, createdAt: true, expiresAt: true } as const

const unused = (now: Date) => ({ usedAt: null, expiresAt: { gt: now } })
/** Bound to nobody, or to the browser that asks. */
const boundTo = (binding: Uint8Array | null) => ({ OR: [{ bindingHash: null }, ...(binding ? [{ bindingHash: bytes(binding) }] : [])] })

export function createMailedLinkStore({ prisma }: { prisma: PrismaClient }): MailedLinkStore {
  return {
    async insert(tx, { tokenHash, codeHash, bindingHash, ...link }, { most, since, countedApart }) {
      const { kind, email } = link
      // locked first: each statement behind it sees what the one before it has kept
      await tx.$executeRaw`SELECT pg_advisory_xact_lock(hashtextextended(${`mailed link ${kind} ${email}`}, 0))`
      const [counted] = await tx.$queryRaw<{ count: number }[]>`
        SELECT count(*)::int AS count FROM mailed_links WHERE email = ${email} AND kind = ${kind} AND created_at > ${since} AND details->>'countedApart' IS NOT DISTINCT FROM ${countedApart}`
      const isSpent = (counted?.count ?? 0) >= most
      if (isSpent && (bindingHash !== null || (await tx.mailedLink.count({ where: { kind, email, ...unused(link.createdAt) } })) > 0)) return false
      await tx.mailedLink.create({ data: { ...link, tokenHash: bytes(tokenHash), codeHash: codeHash && bytes(codeHash), bindingHash: bindingHash && bytes(bindingHash) } })
      return true
    },
    find: (kind, tokenHash, binding, now) => prisma.mailedLink.findFirst({
      where: { kind, tokenHash: bytes(tokenHash), ...unused(now), ...boundTo(binding) },
      select: ROW,
    }),
    async take(tx, kind, tokenHash, binding, now) {
      const [row] = await tx.mailedLink.updateManyAndReturn({
        where: { kind, tokenHash: bytes(tokenHash), ...unused(now), ...boundTo(binding) },
        data: { usedAt: now }, select: ROW,
      })
      return row ?? null
    },
    async takeById(tx, id, now) {
      const [row] = await tx.mailedLink.updateManyAndReturn({ where: { id, ...unused(now) }, data: { usedAt: now }, select: ROW })
      return row ?? null
    },
    async takeTry(kind, id, binding, now, most) {
      const [row] = await prisma.mailedLink.updateManyAndReturn({
        where: { kind, id, tries: { lt: most }, ...unused(now), ...boundTo(binding) },
        data: { tries: { increment: 1 } }, select: ROW,
      })
      return row ?? null
    },
    isUnused: async (kind, tokenHash, now) => (await prisma.mailedLink.count({ where: { kind, tokenHash: bytes(tokenHash), ...unused(now) } })) > 0,
    countOf: (tx, kind, of, since) => tx.mailedLink.count({ where: { kind, ...of, createdAt: { gt: since } } }),
    countLive: (tx, kind, givenBy, now) => tx.mailedLink.count({ where: { kind, givenBy, ...unused(now) } }),
    async void(tx, kind, of, now) {
      const { count } = await tx.mailedLink.updateMany({ where: { kind, ...of, ...unused(now) }, data: { usedAt: now } })
      return count
    },
  }
}
