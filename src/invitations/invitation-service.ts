// Invitations: somebody who may open accounts has one opened by who reads the mail of an address, with roles that they themselves could give. Whoever
// gave one is judged again when it is taken, as they are then, with the key they gave it with: what they have lost since, nobody gets by it.
import {
  type AccountService, type AccountStore, emailSpellings, MEMBER, normaliseEmail, type NamedRoles, type Open, type OpenCookie, type OpenedCookie, type OpenedTokens, type OpenToken,
  refuseServiceAddress, type SignIns,
} from '../accounts/index.js'
import type { AuditStore } from '../audit/index.js'
import { type AuthorityService, type Held, type Issuer, issuerOf, refuseEnd, refuseGrant, refuseWithout } from '../authority/index.js'
import type { Transact, Tx } from '../database/transaction.js'
import type { Clock } from '../kernel/clock.js'
import { isProblem, problem } from '../kernel/errors.js'
import { newId } from '../kernel/ids.js'
import { languageTag } from '../kernel/language-tag.js'
import type { ListQuery, PageText } from '../kernel/page.js'
import { holds } from '../kernel/permissions.js'
import type { Caller } from '../kernel/principal.js'
import type { MailService } from '../mail/index.js'
import type { MailedLink, MailedLinkService } from '../mailed-links/index.js'
import type { InvitationStore } from './invitation-store.js'

export interface InvitationView {
  id: string
  email: string
  /** names */
  roles: string[]
  givenBy: string | null
  givenWithKey: string | null
  createdAt: string
  expiresAt: string
}

export interface NewInvitation {
  email: string
  /** without them: a member */
  roles?: string[]
  /** of the mail, and of the account */
  locale?: string | null
}

export interface Acceptance {
  token: string
  password: string
  name?: string
}

export interface InvitationService {
  /**
   * Mails an invitation that opens an account within seven days. Throws signup.closed, access.denied, permission.not_held, role.unknown, request.invalid,
   * email.taken, invitation.cap_reached, rate.limited.
   */
  give: (caller: Caller, input: NewInvitation) => Promise<InvitationView>
  /** Those that can still be used. */
  list: (query: ListQuery) => Promise<PageText>
  /** Throws invitation.not_found, access.denied, permission.not_held. */
  revoke: (caller: Caller, id: string) => Promise<void>
  /** The address that an invitation is for; null for one that is no good. Uses nothing up, and does not say whether its giver still may. */
  emailOf: (token: string) => Promise<string | null>
  /** Opens the account, with the roles it was invited with, and signs in. Throws invitation.void, email.taken, password.weak, rate.limited, server.busy. */
  accept: {
    (caller: Caller, input: Acceptance, open: OpenToken): Promise<OpenedTokens>
    (caller: Caller, input: Acceptance, open: OpenCookie): Promise<OpenedCookie>
  }
}

export interface InvitationDependencies {
  store: InvitationStore
  accountStore: Pick<AccountStore, 'isTaken'>
  accounts: Pick<AccountService, 'draft' | 'createIn' | 'rolesNamed'>
  signIns: SignIns
  /** Throws signup.closed. */
  requireInvitations: () => Promise<void>
  authority: AuthorityService
  mailedLinks: MailedLinkService
  mail: MailService
  audit: AuditStore
  transact: Transact
  clock: Clock
}

interface Details {
  /** ids, for a role that is made anew under a name is another; and the names they had */
  roles: { id: string; name: string }[]
  via: string
  locale: string | null
}

const KIND = 'invitation'
const WRITE = 'gatehouse:users.write'
const BRAKE = 'gatehouse:brake'
const LIFE_DAYS = 7
const MOST_AN_HOUR = 3
const MOST_LIVE = 100
// what a giver has lost
const REFUSED = ['permission.not_held', 'access.denied', 'role.unknown'] as const

class GiverLost extends Error {}

function refuse(held: Held, { permissions }: NamedRoles): void {
  refuseWithout(held, WRITE)
  refuseGrant(held, permissions)
}

export function createInvitationService(dependencies: InvitationDependencies): InvitationService {
  const { store, accountStore, accounts, signIns, requireInvitations, authority, mailedLinks, mail, audit, transact, clock } = dependencies
  const now = (): Date => new Date(clock.now())

  async function give(tx: Tx, caller: Caller, { email: typed, roles: wanted = [MEMBER], locale = null }: NewInvitation): Promise<InvitationView> {
    const { principal } = caller
    if (!principal) throw problem('access.denied')
    const email = normaliseEmail(typed)
    refuseServiceAddress(email)
    const tag = locale === null ? null : languageTag(locale)
    if (tag === null && locale !== null) throw problem('request.invalid', { errors: [{ path: '/locale', message: 'must be a language tag (RFC 5646)' }] })
    const names = [...new Set(wanted)]
    const held = await authority.hold(tx, caller, { roles: names, cap: `invitations:${principal.id}` })
    refuseWithout(held, WRITE)
    const roles = await accounts.rolesNamed(tx, names)
    refuse(held, roles)
    // whoever may open accounts learns the same by trying
    if (await accountStore.isTaken(tx, emailSpellings(typed))) throw problem('email.taken')
    if ((await mailedLinks.countLive(tx, KIND, principal.id)) >= MOST_LIVE) throw problem('invitation.cap_reached', { detail: `At most ${MOST_LIVE} of one person, or machine, wait at a time` })
    const details: Details = { roles: roles.named, via: issuerOf(caller).via, locale: tag }
    const givenBy = { userId: principal.id, keyId: principal.keyId ?? null }
    // also where those before were revoked: giving and revoking in turn fills a box, too
    const isSpent = (await mailedLinks.countOf(tx, KIND, { email })) >= MOST_AN_HOUR
    const link = isSpent ? null : await mailedLinks.give(tx, { kind: KIND, email, details, givenBy, lifeMs: LIFE_DAYS * 86_400_000, mostAnHour: MOST_AN_HOUR })
    if (!link) throw problem('rate.limited', { detail: `At most ${MOST_AN_HOUR} invitations an hour go to one address`, retryAfterSeconds: 3_600 })
    await mail.send(tx, { kind: KIND, to: email, locale: tag, facts: { days: LIFE_DAYS, path: `/ui/invitation?token=${link.token}` } })
    await audit.record(tx, caller, { action: 'invitation.given', targetType: 'invitation', targetId: link.id, details: { roles: names } })
    return { id: link.id, email, roles: names, givenBy: givenBy.userId, givenWithKey: givenBy.keyId, createdAt: now().toISOString(), expiresAt: link.expiresAt.toISOString() }
  }

  /** The roles of an invitation, if whoever gave it could give it now. Throws GiverLost. */
  async function judge(tx: Tx, { givenBy, givenWithKey }: MailedLink, { roles }: Details): Promise<string[]> {
    const names = roles.map(({ name }) => name)
    const held = givenBy === null ? null : await authority.holdOf(tx, { userId: givenBy, keyId: givenWithKey }, { roles: names })
    try {
      if (!held) throw new GiverLost()
      const now = await accounts.rolesNamed(tx, names)
      refuse(held, now)
      if (roles.some(({ id }) => now.named.every((one) => one.id !== id))) throw new GiverLost()
      return names
    } catch (error) {
      throw isProblem(error, ...REFUSED) ? new GiverLost() : error
    }
  }

  async function open(caller: Caller, { token, password, name }: Acceptance, link: MailedLink, how: Open): Promise<OpenedTokens | OpenedCookie> {
    const details = link.details as Details
    const drafted = await accounts.draft({ ...caller, principal: null }, { email: link.email, password, ...(name === undefined ? {} : { name }) })
    const id = newId()
    const issuer: Issuer = { by: link.givenBy, via: details.via }
    const done = await signIns.complete(caller, {
      userId: id, amr: ['pwd'], open: how,
      async within(tx) {
        const roles = await judge(tx, link, details)
        if (!(await mailedLinks.take(tx, KIND, token))) throw problem('invitation.void')
        await accounts.createIn(tx, caller, { ...drafted, id, roles, issuer, locale: details.locale, emailVerified: true, signsIn: true })
        await audit.record(tx, caller, { action: 'invitation.accepted', targetType: 'user', targetId: id, actorUserId: id, details: { invitation: link.id, givenBy: link.givenBy ?? '' } })
        return true
      },
    })
    if (done.status !== 'signed_in') throw new Error('a new account has no second factor')
    return done
  }

  async function accept(caller: Caller, input: Acceptance, how: Open): Promise<OpenedTokens | OpenedCookie> {
    // a guess costs a look into an index, and neither a hash nor a row
    const link = await mailedLinks.find(KIND, input.token)
    if (!link) throw problem('invitation.void')
    try {
      return await open(caller, input, link, how)
    } catch (error) {
      if (!(error instanceof GiverLost)) throw error
      // gone for good: it is not judged a second time
      await transact(async (tx) => {
        if (!(await mailedLinks.takeById(tx, link.id))) return
        await audit.record(tx, caller, { action: 'invitation.refused', targetType: 'invitation', targetId: link.id, details: { givenBy: link.givenBy ?? '' } })
      })
      throw problem('invitation.void')
    }
  }

  return {
    async give(caller, input) {
      await requireInvitations()
      return audit.recordingRefusal(caller, { targetType: 'invitation', targetId: '' }, () => transact((tx) => give(tx, caller, input)))
    },
    list: (query) => store.list(query, now()),
    revoke: (caller, id) => audit.recordingRefusal(caller, { targetType: 'invitation', targetId: id }, () => transact(async (tx) => {
      const held = await authority.hold(tx, caller)
      const given = await store.lock(tx, id, now())
      if (!given) throw problem('invitation.not_found')
      if (!holds(held.permissions, BRAKE)) {
        refuseWithout(held, WRITE)
        const names = (given.details as Details).roles.map(({ name }) => name)
        if (given.givenBy !== caller.principal?.id) refuseEnd(held, (await accounts.rolesNamed(tx, names, 'some')).permissions)
      }
      await mailedLinks.takeById(tx, id)
      await audit.record(tx, caller, { action: 'invitation.revoked', targetType: 'invitation', targetId: id })
    })),
    emailOf: async (token) => (await mailedLinks.find(KIND, token))?.email ?? null,
    accept: accept as InvitationService['accept'],
  }
}
