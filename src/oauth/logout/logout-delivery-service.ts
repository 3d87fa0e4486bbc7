// Tells clients that a session of theirs is over: promised in the transaction that takes the note of it, done after that, again and again until the client
// answers or there is no use.
import { LRUCache } from 'lru-cache'
import { type KnownClient, wayOf } from '../../clients/index.js'
import type { Transact } from '../../database/transaction.js'
import type { Clock } from '../../kernel/clock.js'
import { type Outbound, OutboundError, type Way } from '../../outbound/index.js'
import { type QueueService, Undoable } from '../../queue/index.js'
import type { TokenService } from '../../tokens/index.js'
import { logoutClaims } from './logout-token.js'
import type { LeftClient, Logout, LogoutStore } from './logout-store.js'

export interface LogoutDeliveries {
  /** Ends grants of clients that were deleted or disabled, some each time, and promises what has been noted. */
  promiseNoted: () => Promise<void>
  /** Ends what time has ended, so that it is noted. */
  endExpired: () => Promise<void>
}

export interface LogoutDeliveryDeps {
  outbound: Pick<Outbound, 'fetch'>
  store: LogoutStore
  queue: Pick<QueueService, 'workOn' | 'promise'>
  tokens: Pick<TokenService, 'sign'>
  /** by the id of its row; null: it is gone */
  client: (id: string) => Promise<(LeftClient & Pick<KnownClient, 'registration'>) | null>
  transact: Transact
  clock: Clock
  config: { sessionIdleSeconds: number }
}

const QUEUE = 'oauth-logout'
const AT_ONCE = 8
const BATCH = 100
// each end is a row that all nodes read: no more than so many of a client in a second
const MOST_LEFT = 500
const LEFT_AGAIN_MS = 60_000
const SLOW_MS = 2_000
const MOST_UNWELL = 2_000

export function createLogoutDeliveries({ store, queue, outbound, tokens, client: clientOf, transact, clock, config }: LogoutDeliveryDeps): LogoutDeliveries {
  const unwell = new LRUCache<string, { isTried: boolean }>({ max: MOST_UNWELL })

  /** A client that fails or is slow is tried by one at a time until it answers well, so that it delays nobody else; its others wait for their next try. */
  async function spared(id: string, send: () => Promise<void>): Promise<void> {
    const state = unwell.get(id)
    if (state?.isTried) throw new Error('it did not answer well, and is being tried')
    if (state) state.isTried = true
    const beganMs = clock.monotonic()
    let isWell = false
    try {
      await send()
      isWell = clock.monotonic() - beganMs < SLOW_MS
    } catch (error) {
      isWell = error instanceof Undoable
      throw error
    } finally {
      if (state) state.isTried = false
      if (isWell) unwell.delete(id)
      else if (!unwell.has(id)) unwell.set(id, { isTried: false })
    }
  }

  async function tell({ grantId, clientId: id, userId }: Logout): Promise<void> {
    const known = await clientOf(id)
    const client = known ?? (await store.findLeft(id))
    // it has gone for long, or does not want to be told any more
    if (!client || client.backchannelLogoutUri === null) return
    const token = await tokens.sign(logoutClaims({ clientId: client.clientId, userId, grantId }, clock.now()), 'logout+jwt', client.idTokenAlgorithm)
    const to = client.backchannelLogoutUri
    // only those that somebody let in are told: nobody has vouched for a logout address of others
    await spared(id, () => send(to, token, wayOf({ registration: 'administrator', ...client })))
  }

  async function send(to: string, token: string, way: Way): Promise<void> {
    try {
      const { status } = await outbound.fetch(to, { way, method: 'POST', headers: { 'content-type': 'application/x-www-form-urlencoded' }, body: new URLSearchParams({ logout_token: token }).toString(), mostBytes: 16_384 })
      if (status >= 500 || status === 429 || status === 408) throw new Error(`it answered ${status}`)
      // it has said no, and will again (Back-Channel Logout 2.8)
      if (status >= 400) throw new Undoable(`it answered ${status}`)
    } catch (error) {
      if (error instanceof OutboundError && error.reason === 'refused') throw new Undoable('its address may not be asked', { cause: error })
      throw error
    }
  }

  queue.workOn({ queue: QUEUE, atOnce: AT_ONCE, outside: ({ payload }) => tell(payload as Logout) })

  return {
    async promiseNoted() {
      const nowMs = clock.now()
      await store.endLeft({ now: new Date(nowMs), againAt: new Date(nowMs + LEFT_AGAIN_MS) }, MOST_LEFT)
      while (await store.any()) {
        const taken = await transact(async (tx) => {
          const some = await store.take(tx, BATCH)
          for (const logout of some) await queue.promise(tx, { queue: QUEUE, payload: logout, about: { client: logout.clientId, session: logout.grantId } })
          return some.length
        })
        if (taken === 0) return
      }
    },
    async endExpired() {
      const nowMs = clock.now()
      while ((await store.endExpired({ now: new Date(nowMs), idleSince: new Date(nowMs - config.sessionIdleSeconds * 1_000) }, BATCH)) === BATCH);
    },
  }
}
