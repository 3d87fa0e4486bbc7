// The first administrator: opened once, by whoever holds the token that this installation printed, or from the environment.
// The token is derived from GATEHOUSE_SECRET, so every node of an installation prints and accepts the same one.
import { type AccountDraft, type AccountService, ADMIN, type OpenedTokens, type SignIns, type UserView } from '../accounts/index.js'
import type { Caller } from '../kernel/principal.js'
import type { AuditStore } from '../audit/index.js'
import type { Transact, Tx } from '../database/transaction.js'
import type { Clock } from '../kernel/clock.js'
import { problem } from '../kernel/errors.js'
import { newId } from '../kernel/ids.js'
import { equalBytes, type Secrets } from '../kernel/secrets.js'
import type { InstallationStore } from './installation-store.js'
import { setupToken } from './setup-token.js'

export interface SetupInput {
  token: string
  email: string
  password: string
  name?: string
}

export interface SetupService {
  /** The token that proves who installed this; the same on every node and after a restart. */
  token: () => string
  isDone: () => Promise<boolean>
  /** Opens the first administrator and signs in. Throws setup.done, setup.token_invalid, email.taken, password.weak, rate.limited, server.busy. */
  setUp: (caller: Caller, input: SetupInput) => Promise<OpenedTokens>
  /** Opens the configured administrator when there is no user yet; false when there is one. */
  bootstrapAdmin: (input: { email: string; password: string }) => Promise<boolean>
}

export interface SetupServiceDeps {
  store: InstallationStore
  accounts: AccountService
  signIns: SignIns
  audit: AuditStore
  secrets: Secrets
  transact: Transact
  clock: Clock
}

const AT_START: Caller = { principal: null, address: '', userAgent: '', requestId: 'start' }

export function createSetupService({ store, accounts, signIns, audit, secrets, transact, clock }: SetupServiceDeps): SetupService {
  const token = setupToken(secrets)
  // one that was shown before the secret was rotated is as good
  const tokens = [secrets, ...(secrets.previous ? [secrets.previous] : [])].map((one) => Buffer.from(setupToken(one)))

  /** Takes the installation's one row, then opens the administrator; null when somebody else has the row. */
  async function install(tx: Tx, caller: Caller, draft: AccountDraft, id = newId()): Promise<UserView | null> {
    if (!(await store.insert(tx, id, new Date(clock.now())))) return null
    const user = await accounts.createIn(tx, caller, { ...draft, id, roles: [ADMIN] })
    await audit.record(tx, caller, { action: 'installation.set_up', targetType: 'user', targetId: id, actorUserId: id })
    return user
  }

  return {
    token: () => token,
    isDone: () => store.exists(),
    async setUp(caller, { token: given, ...input }) {
      if (await store.exists()) throw problem('setup.done')
      if (!tokens.some((one) => equalBytes(Buffer.from(given), one))) throw problem('setup.token_invalid')
      const draft = { ...(await accounts.draft(caller, input)), signsIn: true }
      const id = newId()
      const done = await signIns.complete(caller, {
        userId: id, amr: ['pwd'], open: { kind: 'token' },
        async within(tx) {
          if (!(await install(tx, caller, draft, id))) throw problem('setup.done')
          return true
        },
      })
      if (done.status !== 'signed_in') throw new Error('a new account has no second factor')
      return done
    },
    async bootstrapAdmin(input) {
      if (await store.exists()) return false
      const draft = await accounts.draft(AT_START, input)
      return transact(async (tx) => !(await store.hasUsers(tx)) && (await install(tx, AT_START, draft)) !== null)
    },
  }
}
