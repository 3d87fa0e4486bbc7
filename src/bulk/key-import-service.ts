// Rows that are keys which customers have already: each is judged as POST /keys would judge it, or, where it is known and may be changed, as
// PATCH /keys/{id} would. A key that was revoked does not come back, and none gets another owner. Members of an organization bring keys for it alone: few, for they are let in
// by nobody who runs this, and no organization has many.
import { isDeepStrictEqual } from 'node:util'
import { type AccountBatches, type ExistingAccount, normaliseEmail } from '../accounts/index.js'
import type { AuditStore } from '../audit/index.js'
import { problem } from '../kernel/errors.js'
import type { Caller } from '../kernel/principal.js'
import type { BroughtKey, ExistingKey, KeyBatches, KeyChangeService, KeyDraft } from '../keys/index.js'
import { failureOf, type Outcome } from './import-outcome.js'
import type { ImportRow } from './import-rows.js'
import type { ImportKind, Judged } from './import-service.js'

/** The owner by their id, or by the address of their account; or the organization that owns it. */
type KeyInput = BroughtKey & { ownerEmail?: string }

export interface KeyImportDeps {
  keys: KeyBatches
  keyChanges: Pick<KeyChangeService, 'update'>
  accounts: Pick<AccountBatches, 'existing'>
  audit: Pick<AuditStore, 'recordingRefusal' | 'refused'>
}

const FIELDS = ['name', 'permissions', 'limits', 'metadata', 'addresses'] as const
const COLUMNS = ['name', 'ownerUserId', 'ownerEmail', 'organizationId', 'key', 'hash', 'start', 'permissions', 'expiresAt', 'addresses']
const COLUMNS_OF_ORGANIZATION = ['name', 'key', 'permissions', 'expiresAt', 'addresses']
const MOST_LINES_OF_ORGANIZATION = 2_000
const MOST_BYTES_OF_ORGANIZATION = 2 * 1024 * 1024
const SEPARATOR = /[\s,;]+/
const listOf = (text: string): string[] => text.split(SEPARATOR).filter((one) => one !== '')

const addressOf = ({ value }: ImportRow): string[] => (typeof value === 'object' && value !== null && 'ownerEmail' in value && typeof value.ownerEmail === 'string' ? [value.ownerEmail] : [])

/** Throws request.invalid, owner.unknown. */
function ownerOf({ ownerUserId, ownerEmail, organizationId }: { [part in 'ownerUserId' | 'ownerEmail' | 'organizationId']: string | undefined }, owners: ReadonlyMap<string, ExistingAccount>): { ownerUserId: string } | { organizationId: string } {
  const named = [ownerUserId, ownerEmail, organizationId].filter((one) => one !== undefined)
  if (named.length !== 1) throw problem('request.invalid', { errors: [{ path: '/ownerUserId', message: 'either this, ownerEmail or organizationId' }] })
  if (organizationId !== undefined) return { organizationId }
  const id = ownerUserId ?? owners.get(normaliseEmail(ownerEmail ?? ''))?.id
  if (id === undefined) throw problem('owner.unknown')
  return { ownerUserId: id }
}

/** `of`: for that organization, by who may issue in it; without, for everybody, by who sells. */
export function createKeyImport({ keys, keyChanges, accounts, audit }: KeyImportDeps, of?: string): ImportKind<KeyDraft> {
  const target = of === undefined ? { targetType: 'key', targetId: '' } : { targetType: 'organization', targetId: of }

  /** What changes a key that is known into what its row says. Throws key.taken for another owner's, key.revoked. */
  async function update(caller: Caller, known: ExistingKey, draft: KeyDraft, input: KeyInput): Promise<Outcome> {
    if (known.ownerUserId !== draft.ownerUserId || known.organizationId !== draft.organizationId) throw problem('key.taken')
    if (known.revokedAt) throw problem('key.revoked')
    const patch = {
      ...Object.fromEntries(FIELDS.flatMap((field) => (input[field] === undefined || isDeepStrictEqual(draft[field], known[field]) ? [] : [[field, draft[field]]]))),
      ...(input.expiresAt === undefined || draft.expiresAt?.getTime() === known.expiresAt?.getTime() ? {} : { expiresAt: input.expiresAt }),
    }
    if (Object.keys(patch).length === 0) return { status: 'unchanged', id: known.id }
    await keyChanges.update(caller, known.id, '*', patch)
    return { status: 'updated', id: known.id }
  }

  /** Throws request.invalid, owner.unknown, permission.not_held. */
  function draftOf(caller: Caller, { ownerUserId, ownerEmail, organizationId, ...rest }: KeyInput, owners: ReadonlyMap<string, ExistingAccount>): KeyDraft {
    if (of !== undefined) return keys.draftFor(caller, { ...rest, organizationId: of }, of)
    return keys.draftFor(caller, { ...rest, ...ownerOf({ ownerUserId, ownerEmail, organizationId }, owners) })
  }

  return {
    // one key of an import is not the same for two organizations
    name: of === undefined ? 'keys ' : `keys of ${of} `,
    ...(of === undefined ? {} : { mostLines: MOST_LINES_OF_ORGANIZATION, mostBytes: MOST_BYTES_OF_ORGANIZATION }),
    columns: new Set(of === undefined ? COLUMNS : COLUMNS_OF_ORGANIZATION),
    objectOf: ({ permissions, addresses, ...rest }) => ({ ...rest, ...(permissions === undefined ? {} : { permissions: listOf(permissions) }), ...(addresses === undefined ? {} : { addresses: listOf(addresses) }) }),
    async judge(caller, rows, { mode, check }) {
      const addresses = rows.flatMap(addressOf)
      const owners = addresses.length === 0 ? new Map<string, ExistingAccount>() : await accounts.existing(addresses)
      const judged: Judged<KeyDraft>[] = []
      for (const { value, errors } of rows) {
        const wrong = errors ?? check(value)
        const input = value as KeyInput
        judged.push(wrong // oxlint-disable-next-line no-await-in-loop
          ? { outcome: { status: 'failed', code: 'request.invalid', errors: wrong } }
          : await audit.recordingRefusal(caller, target, async () => ({ draft: draftOf(caller, input, owners) })).catch((error: unknown) => ({ outcome: failureOf(error) })))
      }
      if (mode === 'insert') return judged
      const known = await keys.existing(judged.flatMap((one) => ('draft' in one ? [one.draft] : [])))
      for (const [at, one] of judged.entries()) {
        const key = 'draft' in one ? known.get(one.draft.keyHash.toString('hex')) : undefined
        const row = rows[at]
        if (!('draft' in one) || !key || !row) continue
        judged[at] = { outcome: await update(caller, key, one.draft, row.value as KeyInput).catch(failureOf) } // oxlint-disable-line no-await-in-loop
      }
      return judged
    },
    async write(tx, caller, drafts) {
      return (await keys.issueAll(tx, caller, drafts, of)).map((one) => (typeof one === 'string' ? { status: 'created', id: one } : failureOf(one)))
    },
    async written(caller, outcomes) {
      // what the commit has refused leaves its trace, as it does where keys come one by one
      const isRefused = outcomes.some((outcome) => outcome.status === 'failed' && outcome.code === 'permission.not_held')
      if (isRefused) await audit.refused(caller, { action: 'access.denied', ...target, details: { code: 'permission.not_held' } })
    },
  }
}
