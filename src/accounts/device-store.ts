// Devices that users have signed in from, and the addresses of their past sign-ins.
import type pg from 'pg'
import type { PrismaClient } from '../database/generated/client.js'
import type { Tx } from '../database/transaction.js'

export interface DeviceStore {
  /** the device of this user with this token, if it has not ended */
  find: (userId: string, secretHash: Uint8Array, now: Date) => Promise<{ id: string } | null>
  insert: (tx: Tx, device: { id: string; userId: string; secretHash: Uint8Array; usedAt: Date; expiresAt: Date }) => Promise<void>
  /** Notes a use and a later end; false when the device is not the user's any more. */
  renew: (tx: Tx, id: string, userId: string, usedAt: Date, expiresAt: Date) => Promise<boolean>
  /** Deletes all but the user's newest. */
  keepNewest: (tx: Tx, userId: string, most: number) => Promise<void>
  /** the addresses of the user's last two hundred sign-ins since that time */
  listAddresses: (userId: string, since: Date) => Promise<string[]>
}

/** Prisma wants bytes over a plain ArrayBuffer. */
function bytes(value: Uint8Array): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(value)
}

export function createDeviceStore({ prisma, pool }: { prisma: PrismaClient; pool: pg.Pool }): DeviceStore {
  return {
    find: (userId, secretHash, now) =>
      prisma.knownDevice.findFirst({ where: { userId, secretHash: bytes(secretHash), expiresAt: { gt: now } }, select: { id: true } }),
    async insert(tx, { secretHash, ...device }) {
      await tx.knownDevice.create({ data: { ...device, secretHash: bytes(secretHash) } })
    },
    async renew(tx, id, userId, usedAt, expiresAt) {
      const { count } = await tx.knownDevice.updateMany({ where: { id, userId }, data: { usedAt, expiresAt } })
      return count === 1
    },
    async keepNewest(tx, userId, most) {
      await tx.$executeRaw`
        DELETE FROM known_devices WHERE id IN (SELECT id FROM known_devices WHERE user_id = ${userId}::uuid ORDER BY used_at DESC, id DESC OFFSET ${most})`
    },
    async listAddresses(userId, since) {
      const { rows } = await pool.query<{ address: string }>({
        name: 'device-addresses',
        text: `SELECT DISTINCT address FROM (
          SELECT address FROM sessions WHERE user_id = $1 AND created_at >= $2 ORDER BY created_at DESC LIMIT 200) AS latest`,
        values: [userId, since],
      })
      return rows.map(({ address }) => address)
    },
  }
}
