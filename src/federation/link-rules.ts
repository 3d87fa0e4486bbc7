// What becomes of somebody who has come back from a provider. An account is found by the identity alone, never by an address; an address that is an
// account's makes no link but a question, which only who can sign in to that account answers. Pure.
import type { ErrorCode } from '../kernel/errors.js'

export type Intent =
  | { kind: 'login' }
  /** the account that the identity is to be linked to, or must belong to, and the session it was asked in */
  | { kind: 'link' | 'stepup'; userId: string; sessionId: string }

export interface ArrivalFacts {
  intent: Intent
  /** whose the identity is; null: nobody's yet */
  ownerId: string | null
  /** of the address, where it may be believed; null: it may not, or nobody has it */
  accountOfEmail: string | null
  maySignUp: boolean
}

export type Verdict =
  | { act: 'sign_in'; userId: string }
  | { act: 'link'; userId: string }
  /** nothing to do: it is linked already */
  | { act: 'linked'; userId: string }
  | { act: 'step_up'; userId: string }
  | { act: 'ask_to_link'; userId: string }
  | { act: 'sign_up' }
  | { act: 'refuse'; code: ErrorCode }

const refuse = (code: ErrorCode): Verdict => ({ act: 'refuse', code })

export function judgeArrival({ intent, ownerId, accountOfEmail, maySignUp }: ArrivalFacts): Verdict {
  if (intent.kind === 'stepup') return ownerId === intent.userId ? { act: 'step_up', userId: ownerId } : refuse('identity.other')
  if (intent.kind === 'link') {
    if (ownerId === null) return { act: 'link', userId: intent.userId }
    return ownerId === intent.userId ? { act: 'linked', userId: ownerId } : refuse('identity.taken')
  }
  if (ownerId !== null) return { act: 'sign_in', userId: ownerId }
  if (accountOfEmail !== null) return { act: 'ask_to_link', userId: accountOfEmail }
  return maySignUp ? { act: 'sign_up' } : refuse('signup.closed')
}
