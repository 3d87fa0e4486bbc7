// What was given to prove a second factor, looked at: is it right, and what is to be used up when it counts? Codes are guessed at, so each look is
// counted before it, for the account and over all challenges; a signature cannot be guessed.
import type { LoginThrottle, Recognised, Reservation } from '../accounts/index.js'
import type { AuditStore } from '../audit/index.js'
import type { Tx } from '../database/transaction.js'
import type { Caller } from '../kernel/principal.js'
import type { Clock } from '../kernel/clock.js'
import { AppError, isProblem, problem } from '../kernel/errors.js'
import type { Secrets } from '../kernel/secrets.js'
import type { FactorStore } from './factor-store.js'
import type { Purpose } from './passkey-challenges.js'
import type { Assertion, PasskeyService } from './passkey-service.js'
import { recoveryCodeHash } from './recovery-code-rules.js'
import { readCode, SECRET_PURPOSE, stepOfCode } from './totp-rules.js'

export type Method = 'totp' | 'passkey' | 'recovery_code'
export type Answer = { method: 'totp' | 'recovery_code'; code: string } | { method: 'passkey'; assertion: Assertion }

/** A proof that is right. It counts when `consume` has won, in a transaction that has locked the account. */
export interface Checked {
  method: Method
  amr: string[]
  /** is it two factors by itself? */
  isMultiFactor: boolean
  consume: (tx: Tx) => Promise<boolean>
}

export interface Proofs {
  /**
   * Looks at an answer and runs `use` with it; a right one forgives the guesses before it as `use` says. Throws factor.invalid, login.throttled, and what
   * `use` throws: then nothing was guessed, unless it was factor.invalid.
   */
  prove: <T>(caller: Caller, about: { userId: string; recognised: Recognised; purpose: Purpose }, answer: Answer, use: (checked: Checked, attempt: Reservation | null) => Promise<T>) => Promise<T>
}

export interface ProofDependencies {
  store: FactorStore
  passkeys: PasskeyService
  throttle: LoginThrottle
  audit: AuditStore
  secrets: Secrets
  clock: Clock
}

const isWrong = (error: unknown): boolean => isProblem(error, 'factor.invalid')

export function createProofs({ store, passkeys, throttle, audit, secrets, clock }: ProofDependencies): Proofs {
  async function checkTotp(userId: string, typed: string): Promise<Checked | null> {
    const code = readCode(typed)
    for (const { id, secretCiphertext } of await store.listTotp(userId)) {
      const step = stepOfCode(secrets.decrypt(SECRET_PURPOSE, id, secretCiphertext), code, clock.now())
      if (step !== null) return { method: 'totp', amr: ['otp'], isMultiFactor: false, consume: (tx) => store.useTotp(tx, id, step, new Date(clock.now())) }
    }
    return null
  }

  function checkRecovery(userId: string, typed: string): Checked | null {
    const hash = recoveryCodeHash(userId, typed)
    return hash && { method: 'recovery_code', amr: ['recovery_code'], isMultiFactor: false, consume: (tx) => store.useCode(tx, userId, hash) }
  }

  async function refused(caller: Caller, userId: string, method: Method, cause?: unknown): Promise<never> {
    await audit.refused(caller, { action: 'login.failed', targetType: 'user', targetId: userId, details: { method } })
    throw cause instanceof AppError ? cause : problem('factor.invalid')
  }

  return {
    async prove(caller, { userId, recognised, purpose }, answer, use) {
      if (answer.method === 'passkey') {
        try {
          return await use(await passkeys.check(answer.assertion, purpose, userId), null)
        } catch (error) {
          if (isWrong(error)) return refused(caller, userId, 'passkey', error)
          throw error
        }
      }
      const { method, code } = answer
      const attempt = await throttle.reserveCode(caller, userId, recognised)
      const done = await throttle.whileReserved(attempt, async () => {
        const checked = method === 'totp' ? await checkTotp(userId, code) : checkRecovery(userId, code)
        if (!checked) return null
        try {
          return { result: await use(checked, attempt) }
        } catch (error) {
          // one that has been used stays a guess
          if (isWrong(error)) return null
          throw error
        }
      })
      return done === null ? refused(caller, userId, method) : done.result
    },
  }
}
