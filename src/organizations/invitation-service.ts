// Invitations into an organization: mailed, good once and for a week, for the account of that address and no other. What one gives is judged when it is taken, too:
// whoever gave it must still be able to. An invitation opens no account: who has none opens one first, as SIGN_UP lets.
import type { AuditStore } from '../audit/index.js'
import { type AuthorityService, isHeld } from '../authority/index.js'
import type { Transact, Tx } from '../database/transaction.js'
import type { Clock } from '../kernel/clock.js'
import { AppError, problem } from '../kernel/errors.js'
import { newId } from '../kernel/ids.js'
import type { ListQuery, PageText } from '../kernel/page.js'
import type { Caller } from '../kernel/principal.js'
import type { MailService } from '../mail/index.js'
import type { MailedLink, MailedLinkService } from '../mailed-links/index.js'
import type { OrganizationInvitationRow, OrganizationInvitationStore } from './invitation-store.js'
import type { MemberService } from './member-service.js'
import { personOf, refuseBeyond, refuseOthers, refuseRight, type Standing, worthOf } from './organization-rules.js'
import type { OrganizationRoleStore } from './organization-role-store.js'
import type { OrganizationRow, OrganizationStore } from './organization-store.js'
import type { StandingService } from './standing-service.js'

export interface OrganizationInvitationView {
  id: string
  organizationId: string
  email: string
  owner: boolean
  /** ids */
  roles: string[]
  invitedBy: string
  createdAt: string
  expiresAt: string
}

export interface NewOrganizationInvitation {
  email: string
  owner: boolean
  roles: string[]
}

export interface OrganizationInvitationService {
  /** Those that wait. Throws organization.not_found, access.denied. */
  list: (caller: Caller, organizationId: string, query: ListQuery) => Promise<PageText>
  /** Mails one, in place of one to the same address. Throws organization.not_found, access.denied, permission.not_held, role.unknown, organization.member_known, organization.invitations_full, rate.limited. */
  invite: (caller: Caller, organizationId: string, input: NewOrganizationInvitation) => Promise<OrganizationInvitationView>
  /** Throws organization.not_found, organization.invitation_not_found, access.denied. */
  withdraw: (caller: Caller, organizationId: string, id: string) => Promise<void>
  /** What a link is for, for its page; null for one that is no good. Uses nothing up. */
  look: (token: string) => Promise<{ name: string; email: string } | null>
  /** Puts the caller into the organization, once. Throws organization.invitation_void, access.denied for another address than theirs, organization.member_known, organization.full. */
  take: (caller: Caller, token: string) => Promise<{ organizationId: string }>
}

export interface OrganizationInvitationServiceDeps {
  store: OrganizationInvitationStore
  organizations: Pick<OrganizationStore, 'find' | 'gate'>
  roles: Pick<OrganizationRoleStore, 'findAll'>
  members: Pick<MemberService, 'join'>
  standings: StandingService
  authority: AuthorityService
  mailedLinks: MailedLinkService
  mail: MailService
  audit: AuditStore
  transact: Transact
  clock: Clock
  /** the one spelling of an address. Throws request.invalid. */
  normaliseEmail: (email: string) => string
  publishRevocations: () => Promise<void>
}

const KIND = 'organization.invitation'
const LIFE_DAYS = 7
const LIFE_MS = LIFE_DAYS * 86_400_000
const MOST_WAITING = 100
// a stranger's box is not to be filled, nor many by one inviter: those that were withdrawn count, too
const MOST_TO_AN_ADDRESS = 3
const MOST_BY_ONE = 200
const HOUR_SECONDS = 3_600

function viewOf({ id, organizationId, email, isOwner, roleIds, issuedBy, createdAt, expiresAt }: OrganizationInvitationRow): OrganizationInvitationView {
  return { id, organizationId, email, owner: isOwner, roles: roleIds, invitedBy: issuedBy, createdAt: createdAt.toISOString(), expiresAt: expiresAt.toISOString() }
}

const idOf = ({ details }: MailedLink): string => String((details as { invitationId?: unknown }).invitationId)

export function createOrganizationInvitationService(deps: OrganizationInvitationServiceDeps): OrganizationInvitationService {
  const { store, organizations, roles, members, standings, authority, mailedLinks, mail, audit, transact, clock, normaliseEmail, publishRevocations } = deps

  /** Refuses what the giver cannot give. */
  async function judge(tx: Tx, standing: Standing, { id, entitlement }: OrganizationRow, given: { isOwner: boolean; roleIds: readonly string[] }): Promise<void> {
    refuseRight(standing, 'members.write')
    if (given.isOwner) refuseOthers(standing)
    refuseBeyond(standing, entitlement, { ...worthOf(given.roleIds, await roles.findAll(tx, id, given.roleIds)), isOwner: given.isOwner })
  }

  /** The invitation of a link and what it leads into, behind the gates; null: it is void. */
  async function open(tx: Tx, caller: Caller, link: MailedLink | null): Promise<{ invitation: OrganizationInvitationRow; organization: OrganizationRow } | null> {
    if (!link?.givenBy) return null
    const held = await authority.hold(tx, caller, { users: [link.givenBy] })
    if (!isHeld(held) || !personOf(caller)) throw problem('access.denied')
    const known = await store.find(idOf(link), tx)
    if (!known) return null
    await organizations.gate(tx, known.organizationId, 'alone')
    // a later statement: what was withdrawn meanwhile is gone
    const invitation = await store.find(known.id, tx)
    const organization = invitation && (await organizations.find(invitation.organizationId, tx))
    if (!invitation || organization?.status !== 'active') return null
    const standing = await standings.ofGiver(tx, { userId: link.givenBy, keyId: link.givenWithKey }, organization)
    if (!standing) return null
    try {
      await judge(tx, standing, organization, invitation)
    } catch (error) {
      if (error instanceof AppError) return null
      throw error
    }
    return { invitation, organization }
  }

  return {
    async list(caller, organizationId, query) {
      const { standing } = await standings.see(caller, organizationId)
      if (!standings.seesAll(caller)) refuseRight(standing, 'members.read')
      return store.list(organizationId, new Date(clock.now()), query)
    },
    async invite(caller, organizationId, { email: typed, owner, roles: roleIds }) {
      const email = normaliseEmail(typed)
      return transact(async (tx) => {
        const { organization, standing } = await standings.open(tx, caller, organizationId, { mode: 'alone' })
        await judge(tx, standing, organization, { isOwner: owner, roleIds })
        const giver = caller.principal
        if (!giver) throw problem('credentials.missing')
        if (await store.isMember(tx, organizationId, email)) throw problem('organization.member_known')
        const createdAt = new Date(clock.now())
        const isFull = (await store.count(tx, organizationId, email, createdAt)) >= MOST_WAITING || (await mailedLinks.countLive(tx, KIND, giver.id)) >= MOST_BY_ONE
        if (isFull) throw problem('organization.invitations_full', { detail: `${MOST_WAITING} wait at most, and one person sends ${MOST_BY_ONE} in ${LIFE_DAYS} days` })
        const row: OrganizationInvitationRow = {
          id: newId(), organizationId, email, isOwner: owner, roleIds, issuedBy: giver.id, issuedVia: `${giver.authenticatedBy}:${giver.keyId ?? giver.sessionId ?? ''}`, createdAt,
          expiresAt: new Date(createdAt.getTime() + LIFE_MS),
        }
        await store.insert(tx, row)
        const link = await mailedLinks.give(tx, {
          kind: KIND, email, details: { invitationId: row.id }, givenBy: { userId: giver.id, keyId: giver.keyId ?? null }, lifeMs: LIFE_MS, mostAnHour: MOST_TO_AN_ADDRESS,
        })
        if (!link) throw problem('rate.limited', { retryAfterSeconds: HOUR_SECONDS })
        // its name is whatever somebody typed; its slug has few letters, and no room for a message
        await mail.send(tx, { kind: KIND, to: email, locale: await store.localeOf(tx, email), facts: { organization: organization.slug, days: LIFE_DAYS, path: `/ui/join?token=${link.token}` } })
        await audit.record(tx, caller, { action: 'organization_invitation.created', targetType: 'organization', targetId: organizationId, details: { invitation: row.id, owner, roles: roleIds } })
        return viewOf(row)
      })
    },
    async withdraw(caller, organizationId, id) {
      await transact(async (tx) => {
        const { standing } = await standings.open(tx, caller, organizationId, { mode: 'alone' })
        refuseRight(standing, 'members.write')
        if (!(await store.delete(tx, organizationId, id))) throw problem('organization.invitation_not_found')
        await audit.record(tx, caller, { action: 'organization_invitation.withdrawn', targetType: 'organization', targetId: organizationId, details: { invitation: id } })
      })
    },
    async look(token) {
      const link = await mailedLinks.find(KIND, token)
      const invitation = link && (await store.find(idOf(link)))
      const organization = invitation && (await organizations.find(invitation.organizationId))
      return organization?.status === 'active' && invitation ? { name: organization.name, email: invitation.email } : null
    },
    async take(caller, token) {
      const organizationId = await transact(async (tx) => {
        const opened = await open(tx, caller, await mailedLinks.take(tx, KIND, token))
        const invitee = opened && (await store.invitee(tx, caller.principal?.id ?? ''))
        if (!opened || !invitee?.isActive) throw problem('organization.invitation_void')
        const { invitation: { id, email, isOwner: owner, roleIds, issuedBy, issuedVia }, organization } = opened
        if (invitee.email !== email) throw problem('access.denied', { detail: 'The invitation is for another address: sign in with the account of that one' })
        const userId = caller.principal?.id ?? ''
        await members.join(tx, organization.id, { userId, owner, roles: roleIds }, { by: issuedBy, via: issuedVia })
        await store.delete(tx, organization.id, id)
        await audit.record(tx, caller, { action: 'organization_member.added', targetType: 'organization', targetId: organization.id, details: { userId, owner, roles: roleIds, invitation: id } })
        await publishRevocations()
        return organization.id
      })
      return { organizationId }
    },
  }
}
