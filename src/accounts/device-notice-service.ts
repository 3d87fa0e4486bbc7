// Tells people of a device that they have not signed in from before: once for each device, within a minute of the sign-in, whichever node gets to it.
// That it is due was written with the sign-in itself; here it is taken in the transaction that tells, so that it is told if and only if it is taken.
import type { AuditStore } from '../audit/index.js'
import type { Transact, Tx } from '../database/transaction.js'
import type { Job } from '../jobs/index.js'
import type { Caller } from '../kernel/principal.js'
import { deviceName } from './device-name.js'
import type { DeviceStore } from './device-store.js'
import { shownEmail } from './email.js'

export interface NewDeviceNotice {
  userId: string
  /** null: the account has no address, and its owner reads of it in their list alone */
  email: string | null
  /** in short: "Firefox on Linux" */
  device: string
  address: string
  at: Date
}

export interface DeviceNoticeDependencies {
  store: DeviceStore
  audit: AuditStore
  transact: Transact
  /** promises a message in this transaction */
  tell?: ((tx: Tx, notice: NewDeviceNotice) => Promise<void>) | undefined
}

const EVERY_MS = 60_000
const MOST = 100

export const TELLING = 'telling of new devices'

export function createDeviceNotices({ store, audit, transact, tell }: DeviceNoticeDependencies): Job {
  const tellSome = (): Promise<number> => transact(async (tx) => {
    const due = await store.takeDue(tx, MOST)
    for (const { id, userId, email, userAgent, address, firstSeenAt, usedAt } of due) {
      const device = deviceName(userAgent)
      const caller: Caller = { principal: null, address, userAgent, requestId: 'new device' }
      await audit.record(tx, caller, { action: 'device.new', targetType: 'user', targetId: userId, actorUserId: userId, details: { device: id, name: device } }) // oxlint-disable-line no-await-in-loop
      await tell?.(tx, { userId, email: shownEmail(email), device, address, at: firstSeenAt ?? usedAt }) // oxlint-disable-line no-await-in-loop
    }
    return due.length
  })
  return {
    name: TELLING, everyMs: EVERY_MS,
    async work() {
      while ((await tellSome()) === MOST);
    },
  }
}
