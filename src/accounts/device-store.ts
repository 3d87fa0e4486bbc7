// Devices that users have signed in from.
import type pg from 'pg'
import { bytes } from '../database/along.js'
import { Prisma } from '../database/generated/client.js'
import { prepared } from '../database/prepared.js'
import type { Along, Tx } from '../database/transaction.js'

export interface RememberedDevice {
  /** the device it may be already */
  knownId: string | null
  /** what a new one gets */
  id: string
  secretHash: Uint8Array
  userId: string
  usedAt: Date
  expiresAt: Date
  address: string
  userAgent: string
  /** was the account signed in to from there before? */
  isAddressKnown: boolean
}

export interface DeviceRow {
  id: string
  userAgent: string
  address: string
  /** null: it was made by a version that did not note it */
  firstSeenAt: Date | null
  usedAt: Date
  expiresAt: Date
  isAsking: boolean
}

export interface DueDevice extends Omit<DeviceRow, 'expiresAt' | 'isAsking'> {
  userId: string
}

export interface DeviceStore {
  /** The user's devices that have not ended, the last used first; `asking`: the hash of the one that asks. */
  list: (userId: string, now: Date, asking: Uint8Array | null) => Promise<DeviceRow[]>
  /** Ends a device; its row goes in time, so that what is due of it is told. False: the user has no such device, or it has ended. */
  end: (tx: Tx, userId: string, id: string, now: Date) => Promise<boolean>
  /** Takes at most `most` devices of which their owners are still to be told; nobody else takes them, unless this transaction fails. */
  takeDue: (tx: Tx, most: number) => Promise<DueDevice[]>
  /**
   * Along with another statement: notes a use and a later end of the known device when it is the user's still, which `device_renewed` tells, or
   * else makes a new one, and deletes all but the `most` newest. A new one is to be told to its owner when they have others, or have signed in before from elsewhere.
   */
  remembering: (device: RememberedDevice, most: number) => Along
}

const LIST = `
  SELECT id, user_agent AS "userAgent", address, first_seen_at AS "firstSeenAt", used_at AS "usedAt", expires_at AS "expiresAt",
    coalesce(secret_hash = $3::bytea, false) AS "isAsking"
  FROM known_devices WHERE user_id = $1::uuid AND expires_at > $2::timestamptz ORDER BY used_at DESC, id DESC`

export function createDeviceStore({ pool }: { pool: pg.Pool }): DeviceStore {
  return {
    async list(userId, now, asking) {
      const { rows } = await pool.query<DeviceRow>(prepared('devices', LIST, [userId, now.toISOString(), asking]))
      return rows
    },
    async end(tx, userId, id, now) {
      const { count } = await tx.knownDevice.updateMany({ where: { id, userId, expiresAt: { gt: now } }, data: { expiresAt: now } })
      return count === 1
    },
    takeDue: (tx, most) => tx.$queryRaw<DueDevice[]>`
      WITH due AS (SELECT id FROM known_devices WHERE notice_due ORDER BY id LIMIT ${most} FOR UPDATE SKIP LOCKED)
      UPDATE known_devices d SET notice_due = false FROM due, users u WHERE d.id = due.id AND u.id = d.user_id
      RETURNING d.id, d.user_id AS "userId", d.user_agent AS "userAgent", d.address, d.first_seen_at AS "firstSeenAt", d.used_at AS "usedAt"`,
    remembering: ({ knownId, id, secretHash, userId, usedAt, expiresAt, address, userAgent, isAddressKnown }, most) => (when) => {
      const isNew = Prisma.sql`EXISTS (SELECT FROM ${when}) AND NOT EXISTS (SELECT FROM device_renewed)`
      // as it was before this statement: the sign-in itself is not in it
      const isTold = Prisma.sql`EXISTS (SELECT FROM known_devices WHERE user_id = ${userId}::uuid)
        OR (NOT ${isAddressKnown} AND EXISTS (SELECT FROM users WHERE id = ${userId}::uuid AND last_login_at > 'epoch'))`
      return {
        device_renewed: Prisma.sql`
          UPDATE known_devices SET used_at = ${usedAt}::timestamptz, expires_at = ${expiresAt}::timestamptz, address = ${address}, user_agent = ${userAgent}
          WHERE id = ${knownId}::uuid AND user_id = ${userId}::uuid AND expires_at > ${usedAt}::timestamptz AND EXISTS (SELECT FROM ${when}) RETURNING id`,
        device_made: Prisma.sql`
          INSERT INTO known_devices (id, user_id, secret_hash, used_at, expires_at, first_seen_at, address, user_agent, notice_due)
          SELECT ${id}::uuid, ${userId}::uuid, ${bytes(secretHash)}::bytea, ${usedAt}::timestamptz, ${expiresAt}::timestamptz, ${usedAt}::timestamptz, ${address}, ${userAgent}, ${isTold}
          WHERE ${isNew}`,
        // the new one is not among them: no part of a statement sees what another has written
        devices_dropped: Prisma.sql`
          DELETE FROM known_devices WHERE ${isNew}
            AND id IN (SELECT id FROM known_devices WHERE user_id = ${userId}::uuid ORDER BY used_at DESC, id DESC OFFSET ${most - 1})`,
      }
    },
  }
}
