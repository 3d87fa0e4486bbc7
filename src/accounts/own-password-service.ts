// The caller's own password, asked for once more inside a session. Guesses count like failed sign-ins; being right lasts only as long as the password.
import type { Caller } from '../kernel/principal.js'
import type { AuditStore } from '../audit/index.js'
import type { Tx } from '../database/transaction.js'
import type { AccountStore } from './account-store.js'
import { checkOrigin } from './hash-origin.js'
import type { LoginThrottle } from './login-throttle-service.js'
import type { PasswordHasher } from './password-hasher.js'

/** A password that was found right: `confirm` says in a transaction that has locked the account whether it still is, and forgives the guess. */
export interface RightPassword {
  confirm: (tx: Tx) => Promise<boolean>
}

export interface OwnPasswordService {
  /** Null: it is not the caller's, or they have none. Throws login.throttled, server.busy. */
  check: (caller: Caller, password: string) => Promise<RightPassword | null>
}

export interface OwnPasswordServiceDependencies {
  store: AccountStore
  hasher: PasswordHasher
  throttle: LoginThrottle
  audit: AuditStore
}

export function createOwnPasswordService({ store, hasher, throttle, audit }: OwnPasswordServiceDependencies): OwnPasswordService {
  return {
    async check(caller, password) {
      const { principal } = caller
      if (principal?.sessionId === undefined) return null
      const account = await store.findCredentials({ id: principal.id })
      if (!account) return null
      const { passwordHash } = account
      const attempt = await throttle.reserve(caller, account.email, { by: 'session', id: principal.sessionId })
      const right = await throttle.whileReserved(attempt, () => hasher.verify(password, passwordHash, checkOrigin(caller)))
      if (!right || passwordHash === null) {
        await audit.refused(caller, { action: 'login.failed', targetType: 'user', targetId: account.id, details: { method: 'password' } })
        return null
      }
      return {
        async confirm(tx) {
          if (!(await store.isPassword(tx, account.id, passwordHash))) return false
          await throttle.succeeded(tx, attempt)
          return true
        },
      }
    },
  }
}
