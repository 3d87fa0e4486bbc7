// Accounts by the hundred, as a bulk import opens them: each is drafted and judged as if it came alone, and those of a batch are written in one
// transaction by a handful of statements. An address that is taken takes nothing from the others.
import type { AuditStore } from '../audit/index.js'
import { type AuthorityService, issuerOf, refuseGrant, refuseWithout } from '../authority/index.js'
import type { Tx } from '../database/transaction.js'
import type { Clock } from '../kernel/clock.js'
import { isProblem } from '../kernel/errors.js'
import { newId } from '../kernel/ids.js'
import type { Caller } from '../kernel/principal.js'
import type { AccountBatchStore, ExistingAccount } from './account-batch-store.js'
import type { AccountDraft, AccountService, NewAccount } from './account-service.js'
import { normaliseEmail, SERVICE_DOMAIN } from './email.js'
import { givenBy } from './role-rules.js'
import type { Role, RoleStore } from './role-store.js'

export interface AccountBatches {
  /** AccountService.draftFor; the roles it looks at are up to a second old. */
  draftFor: AccountService['draftFor']
  /** The accounts of these addresses, by their one spelling. Addresses that are none are left out. */
  existing: (emails: readonly string[]) => Promise<Map<string, ExistingAccount>>
  /** Opens drafted accounts; the ids in their order, null where the address is taken. Throws access.denied, permission.not_held, role.unknown: then none is opened. */
  openAll: (tx: Tx, caller: Caller, drafts: readonly AccountDraft[]) => Promise<(string | null)[]>
}

export interface AccountBatchDeps {
  store: AccountBatchStore
  roles: Pick<RoleStore, 'list'>
  /** an account service over other roles: those that are remembered for a second */
  drafting: (roles: Pick<RoleStore, 'list'>) => Pick<AccountService, 'draftFor'>
  authority: Pick<AuthorityService, 'require'>
  audit: Pick<AuditStore, 'recordAll'>
  clock: Clock
}

const IMPORT = 'gatehouse:users.import'
const REMEMBERED_MS = 1_000

function spellingOf(email: string): string[] {
  try {
    return [normaliseEmail(email)]
  } catch {
    return [] // it is refused where it is drafted
  }
}

export function createAccountBatches({ store, roles, drafting, authority, audit, clock }: AccountBatchDeps): AccountBatches {
  let known: { list: Promise<Role[]>; atMs: number } | null = null
  const remembered: Pick<RoleStore, 'list'> = {
    list(tx) {
      if (tx) return roles.list(tx)
      if (!known || clock.monotonic() - known.atMs >= REMEMBERED_MS) known = { list: roles.list(), atMs: clock.monotonic() }
      return known.list
    },
  }
  const accounts = drafting(remembered)

  return {
    draftFor: (caller: Caller, input: NewAccount) => accounts.draftFor(caller, input).catch((error: unknown) => {
      // it may be new
      if (!isProblem(error, 'role.unknown')) throw error
      known = null
      return accounts.draftFor(caller, input)
    }),

    existing: (emails) => store.existing(emails.flatMap(spellingOf)),

    async openAll(tx, caller, drafts) {
      const names = [...new Set(drafts.flatMap((draft) => draft.roles))]
      const held = await authority.require(tx, caller, 'gatehouse:users.write', { roles: names })
      if (drafts.some(({ imported }) => imported !== undefined)) refuseWithout(held, IMPORT)
      refuseGrant(held, givenBy(names, await roles.list(tx)))
      if (drafts.length === 0) return []
      const rows = drafts.map((draft) => ({ draft, id: newId() }))
      const taken = await store.insertAll(tx, rows.map(({ id, draft: { email, name, passwordHash, roles: given, kind = 'person' } }) => ({
        id, email: kind === 'service' ? `${id}@${SERVICE_DOMAIN}` : email, name, passwordHash, kind, roles: given,
      })), issuerOf(caller), new Date(clock.now()))
      const mine = rows.filter(({ id }) => !taken.has(id))
      await audit.recordAll(tx, caller, mine.map(({ id, draft: { kind = 'person', roles: given, passwordHash, imported } }) => ({
        action: 'user.created', targetType: 'user', targetId: id, details: { kind, roles: given, password: passwordHash !== null, ...(imported === undefined ? {} : { imported }), bulk: true },
      })))
      return rows.map(({ id }) => (taken.has(id) ? null : id))
    },
  }
}
