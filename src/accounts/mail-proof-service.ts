// That mail to its address reaches who acts is a proof of an account. The first one counts for more: a stranger who knew the address may have
// opened the account and waited for its owner, so with it goes whatever may have been theirs.
import type { AuditStore } from '../audit/index.js'
import type { Tx } from '../database/transaction.js'
import type { Clock } from '../kernel/clock.js'
import type { Caller } from '../kernel/principal.js'
import type { MailService } from '../mail/index.js'
import type { SessionService } from '../sessions/index.js'
import type { AccountStore } from './account-store.js'
import type { MailProofStore } from './mail-proof-store.js'

export interface MailProofs {
  /** The active person's account that has the first of these spellings that is one's; locked, so that it does not change beneath what is mailed. */
  find: AccountStore['findForMail']
  /**
   * Notes that mail to this address has reached who acts, in a transaction that holds the account's row. Where that was never proven before, and
   * the account was opened by nobody but its holder, its sessions end, and its password, devices and unproven identities go: the owner is told.
   * False: it is not the account's address any more.
   */
  prove: (tx: Tx, caller: Caller, userId: string, email: string) => Promise<boolean>
}

export interface MailProofDependencies {
  store: MailProofStore
  accounts: Pick<AccountStore, 'findForMail' | 'verifyEmail'>
  sessions: SessionService
  mail: MailService
  audit: AuditStore
  clock: Clock
}

export function createMailProofs({ store, accounts, sessions, mail, audit, clock }: MailProofDependencies): MailProofs {
  return {
    find: accounts.findForMail,
    async prove(tx, caller, userId, email) {
      const at = new Date(clock.now())
      const isFirst = await store.isUnproven(tx, userId)
      if (!(await accounts.verifyEmail(tx, userId, email, at))) return false
      if (!isFirst) return true
      const hadPassword = await store.dropPassword(tx, userId, at)
      await store.forgetUnprovenWays(tx, userId)
      const ended = await sessions.endAll(tx, userId)
      await audit.record(tx, caller, { action: 'account.reclaimed', targetType: 'user', targetId: userId, actorUserId: userId, details: { passwordRemoved: hadPassword, sessionsEnded: ended } })
      if (hadPassword) await mail.tell(tx, userId, { kind: 'password.removed', facts: { at: at.toISOString(), path: '/ui/forgot' } })
      return true
    },
  }
}
