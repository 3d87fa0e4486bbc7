// Rows that are accounts: each is judged as POST /users would judge it, or, where it is there already and may be changed, as PATCH /users/{id} would.
import type { AccountBatches, AccountChangeService, AccountDraft, ExistingAccount } from '../accounts/index.js'
import type { AuditStore } from '../audit/index.js'
import type { Caller } from '../kernel/principal.js'
import { failureOf, type Outcome } from './import-outcome.js'
import type { ImportRow } from './import-rows.js'
import type { ImportKind, ImportRequest, Judged } from './import-service.js'

/** A row as POST /users takes it. */
type UserInput = Parameters<AccountBatches['draftFor']>[1]

export interface UserImportDeps {
  accounts: AccountBatches
  changes: Pick<AccountChangeService, 'update'>
  audit: Pick<AuditStore, 'recordingRefusal'>
}

const sameRoles = (a: readonly string[], b: readonly string[]): boolean => a.length === b.length && a.toSorted().every((role, at) => role === b.toSorted()[at])

const emailOf = ({ value }: ImportRow): string[] => (typeof value === 'object' && value !== null && 'email' in value && typeof value.email === 'string' ? [value.email] : [])

export function createUserImport({ accounts, changes, audit }: UserImportDeps): ImportKind<AccountDraft> {
  /** What changes an account that is there into what its row says; its password stays whatever the row says. */
  async function update(caller: Caller, { id, name, roles }: ExistingAccount, input: UserInput): Promise<Outcome> {
    const patch = {
      ...(typeof input.name === 'string' && input.name.trim() !== name ? { name: input.name } : {}), ...(input.roles && !sameRoles(input.roles, roles) ? { roles: input.roles } : {}),
    }
    if (Object.keys(patch).length === 0) return { status: 'unchanged', id }
    await changes.update(caller, id, '*', patch)
    return { status: 'updated', id }
  }

  async function judge(caller: Caller, { value, errors }: ImportRow, existing: ReadonlyMap<string, ExistingAccount>, check: ImportRequest['check']): Promise<Judged<AccountDraft>> {
    const wrong = errors ?? check(value)
    if (wrong) return { outcome: { status: 'failed', code: 'request.invalid', errors: wrong } }
    const input = value as UserInput
    try {
      const draft = await audit.recordingRefusal(caller, { targetType: 'user', targetId: '' }, () => accounts.draftFor(caller, input))
      const known = draft.kind === 'service' ? undefined : existing.get(draft.email)
      return known ? { outcome: await update(caller, known, input) } : { draft }
    } catch (error) {
      return { outcome: failureOf(error) }
    }
  }

  return {
    name: '',
    columns: new Set(['email', 'name', 'kind', 'roles', 'password', 'hashScheme', 'hash']),
    objectOf: ({ roles, hashScheme, hash, ...rest }) => ({
      ...rest, ...(roles === undefined ? {} : { roles: roles.split(/[\s,;]+/).filter((role) => role !== '') }),
      ...(hashScheme === undefined && hash === undefined ? {} : { passwordHash: { ...(hashScheme === undefined ? {} : { scheme: hashScheme }), ...(hash === undefined ? {} : { hash }) } }),
    }),
    async judge(caller, rows, { mode, check }) {
      const existing = mode === 'upsert' ? await accounts.existing(rows.flatMap(emailOf)) : new Map<string, ExistingAccount>()
      const judged: Judged<AccountDraft>[] = []
      for (const row of rows) judged.push(await judge(caller, row, existing, check)) // oxlint-disable-line no-await-in-loop
      return judged
    },
    async write(tx, caller, drafts) {
      const ids = await accounts.openAll(tx, caller, drafts)
      return ids.map((id) => (id === null ? { status: 'failed', code: 'email.taken' } : { status: 'created', id }))
    },
  }
}
