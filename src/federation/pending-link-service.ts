// An identity whose address is an account's: it waits in the browser that came, for ten minutes, and is linked when that very account signs in
// there by a way it had before, and says so.
import type { Transact } from '../database/transaction.js'
import type { Clock } from '../kernel/clock.js'
import { problem } from '../kernel/errors.js'
import type { Caller } from '../kernel/principal.js'
import type { IdentityService } from './identity-service.js'
import type { IdentityStore } from './identity-store.js'
import type { PassageStore } from './passage-store.js'
import type { ProviderStore } from './provider-store.js'

export interface PendingLinkService {
  /** What waits to be linked in this browser. Throws link.void. */
  pendingLink: (browser: Buffer | null) => Promise<{ provider: { id: string; name: string }; email: string }>
  /** Links it to the account of who asks, which must be the one it waits for. Throws link.void, identity.taken, identity.cap_reached. */
  confirmLink: (caller: Caller, browser: Buffer | null) => Promise<void>
  dropLink: (browser: Buffer | null) => Promise<void>
}

export interface PendingLinkServiceDeps {
  providers: ProviderStore
  passages: PassageStore
  identities: IdentityStore
  identityService: Pick<IdentityService, 'linkIn'>
  transact: Transact
  clock: Clock
}

export function createPendingLinkService({ providers, passages, identities, identityService, transact, clock }: PendingLinkServiceDeps): PendingLinkService {
  const now = (): Date => new Date(clock.now())

  return {
    async pendingLink(browser) {
      const link = browser && (await passages.findLink(browser, now()))
      const provider = link && (await providers.find(link.providerId))
      if (!link || !provider?.enabled) throw problem('link.void')
      return { provider: { id: provider.id, name: provider.name }, email: link.email }
    },

    async confirmLink(caller, browser) {
      const { principal } = caller
      if (!principal || browser === null) throw problem('link.void')
      await transact(async (tx) => {
        await identities.lockUser(tx, principal.id)
        const link = await passages.takeLink(tx, browser, principal.id, now())
        const provider = link && (await providers.find(link.providerId, tx))
        if (!link || !provider?.enabled || !(await identities.isOpen(tx, principal.id, principal.sessionId ?? null, now()))) throw problem('link.void')
        await identityService.linkIn(tx, caller, { ...link, provenEmail: link.email })
      })
    },

    async dropLink(browser) {
      if (browser !== null) await passages.dropLink(browser)
    },
  }
}
