// People's identities at other systems: linked, listed, taken away. One is linked only by the signed-in owner of the account, and the last way to
// sign in is never taken away by its owner, who would be lost with it.
import type { AuditStore } from '../audit/index.js'
import { type AuthorityService, refuseGain, refuseWithout } from '../authority/index.js'
import type { Transact, Tx } from '../database/transaction.js'
import type { Clock } from '../kernel/clock.js'
import { problem } from '../kernel/errors.js'
import { newId } from '../kernel/ids.js'
import type { Caller } from '../kernel/principal.js'
import type { MailService } from '../mail/index.js'
import type { SessionService } from '../sessions/index.js'
import type { Addresses, IdentityKey, IdentityRow, IdentityStore } from './identity-store.js'
import { type Flavour, flavourOf } from './provider-rules.js'

export interface IdentityView {
  id: string
  provider: { id: string; name: string; brand: Flavour; enabled: boolean }
  /** as the provider said it last; nobody has proven it here */
  email: string | null
  createdAt: string
  lastUsedAt: string | null
}

export interface IdentityService {
  list: (userId: string) => Promise<IdentityView[]>
  /** Takes one's own away, and ends one's other sessions. Throws identity.not_found, identity.last. */
  unlink: (caller: Caller, id: string) => Promise<void>
  /** Takes somebody's away, and ends their sessions. Throws access.denied, permission.not_held, user.not_found, identity.not_found. */
  unlinkOf: (caller: Caller, userId: string, id: string) => Promise<void>
  /** Links in a transaction that holds the account's lock; `opens`: it is what the account is opened with. The owner is told of any other. Throws identity.taken, identity.cap_reached. */
  linkIn: (tx: Tx, caller: Caller, link: IdentityKey & Addresses & { userId: string; opens?: true }) => Promise<void>
}

export interface IdentityServiceDeps {
  store: IdentityStore
  sessions: SessionService
  authority: Pick<AuthorityService, 'hold' | 'target'>
  mail: MailService
  audit: AuditStore
  transact: Transact
  clock: Clock
}

const MOST_IDENTITIES = 20
const WRITE = 'gatehouse:users.write'

function viewOf({ provider: { id, name, kind, issuer, keyId, enabled }, createdAt, lastUsedAt, ...row }: IdentityRow): IdentityView {
  return {
    ...row, provider: { id, name, brand: flavourOf({ kind, issuer, hasClientKey: keyId !== null }), enabled }, createdAt: createdAt.toISOString(), lastUsedAt: lastUsedAt?.toISOString() ?? null,
  }
}

export function createIdentityService({ store, sessions, authority, mail, audit, transact, clock }: IdentityServiceDeps): IdentityService {
  const now = (): Date => new Date(clock.now())

  async function tell(tx: Tx, userId: string, kind: 'identity.linked' | 'identity.unlinked'): Promise<void> {
    await mail.tell(tx, userId, { kind, facts: { at: now().toISOString(), path: '/ui/account/identities' } })
  }

  async function remove(tx: Tx, caller: Caller, userId: string, id: string): Promise<void> {
    const gone = await store.delete(tx, id, userId)
    if (!gone) throw problem('identity.not_found')
    await audit.record(tx, caller, { action: 'identity.unlinked', targetType: 'user', targetId: userId, details: { identityId: id, providerId: gone.providerId, issuer: gone.issuer } })
    await tell(tx, userId, 'identity.unlinked')
  }

  return {
    list: async (userId) => (await store.list(userId)).map(viewOf),

    async unlink(caller, id) {
      const { principal } = caller
      if (!principal) throw problem('credentials.missing')
      await transact(async (tx) => {
        await store.lockUser(tx, principal.id)
        await remove(tx, caller, principal.id, id)
        if (!(await store.canSignIn(tx, principal.id))) throw problem('identity.last')
        // whoever came by way of it may be why it goes
        await sessions.endAll(tx, principal.id, principal.sessionId)
      })
    },

    async unlinkOf(caller, userId, id) {
      await audit.recordingRefusal(caller, { targetType: 'user', targetId: userId }, () => transact(async (tx) => {
        const held = await authority.hold(tx, caller, { narrowedUsers: [userId] })
        refuseWithout(held, WRITE)
        // it decides how they may come back, which is a gain over them
        refuseGain(held, await authority.target(tx, userId))
        await store.lockUser(tx, userId)
        await remove(tx, caller, userId, id)
        await sessions.endAll(tx, userId)
      }))
    },

    async linkIn(tx, caller, { userId, opens = false, ...key }) {
      if ((await store.count(tx, userId)) >= MOST_IDENTITIES) throw problem('identity.cap_reached')
      const id = newId()
      if (!(await store.insert(tx, { ...key, id, userId, at: now() }))) throw problem('identity.taken')
      await audit.record(tx, caller, {
        action: 'identity.linked', targetType: 'user', targetId: userId, details: { identityId: id, providerId: key.providerId, issuer: key.issuer },
        ...(caller.principal ? {} : { actorUserId: userId }),
      })
      if (!opens) await tell(tx, userId, 'identity.linked')
      if (await store.makeReal(tx, userId, now())) await audit.record(tx, caller, { action: 'user.upgraded', targetType: 'user', targetId: userId, ...(caller.principal ? {} : { actorUserId: userId }) })
    },
  }
}
