// Is it the owner's own device that signs in? By a token that an earlier sign-in gave it (a cookie, or `deviceToken`), or, weaker,
// by the address of a sign-in of the last thirty days. Neither proves who asks: a known device only waits in a lane of its own
// and is not held back by guesses that others made. Its owner sees where they have signed in from, and has it forgotten.
import { randomBytes } from 'node:crypto'
import type { AuditStore } from '../audit/index.js'
import type { Along, Transact } from '../database/transaction.js'
import type { Clock } from '../kernel/clock.js'
import { problem } from '../kernel/errors.js'
import { newId } from '../kernel/ids.js'
import type { Caller } from '../kernel/principal.js'
import { deviceName, shownUserAgent } from './device-name.js'
import { DEVICE_KEPT_SECONDS, deviceHash, deviceTokenOf, MOST_DEVICES, type Recognised } from './device-rules.js'
import type { DeviceStore } from './device-store.js'

export interface Remembering {
  along: Along
  /** The device's token: the one it came with, if its row was still there to be renewed, or a new one. */
  tokenOf: (isRenewed: boolean) => string
}

export interface DeviceView {
  id: string
  /** in short: "Firefox on Linux" */
  name: string
  userAgent: string
  /** of its last sign-in */
  address: string
  /** null: before this was noted */
  firstSeenAt: string | null
  lastSeenAt: string
  expiresAt: string
  /** is it the one that asks? */
  current: boolean
}

export interface DeviceService {
  /** A program in short, from what it says of itself: "Firefox on Linux". */
  nameOf: (userAgent: string) => string
  /** Remembers the device along with the statement of a sign-in. */
  remembering: (caller: Caller, userId: string, recognised: Recognised, deviceToken?: string) => Remembering
  /** The devices that are remembered, the last used first; 20 at most. `deviceToken`: of the one that asks. */
  list: (userId: string, deviceToken?: string) => Promise<DeviceView[]>
  /** Forgets one of the caller's devices: its next sign-in is a stranger's. Throws device.not_found. */
  forget: (caller: Caller, userId: string, id: string) => Promise<void>
}

export interface DeviceServiceDependencies {
  store: DeviceStore
  audit: AuditStore
  transact: Transact
  clock: Clock
}

export function createDeviceService({ store, audit, transact, clock }: DeviceServiceDependencies): DeviceService {
  return {
    nameOf: deviceName,
    async list(userId, deviceToken) {
      const rows = await store.list(userId, new Date(clock.now()), deviceHash(deviceToken))
      return rows.map(({ id, userAgent, address, firstSeenAt, usedAt, expiresAt, isAsking }) => ({
        id, name: deviceName(userAgent), userAgent, address, firstSeenAt: firstSeenAt?.toISOString() ?? null, lastSeenAt: usedAt.toISOString(), expiresAt: expiresAt.toISOString(), current: isAsking,
      }))
    },
    forget: (caller, userId, id) => transact(async (tx) => {
      if (!(await store.end(tx, userId, id, new Date(clock.now())))) throw problem('device.not_found')
      await audit.record(tx, caller, { action: 'device.forgotten', targetType: 'user', targetId: userId, details: { device: id } })
    }),
    remembering({ address, userAgent }, userId, recognised, deviceToken = '') {
      const made = deviceTokenOf(randomBytes(32))
      const nowMs = clock.now()
      const device = {
        userId, address, userAgent: shownUserAgent(userAgent), isAddressKnown: recognised?.by === 'address', usedAt: new Date(nowMs), expiresAt: new Date(nowMs + DEVICE_KEPT_SECONDS * 1_000),
      }
      const knownId = recognised?.by === 'device' && deviceHash(deviceToken) ? recognised.id : null
      return {
        along: store.remembering({ ...device, knownId, id: newId(), secretHash: deviceHash(made) ?? Buffer.alloc(0) }, MOST_DEVICES),
        tokenOf: (isRenewed) => (isRenewed ? deviceToken : made),
      }
    },
  }
}
