// For who has forgotten their password: a link to the account's address. That it was asked for is promised, for every address alike; whether there
// is an account is looked up behind the answer, so that neither what is answered nor how soon tells a stranger.
import type { Transact, Tx } from '../database/transaction.js'
import type { AuditStore } from '../audit/index.js'
import type { Caller } from '../kernel/principal.js'
import type { MailService } from '../mail/index.js'
import type { MailedLinkService } from '../mailed-links/index.js'
import type { QueueService } from '../queue/index.js'
import type { AccountStore } from './account-store.js'
import { emailSpellings } from './email.js'

export interface ForgottenPasswordService {
  /** Resolves for every address alike. Throws request.invalid for what is none. */
  ask: (caller: Caller, email: string) => Promise<void>
}

export interface ForgottenPasswordServiceDependencies {
  store: Pick<AccountStore, 'findForMail'>
  queue: QueueService
  mailedLinks: MailedLinkService
  mail: MailService
  audit: AuditStore
  transact: Transact
}

interface Asked {
  spellings: [string, ...string[]]
  caller: Omit<Caller, 'principal'>
}

const QUEUE = 'forgotten_password'
const LIFE_MINUTES = 20
// a stranger who asks in the owner's name sends the owner links that the owner may use: a cap keeps their box from being filled
const MOST_AN_HOUR = 3

export function createForgottenPasswordService({ store, queue, mailedLinks, mail, audit, transact }: ForgottenPasswordServiceDependencies): ForgottenPasswordService {
  async function answer(tx: Tx, { spellings, caller }: Asked): Promise<void> {
    const account = await store.findForMail(tx, spellings)
    if (!account) return
    const { id: userId, email, locale } = account
    const link = await mailedLinks.give(tx, { kind: 'password.reset', email, userId, lifeMs: LIFE_MINUTES * 60_000, mostAnHour: MOST_AN_HOUR })
    if (!link) return
    await mail.send(tx, { kind: 'password.reset_link', to: email, locale, facts: { minutes: LIFE_MINUTES, path: `/ui/reset?token=${link.token}` } })
    await audit.record(tx, { ...caller, principal: null }, { action: 'password.reset_asked', targetType: 'user', targetId: userId })
  }

  queue.workOn({ queue: QUEUE, atOnce: 2, inside: (tx, { payload }) => answer(tx, payload as Asked) })

  return {
    async ask({ address, userAgent, requestId }, typed) {
      const payload: Asked = { spellings: emailSpellings(typed), caller: { address, userAgent, requestId } }
      await transact(async (tx) => void (await queue.promise(tx, { queue: QUEUE, payload })))
    },
  }
}
