// Signing in by a second factor, after a first one has left a challenge; and by a passkey alone, which is both.
import type { LoginThrottle, MfaRequired, Open, OpenCookie, OpenedCookie, OpenedTokens, OpenToken, SignIns } from '../accounts/index.js'
import type { AuditStore } from '../audit/index.js'
import type { Caller } from '../kernel/principal.js'
import { isProblem, problem } from '../kernel/errors.js'
import type { ChallengeRow, ChallengeService } from '../sessions/index.js'
import type { FactorResetService } from './factor-reset-service.js'
import type { Purpose } from './passkey-challenges.js'
import type { Assertion, PasskeyService, RequestOptions } from './passkey-service.js'
import type { Answer, Checked, Proofs } from './proof-service.js'

type Opened = OpenedTokens | OpenedCookie

export interface MfaInput {
  challenge: string
  answer: Answer
  deviceToken?: string | undefined
}

export interface PasskeySignIn {
  assertion: Assertion
  /** the browser that asked for the options; null: none, for tokens */
  browser: Buffer | null
  deviceToken?: string | undefined
}

export interface MfaService {
  /** For `navigator.credentials.get` in answer to a challenge. Throws challenge.invalid. */
  passkeyOptions: (challenge: string) => Promise<RequestOptions>
  /** Answers a challenge. Throws challenge.invalid, factor.invalid, login.throttled, session.cap_reached. */
  answer: {
    (caller: Caller, input: MfaInput & { open: OpenToken }): Promise<OpenedTokens>
    (caller: Caller, input: MfaInput & { open: OpenCookie }): Promise<OpenedCookie>
  }
  /** For signing in by a passkey alone, the same for everybody. */
  signInOptions: (browser: Buffer | null) => Promise<RequestOptions>
  /** Signs in by a passkey alone. Throws factor.invalid, session.cap_reached. */
  signIn: {
    (caller: Caller, input: PasskeySignIn & { open: OpenToken }): Promise<OpenedTokens>
    (caller: Caller, input: PasskeySignIn & { open: OpenCookie }): Promise<OpenedCookie>
  }
}

export interface MfaServiceDependencies {
  proofs: Proofs
  passkeys: PasskeyService
  challenges: ChallengeService
  signIns: SignIns
  throttle: LoginThrottle
  audit: AuditStore
  noteProof: FactorResetService['noteProof']
}

const purposeOf = ({ id }: ChallengeRow): Purpose => ({ act: 'mfa', boundTo: id })
const signInPurpose = (browser: Buffer | null): Purpose => (browser === null ? { act: 'sign_in', boundTo: '' } : { act: 'sign_in_cookie', boundTo: browser.toString('hex') })

/** Two factors were proven: there is nothing left to ask for. */
function opened(done: Opened | MfaRequired): Opened {
  if (done.status === 'mfa_required') throw new Error('a second factor was asked for after two were proven')
  return done
}

export function createMfaService({ proofs, passkeys, challenges, signIns, throttle, audit, noteProof }: MfaServiceDependencies): MfaService {
  async function answer(caller: Caller, { challenge, answer: given, deviceToken, open }: MfaInput & { open: Open }): Promise<Opened> {
    const waiting = await challenges.takeTry(challenge)
    if (!waiting || waiting.kind !== open.kind) throw problem('challenge.invalid')
    const { id, userId, amr } = waiting
    const recognised = await signIns.recognise(userId, deviceToken)
    const use = async (checked: Checked, attempt: Parameters<LoginThrottle['succeeding']>[0] | null): Promise<Opened> => {
      const done = await signIns.complete(caller, {
        userId, amr: [...amr, ...checked.amr], isMultiFactor: true, open, deviceToken, recognised, ...(attempt === null ? {} : { forgiven: throttle.succeeding(attempt) }),
        async within(tx) {
          if (!(await challenges.consume(tx, id))) throw problem('challenge.invalid')
          if (!(await checked.consume(tx))) throw problem('factor.invalid')
          if (checked.method === 'recovery_code') await audit.record(tx, caller, { action: 'factor.code_used', targetType: 'user', targetId: userId, actorUserId: userId })
          await noteProof(tx, caller, userId)
          return true
        },
      })
      return opened(done)
    }
    try {
      return await proofs.prove(caller, { userId, recognised, purpose: purposeOf(waiting) }, given, use)
    } catch (error) {
      // the account is no active person's any more: its challenge is over
      throw isProblem(error, 'credentials.invalid') ? problem('challenge.invalid', { cause: error }) : error
    }
  }

  async function signIn(caller: Caller, { assertion, browser, deviceToken, open }: PasskeySignIn & { open: Open }): Promise<Opened> {
    const checked = await passkeys.check(assertion, signInPurpose(browser), null)
    const { userId, amr } = checked
    try {
      return opened(await signIns.complete(caller, {
        userId, amr, isMultiFactor: checked.isMultiFactor, open, deviceToken,
        async within(tx) {
          if (!(await checked.consume(tx))) throw problem('factor.invalid')
          await noteProof(tx, caller, userId)
          return true
        },
      }))
    } catch (error) {
      if (!isProblem(error, 'credentials.invalid', 'factor.invalid')) throw error
      await audit.refused(caller, { action: 'login.failed', targetType: 'user', targetId: userId, details: { method: 'passkey' } })
      throw problem('factor.invalid', { cause: error })
    }
  }

  return {
    async passkeyOptions(challenge) {
      const waiting = await challenges.find(challenge)
      if (!waiting) throw problem('challenge.invalid')
      return passkeys.requestOptions(waiting.userId, purposeOf(waiting))
    },
    answer: answer as MfaService['answer'],
    signInOptions: (browser) => passkeys.requestOptions(null, signInPurpose(browser)),
    signIn: signIn as MfaService['signIn'],
  }
}
