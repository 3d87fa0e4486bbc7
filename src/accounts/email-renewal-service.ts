// Accounts of before are kept under spellings that new ones are not given (email.ts). Where the new spelling is free the account is
// given it; where another account has it, the two are one address twice: told, never merged. Both can go on signing in.
import type { Caller } from '../kernel/principal.js'
import type { AuditStore } from '../audit/index.js'
import type { Transact } from '../database/transaction.js'
import type { Clock } from '../kernel/clock.js'
import { isProblem } from '../kernel/errors.js'
import type { AccountStore } from './account-store.js'
import { renewedEmail } from './email.js'

const BATCH = 500
const SHOWN = 20
const AT_START: Caller = { principal: null, address: '', userAgent: '', requestId: 'start' }

export interface RenewalReport {
  renewed: number
  /** accounts whose address is another account's, too */
  duplicates: number
  /** the first of them */
  ids: string[]
}

export interface EmailRenewal {
  /** Goes through all accounts that may be concerned, once; safe beside other nodes that do the same. */
  run: () => Promise<RenewalReport>
}

interface EmailRenewalDeps {
  store: Pick<AccountStore, 'listOddEmails' | 'renewEmail'>
  audit: AuditStore
  transact: Transact
  clock: Clock
}

export function createEmailRenewal({ store, audit, transact, clock }: EmailRenewalDeps): EmailRenewal {
  async function renew(id: string, email: string, renewed: string): Promise<'renewed' | 'changed' | 'duplicate'> {
    try {
      return await transact(async (tx) => {
        if (!(await store.renewEmail(tx, id, email, renewed, new Date(clock.now())))) return 'changed'
        await audit.record(tx, AT_START, { action: 'user.updated', targetType: 'user', targetId: id, details: { fields: ['email'], spelling: true } })
        return 'renewed'
      })
    } catch (error) {
      if (isProblem(error, 'email.taken')) return 'duplicate'
      throw error
    }
  }

  return {
    async run() {
      const report: RenewalReport = { renewed: 0, duplicates: 0, ids: [] }
      let after = '00000000-0000-0000-0000-000000000000'
      for (;;) {
        const rows = await store.listOddEmails(after, BATCH)
        for (const { id, email } of rows) {
          const renewed = renewedEmail(email)
          const outcome = renewed === null ? 'changed' : await renew(id, email, renewed)
          if (outcome === 'renewed') report.renewed += 1
          if (outcome === 'duplicate') report.duplicates += 1
          if (outcome === 'duplicate' && report.ids.length < SHOWN) report.ids.push(id)
        }
        const last = rows.at(-1)
        if (!last || rows.length < BATCH) return report
        after = last.id
      }
    },
  }
}
