// What somebody may do in an organization: to look, as of this moment; to change something, behind its gate and until the commit. To whoever is not in it, and
// may not look at all of them, an organization is one that there is not. So is every other one to who acts in one of theirs.
import { type AuthorityService, type GateScope, type Held, isHeld } from '../authority/index.js'
import type { Tx } from '../database/transaction.js'
import { problem } from '../kernel/errors.js'
import { NOBODY } from '../kernel/ids.js'
import { holds } from '../kernel/permissions.js'
import type { Caller } from '../kernel/principal.js'
import { personOf, READ, type Standing, standingOf, WRITE } from './organization-rules.js'
import type { OrganizationRow, OrganizationStore } from './organization-store.js'

export interface Opened {
  organization: OrganizationRow
  standing: Standing
  /** in Gatehouse itself */
  held: Held
}

export interface StandingService {
  /** May the caller look at every organization? */
  seesAll: (caller: Caller) => boolean
  /** To look. Throws organization.not_found. */
  see: (caller: Caller, id: string) => Promise<Opened['organization'] & { standing: Standing }>
  /** see, without the row: null where they may not. */
  standing: (caller: Caller, id: string) => Promise<Standing | null>
  /** standing, of many at once by one statement, in their order: for who is looked after as long as something goes on. */
  standingsOf: (asked: readonly { caller: Caller; id: string }[]) => Promise<(Standing | null)[]>
  /**
   * To change something: passes the gates of the caller and of `scope`, then that of the organization (`alone` to narrow, `beside` to give), and says what is so until the
   * commit. `mayAlso`: permissions that let somebody in who is neither member nor operator. Throws organization.not_found.
   */
  open: (tx: Tx, caller: Caller, id: string, how: { mode: 'alone' | 'beside'; scope?: GateScope; mayAlso?: readonly string[] }) => Promise<Opened>
  /** For who sells to many at once, and has passed their own gates: passes those of the organizations, beside others, and says what each is entitled to until the commit. */
  entitlements: (tx: Tx, ids: readonly string[]) => Promise<ReadonlyMap<string, readonly string[]>>
  /** open, for a giver who is not here, as they are now. Null: they may give nothing there any more. */
  ofGiver: (tx: Tx, giver: { userId: string; keyId: string | null }, organization: OrganizationRow) => Promise<Standing | null>
}

const isElsewhere = (caller: Caller, id: string): boolean => caller.principal?.organizationId !== undefined && caller.principal.organizationId !== id
const seesAll = ({ principal }: Caller): boolean => principal !== null && [READ, WRITE].some((permission) => holds(principal.permissions, permission))

/** As whom the caller looks at an organization. Whoever acts for a member sees what they see, and changes nothing. */
function lookerOf(caller: Caller, id: string): string | undefined {
  if (isElsewhere(caller, id)) return undefined
  return personOf(caller)?.id ?? (caller.principal?.act ? caller.principal.id : undefined)
}

export function createStandingService({ store, authority }: { store: OrganizationStore; authority: AuthorityService }): StandingService {
  async function find(id: string, tx?: Tx): Promise<OrganizationRow> {
    const organization = await store.find(id, tx)
    if (!organization) throw problem('organization.not_found')
    return organization
  }

  async function look(caller: Caller, id: string): Promise<{ organization: OrganizationRow; standing: Standing } | null> {
    const userId = lookerOf(caller, id)
    const membership = userId === undefined ? null : await store.membership(id, userId)
    const organization = membership || seesAll(caller) ? await store.find(id) : null
    return organization && { organization, standing: standingOf(organization, membership, caller.principal?.permissions ?? []) }
  }

  return {
    seesAll,
    async see(caller, id) {
      const seen = await look(caller, id)
      if (!seen) throw problem('organization.not_found')
      return { ...seen.organization, standing: seen.standing }
    },
    standing: async (caller, id) => (await look(caller, id))?.standing ?? null,
    async standingsOf(asked) {
      const seats = await store.seats(asked.map(({ caller, id }) => ({ organizationId: id, userId: lookerOf(caller, id) ?? NOBODY })))
      return asked.map(({ caller }, at) => {
        const seat = seats[at]
        return seat && (seat.membership || seesAll(caller)) ? standingOf(seat, seat.membership, caller.principal?.permissions ?? []) : null
      })
    },
    async open(tx, caller, id, { mode, scope = {}, mayAlso = [] }) {
      const held = await authority.hold(tx, caller, scope)
      await store.gate(tx, id, mode)
      const person = isHeld(held) && !isElsewhere(caller, id) ? personOf(caller) : null
      const membership = person && (await store.membership(id, person.id, tx))
      if (!membership && ![WRITE, READ, ...mayAlso].some((permission) => holds(held.permissions, permission))) throw problem('organization.not_found')
      const organization = await find(id, tx)
      return { organization, held, standing: standingOf(organization, membership, held.permissions) }
    },
    entitlements: store.entitlements,
    async ofGiver(tx, giver, organization) {
      const held = await authority.holdOf(tx, giver)
      if (!isHeld(held)) return null
      const membership = giver.keyId === null ? await store.membership(organization.id, giver.userId, tx) : null
      return standingOf(organization, membership, held.permissions)
    },
  }
}
