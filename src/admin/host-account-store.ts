// What the host's own commands ask of accounts, beside src/accounts/account-store.ts.
import type { Tx } from '../database/transaction.js'

export interface HostAccount {
  id: string
  kind: 'person' | 'service'
  status: 'active' | 'suspended'
  roles: string[]
}

export interface HostAccountStore {
  /** Finds an account by its e-mail, and keeps it from being changed until the transaction ends. */
  lock: (tx: Tx, email: string) => Promise<HostAccount | null>
  /** Sets a person's password, whatever it was; false where there is no such person. */
  setPassword: (tx: Tx, id: string, passwordHash: string, at: Date) => Promise<boolean>
  /** Ends every session; how many had not ended. */
  endSessions: (tx: Tx, id: string, at: Date) => Promise<number>
}

export function createHostAccountStore(): HostAccountStore {
  return {
    async lock(tx, email) {
      await tx.$queryRaw`SELECT id FROM users WHERE email = ${email} FOR UPDATE`
      const user = await tx.user.findUnique({ where: { email }, select: { id: true, kind: true, status: true, roles: { select: { roleName: true } } } })
      return user && { ...user, roles: user.roles.map(({ roleName }) => roleName) }
    },
    async setPassword(tx, id, passwordHash, at) {
      const { count } = await tx.user.updateMany({ where: { id, kind: 'person' }, data: { passwordHash, updatedAt: at, version: { increment: 1 } } })
      return count === 1
    },
    async endSessions(tx, userId, at) {
      const { count } = await tx.session.updateMany({ where: { userId, endedAt: null }, data: { endedAt: at } })
      return count
    },
  }
}
