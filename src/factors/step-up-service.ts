// Proving once more, inside a session, who one is: by the password, where the account has nothing better, else by a factor. The session then says
// how well and when; routes that ask for a recent proof (config.stepUp) open again on every node.
import type { FactorResetService } from './factor-reset-service.js'
import type { LoginThrottle, OwnPasswordService } from '../accounts/index.js'
import type { AuditStore } from '../audit/index.js'
import type { Transact, Tx } from '../database/transaction.js'
import type { Caller } from '../kernel/principal.js'
import { problem } from '../kernel/errors.js'
import type { Proven, SessionService } from '../sessions/index.js'
import type { FactorStore } from './factor-store.js'
import { inPerson } from './in-person.js'
import type { Purpose } from './passkey-challenges.js'
import type { PasskeyService, RequestOptions } from './passkey-service.js'
import type { Answer, Proofs } from './proof-service.js'

export interface StepUpProof {
  amr: readonly string[]
  /** two factors by themselves, or the second one of a session whose first is known */
  isMultiFactor: boolean
  /** Runs behind the lock of the account: uses up what may be used once. False: it was used before. */
  within?: (tx: Tx) => Promise<boolean>
}

export interface StepUpService {
  /** For `navigator.credentials.get`. Throws access.denied. */
  passkeyOptions: (caller: Caller) => Promise<RequestOptions>
  /** `cookieSecret`: the new id of a cookie session. Throws credentials.invalid, factor.invalid, factor.required, login.throttled, session.not_found, access.denied. */
  prove: (caller: Caller, answer: Answer | { method: 'password'; password: string }, cookieSecret?: string) => Promise<Proven>
  /** The same for what was proven elsewhere, as by an identity provider. Throws factor.required, factor.invalid, session.not_found, access.denied. */
  note: (caller: Caller, proof: StepUpProof, cookieSecret?: string) => Promise<Proven>
}

export interface StepUpServiceDependencies {
  store: FactorStore
  proofs: Proofs
  passkeys: PasskeyService
  ownPassword: OwnPasswordService
  sessions: SessionService
  throttle: LoginThrottle
  audit: AuditStore
  transact: Transact
  noteProof: FactorResetService['noteProof']
}

const stepUpPurpose = ({ sessionId }: { sessionId: string }): Purpose => ({ act: 'step_up', boundTo: sessionId })

export function createStepUpService({ store, proofs, passkeys, ownPassword, sessions, throttle, audit, transact, noteProof }: StepUpServiceDependencies): StepUpService {
  async function note(caller: Caller, { amr, isMultiFactor, within }: StepUpProof, cookieSecret?: string): Promise<Proven> {
    const { id } = inPerson(caller)
    return transact(async (tx) => {
      await store.lockUser(tx, id)
      if (within && !(await within(tx))) throw problem('factor.invalid')
      // else one proof of the weaker kind would renew what was proven by the stronger
      if (!isMultiFactor && (await store.methods(tx, id)).length > 0) throw problem('factor.required')
      const proven = await sessions.prove(tx, caller, { amr, isMultiFactor }, cookieSecret)
      await audit.record(tx, caller, { action: 'login.proven', targetType: 'user', targetId: id, details: { amr: [...proven.amr], acr: proven.acr } })
      return proven
    })
  }

  return {
    note,
    async passkeyOptions(caller) {
      const principal = inPerson(caller)
      return passkeys.requestOptions(principal.id, stepUpPurpose(principal))
    },
    async prove(caller, answer, cookieSecret) {
      const principal = inPerson(caller)
      if (answer.method === 'password') {
        const right = await ownPassword.check(caller, answer.password)
        if (!right) throw problem('credentials.invalid')
        return note(caller, {
          amr: ['pwd'], isMultiFactor: false,
          async within(tx) {
            if (!(await right.confirm(tx))) throw problem('credentials.invalid')
            return true
          },
        }, cookieSecret)
      }
      const about = { userId: principal.id, recognised: { by: 'session', id: principal.sessionId } as const, purpose: stepUpPurpose(principal) }
      return proofs.prove(caller, about, answer, async (checked, attempt) => note(caller, {
        amr: checked.amr, isMultiFactor: true,
        async within(tx) {
          if (!(await checked.consume(tx))) return false
          if (attempt) await throttle.succeeded(tx, attempt)
          await noteProof(tx, caller, principal.id)
          if (checked.method === 'recovery_code') await audit.record(tx, caller, { action: 'factor.code_used', targetType: 'user', targetId: principal.id })
          return true
        },
      }, cookieSecret))
    },
  }
}
