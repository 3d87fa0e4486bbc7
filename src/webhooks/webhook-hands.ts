// Who manages which endpoints. The operator's are those of who holds gatehouse:webhooks.write, and lead there what whoever gave them is told themselves. An organization's are
// its own, whoever gave them: its people's by their rights in it, and they lead there what its log shows to whoever leads it. What is another's is one that there is not.
import type { AuthorityService } from '../authority/index.js'
import type { Tx } from '../database/transaction.js'
import { typesFor } from '../events/index.js'
import { problem } from '../kernel/errors.js'
import type { Caller } from '../kernel/principal.js'
import { refuseSight } from '../organization-log/index.js'
import { refuseRight, type StandingService } from '../organizations/index.js'
import type { WebhookStore } from './webhook-store.js'

const WRITE = 'gatehouse:webhooks.write'
const MOST = 200
const MOST_EACH = 20

/** Somebody who manages endpoints, as they are until the commit. */
export interface Hand {
  /** Nobody sends elsewhere what they are not told themselves. Throws permission.not_held, access.denied. */
  refuseUnseen: (types: readonly string[]) => void
  /** For one more. Throws webhook.cap_reached. */
  guardCap: (givenBy: string) => Promise<void>
}

/** `of`: the organization whose endpoints are meant; without, the operator's. */
export interface WebhookHands {
  /** To look. Throws organization.not_found, access.denied. */
  see: (caller: Caller, of?: string) => Promise<void>
  /** To change, as far as the request's credential tells: each change asks again, at the commit. Throws organization.not_found, access.denied. */
  mayWrite: (caller: Caller, of?: string) => Promise<void>
  /** To change, behind the gates. Throws organization.not_found, access.denied. */
  enter: (tx: Tx, caller: Caller, of?: string) => Promise<Hand>
}

export interface WebhookHandDeps {
  store: Pick<WebhookStore, 'count' | 'countOf'>
  authority: Pick<AuthorityService, 'require' | 'guardCap'>
  standings: Pick<StandingService, 'see' | 'seesAll' | 'open'>
}

function refuseMost(count: number, most: number, says = `At most ${most}`): void {
  if (count >= most) throw problem('webhook.cap_reached', { detail: says })
}

export function createWebhookHands({ store, authority, standings }: WebhookHandDeps): WebhookHands {
  return {
    async see(caller, of) {
      if (of === undefined) return
      const { standing } = await standings.see(caller, of)
      if (!standings.seesAll(caller)) refuseRight(standing, 'webhooks.read')
    },
    async mayWrite(caller, of) {
      if (of !== undefined) refuseRight((await standings.see(caller, of)).standing, 'webhooks.write')
    },
    async enter(tx, caller, of) {
      if (of === undefined) {
        const { permissions } = await authority.require(tx, caller, WRITE)
        return {
          refuseUnseen(types) {
            const unseen = types.filter((type) => typesFor({ types: [type] }, permissions).length === 0)
            if (unseen.length > 0 || typesFor({ types }, permissions).length === 0) throw problem('permission.not_held', { detail: `You are told of none of these events yourself: ${unseen.join(', ') || 'all'}` })
          },
          async guardCap(givenBy) {
            await authority.guardCap(tx, 'webhooks')
            refuseMost(await store.count(tx, givenBy), MOST_EACH)
            refuseMost(await store.count(tx), MOST)
          },
        }
      }
      const { organization: { webhooksMax }, standing, held } = await standings.open(tx, caller, of, { mode: 'beside', scope: { cap: `webhooks:${of}` } })
      refuseRight(standing, 'webhooks.write')
      return {
        refuseUnseen: () => refuseSight(held.permissions, standing),
        guardCap: async () => refuseMost(await store.countOf(tx, of), webhooksMax, `The organization may have ${webhooksMax}: its operator says so`),
      }
    },
  }
}
