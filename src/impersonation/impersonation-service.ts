// Acting for somebody, to see what they see and to repair it: begun in person, with a reason, by who may do all that they may; for a quarter of an
// hour, with less than either may do. What it is worth at each request is decided where entries are filled (src/decisions/entry.ts), what it may
// call in plugins/security/authenticate.ts; nothing that gives, lets in or lasts is among it.
import type { AuditStore } from '../audit/index.js'
import { type AuthorityService, refuseGain, refuseWithout } from '../authority/index.js'
import type { Transact } from '../database/transaction.js'
import type { Clock } from '../kernel/clock.js'
import { problem } from '../kernel/errors.js'
import { isUuid } from '../kernel/ids.js'
import type { Caller } from '../kernel/principal.js'
import type { MailService } from '../mail/index.js'
import type { SessionService } from '../sessions/index.js'

export interface StartedImpersonation {
  accessToken: string
  tokenType: 'Bearer'
  /** seconds; there is no refresh token */
  expiresIn: number
  sessionId: string
  /** whom it is for, and who acts */
  user: { id: string }
  act: { sub: string }
}

export interface ImpersonationService {
  /** Throws user.not_found, access.denied (no person's own session, or no leave), permission.not_held (they may do more), impersonation.unavailable. */
  start: (caller: Caller, userId: string, reason: string) => Promise<StartedImpersonation>
}

export interface ImpersonationDependencies {
  sessions: SessionService
  authority: AuthorityService
  mail: MailService
  audit: AuditStore
  transact: Transact
  clock: Clock
  publishRevocations: () => Promise<void>
}

const LIFE_SECONDS = 900

export function createImpersonationService({ sessions, authority, mail, audit, transact, clock, publishRevocations }: ImpersonationDependencies): ImpersonationService {
  return {
    start: (caller, userId, reason) => audit.recordingRefusal(caller, { targetType: 'user', targetId: userId }, () => transact(async (tx) => {
      const { principal } = caller
      // a key acts for nobody: whoever does is a person, who is there now and can be asked
      if (!principal?.sessionId || principal.act) throw problem('access.denied', { detail: 'Somebody who is signed in, as themselves' })
      if (!isUuid(userId)) throw problem('user.not_found')
      // like whoever sets their password: behind the gate of whom it is about, so that nobody is made more of meanwhile
      // and one start of a session after the other, so that each ends the one before
      const held = await authority.hold(tx, caller, { narrowedUsers: [userId], narrowedCredentials: [`sess:${principal.sessionId}`] })
      refuseWithout(held, 'gatehouse:users.impersonate')
      const target = await authority.target(tx, userId)
      refuseGain(held, target)
      if (target.kind !== 'person' || target.status !== 'active' || target.id === principal.id) throw problem('impersonation.unavailable')
      const { sessionId, accessToken, expiresAt } = await sessions.openImpersonation(tx, userId, caller, LIFE_SECONDS)
      await audit.record(tx, caller, { action: 'impersonation.started', targetType: 'user', targetId: userId, details: { reason, session: sessionId, expiresAt: expiresAt.toISOString() } })
      await mail.tell(tx, userId, { kind: 'account.impersonated', facts: { at: new Date(clock.now()).toISOString() } })
      // the one that this one replaces
      await publishRevocations()
      return { accessToken, tokenType: 'Bearer' as const, expiresIn: LIFE_SECONDS, sessionId, user: { id: userId }, act: { sub: principal.id } }
    })),
  }
}
