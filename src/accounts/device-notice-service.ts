// Tells people of a device that they have not signed in from before: once for each device, within a minute of the sign-in, whichever node gets to it.
// That it is due was written with the sign-in itself; here it is taken in the transaction that tells, so that it is told if and only if it is taken.
import type { AuditStore } from '../audit/index.js'
import type { Transact } from '../database/transaction.js'
import type { Job } from '../jobs/index.js'
import type { MailService } from '../mail/index.js'
import type { Caller } from '../kernel/principal.js'
import { deviceName } from './device-name.js'
import type { DeviceStore } from './device-store.js'

export interface DeviceNoticeDependencies {
  store: DeviceStore
  audit: AuditStore
  transact: Transact
  mail: MailService
}

const EVERY_MS = 60_000
const MOST = 100

export const TELLING = 'telling of new devices'

export function createDeviceNotices({ store, audit, transact, mail }: DeviceNoticeDependencies): Job {
  const tellSome = (): Promise<number> => transact(async (tx) => {
    const due = await store.takeDue(tx, MOST)
    for (const { id, userId, userAgent, address, firstSeenAt, usedAt } of due) {
      const device = deviceName(userAgent)
      const caller: Caller = { principal: null, address, userAgent, requestId: 'new device' }
      await audit.record(tx, caller, { action: 'device.new', targetType: 'user', targetId: userId, actorUserId: userId, details: { device: id, name: device } }) // oxlint-disable-line no-await-in-loop
      await mail.tell(tx, userId, { kind: 'device.new', facts: { device, address, at: (firstSeenAt ?? usedAt).toISOString(), path: '/ui/account/sessions' } }) // oxlint-disable-line no-await-in-loop
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
