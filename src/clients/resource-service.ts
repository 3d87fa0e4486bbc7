// Resources as administrators see them: checked, versioned, audited. What a scope is worth is given to clients, so whoever writes it must hold it.
import type { AuditStore } from '../audit/index.js'
import { type AuthorityService, issuerOf, refuseGrant } from '../authority/index.js'
import type { Transact, Tx } from '../database/transaction.js'
import type { Clock } from '../kernel/clock.js'
import { problem } from '../kernel/errors.js'
import { newId } from '../kernel/ids.js'
import type { ListQuery, PageText } from '../kernel/page.js'
import type { Caller } from '../kernel/principal.js'
import { identifierFault, type NewResource, type ResourceFields, resourceFaults } from './resource-rules.js'
import { widenedScopes } from './scope-rules.js'
import type { ResourceRow, ResourceStore } from './resource-store.js'

export type ResourceView = Omit<ResourceRow, 'createdAt' | 'updatedAt'> & { createdAt: string; updatedAt: string }

export interface ResourceService {
  list: (query: ListQuery) => Promise<PageText>
  /** Throws resource.not_found. */
  find: (id: string) => Promise<ResourceView>
  /** Throws access.denied, permission.not_held, request.invalid, resource.taken, resource.cap_reached. */
  create: (caller: Caller, input: NewResource) => Promise<ResourceView>
  /** Throws access.denied, permission.not_held, request.invalid, resource.not_found, precondition.failed. */
  update: (caller: Caller, id: string, expected: number | '*', patch: Partial<ResourceFields>) => Promise<ResourceView>
  /** Tokens for it open nothing from then on. Throws access.denied, permission.not_held, resource.not_found, precondition.failed. */
  remove: (caller: Caller, id: string, expected: number | '*') => Promise<void>
}

export interface ResourceServiceDeps {
  store: ResourceStore
  audit: AuditStore
  authority: Pick<AuthorityService, 'require' | 'guardCap'>
  transact: Transact
  clock: Clock
  publicOrigin: () => string
  publishRevocations: () => Promise<void>
}

const WRITE = 'gatehouse:clients.write'
const MOST_RESOURCES = 1_000
const PRESETS: Omit<ResourceFields, 'name'> = { scopes: [], tokenSeconds: 300, algorithm: 'EdDSA', openToAll: false }

const allOf = ({ scopes }: Pick<ResourceFields, 'scopes'>): string[] => scopes.flatMap(({ permissions }) => permissions)

function viewOf({ createdAt, updatedAt, ...row }: ResourceRow): ResourceView {
  return { ...row, createdAt: createdAt.toISOString(), updatedAt: updatedAt.toISOString() }
}

function check(fields: Partial<ResourceFields>): void {
  const errors = fields.scopes ? resourceFaults({ scopes: fields.scopes }) : []
  if (errors.length > 0) throw problem('request.invalid', { errors })
}

export function createResourceService({ store, audit, authority, transact, clock, publicOrigin, publishRevocations }: ResourceServiceDeps): ResourceService {
  const now = (): Date => new Date(clock.now())

  function record(tx: Tx, caller: Caller, verb: string, { id, identifier, name, scopes, openToAll }: ResourceRow, fields?: string[]): Promise<void> {
    return audit.record(tx, caller, { action: `resource.${verb}`, targetType: 'resource', targetId: id, details: { identifier, name, scopes: JSON.stringify(scopes), openToAll, ...(fields ? { fields } : {}) } })
  }

  async function open(tx: Tx, id: string, expected: number | '*'): Promise<ResourceRow> {
    const known = await store.lock(tx, id)
    if (!known) throw problem('resource.not_found')
    if (expected !== '*' && expected !== known.version) throw problem('precondition.failed')
    return known
  }

  return {
    list: (query) => store.list(query),
    async find(id) {
      const row = await store.find(id)
      if (!row) throw problem('resource.not_found')
      return viewOf(row)
    },
    async create(caller, { identifier, ...input }) {
      const fault = identifierFault(identifier, publicOrigin())
      if (fault !== null) throw problem('request.invalid', { errors: [{ path: '/identifier', message: fault }] })
      check(input)
      return viewOf(await transact(async (tx) => {
        const held = await authority.require(tx, caller, WRITE)
        const fields = { ...PRESETS, ...input }
        refuseGrant(held, allOf(fields))
        await authority.guardCap(tx, 'resources')
        if ((await store.count(tx)) >= MOST_RESOURCES) throw problem('resource.cap_reached')
        const { by, via } = issuerOf(caller)
        const row = await store.insert(tx, { id: newId(), identifier, ...fields, issuedBy: by, issuedVia: via }, now())
        await record(tx, caller, 'created', row)
        await publishRevocations()
        return row
      }))
    },
    async update(caller, id, expected, patch) {
      check(patch)
      return viewOf(await transact(async (tx) => {
        const held = await authority.require(tx, caller, WRITE)
        const known = await open(tx, id, expected)
        refuseGrant(held, [...allOf(known), ...(patch.scopes ? allOf({ scopes: patch.scopes }) : [])])
        const row = await store.update(tx, id, known.version, patch, now())
        if (!row) throw problem('precondition.failed')
        const widened = widenedScopes(known.scopes, row.scopes)
        if (widened.length > 0) await store.forgetConsents(tx, known.identifier, widened, now())
        await record(tx, caller, 'updated', row, Object.keys(patch).toSorted())
        await publishRevocations()
        return row
      }))
    },
    async remove(caller, id, expected) {
      await transact(async (tx) => {
        await authority.require(tx, caller, WRITE)
        const known = await open(tx, id, expected)
        if (!(await store.delete(tx, id, known.version))) throw problem('precondition.failed')
        await record(tx, caller, 'deleted', known)
        await publishRevocations()
      })
    },
  }
}
