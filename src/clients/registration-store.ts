// Clients that came by themselves: how long they stay, by what token they may change, and what people have said yes to of what they were.
import { bytes } from '../database/along.js'
import type { PrismaClient } from '../database/generated/client.js'
import type { Tx } from '../database/transaction.js'

export interface RegistrationStore {
  /** What is null stays. `tokenHash`: of the token by which it may change itself. */
  note: (tx: Tx, id: string, facts: { tokenHash: Uint8Array | null; expiresAt: Date | null; documentReadAt: Date | null }) => Promise<void>
  /** The client that a token is of, if it is this one and there is one. */
  findToken: (id: string) => Promise<Uint8Array | null>
  /** When a document was read last, by the name of the client. */
  findDocument: (clientId: string) => Promise<{ id: string; readAt: Date } | null>
  /** Puts off the end of one that is used, once a day at most. */
  touch: (id: string, until: Date, unlessAfter: Date) => Promise<void>
  /** What was consented to was consented to for what it was. */
  forgetConsents: (tx: Tx, id: string) => Promise<void>
}

export function createRegistrationStore({ prisma }: { prisma: PrismaClient }): RegistrationStore {
  return {
    async note(tx, id, { tokenHash, expiresAt, documentReadAt }) {
      await tx.oAuthClient.update({ where: { id }, data: { ...(tokenHash ? { registrationTokenHash: bytes(tokenHash) } : {}), ...(expiresAt ? { expiresAt } : {}), ...(documentReadAt ? { documentReadAt } : {}) } })
    },
    async findToken(id) {
      const row = await prisma.oAuthClient.findUnique({ where: { id }, select: { registrationTokenHash: true } })
      return row?.registrationTokenHash ?? null
    },
    async findDocument(clientId) {
      const row = await prisma.oAuthClient.findUnique({ where: { clientId }, select: { id: true, documentReadAt: true } })
      return row?.documentReadAt ? { id: row.id, readAt: row.documentReadAt } : null
    },
    async touch(id, until, unlessAfter) {
      await prisma.oAuthClient.updateMany({ where: { id, expiresAt: { lt: unlessAfter } }, data: { expiresAt: until } })
    },
    async forgetConsents(tx, id) {
      await tx.oAuthConsent.deleteMany({ where: { clientId: id } })
    },
  }
}
