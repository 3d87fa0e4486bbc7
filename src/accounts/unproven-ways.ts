// What whoever was in an account before its owner may have left to come back by.
import type { Tx } from '../database/transaction.js'
import { NO_ADDRESS_DOMAIN } from './email.js'

/** Forgets the devices of an account, and the identities that do not prove its address. */
export async function forgetUnprovenWays(tx: Tx, userId: string): Promise<void> {
  await tx.knownDevice.deleteMany({ where: { userId } })
  await tx.$executeRaw`
    DELETE FROM external_identities i USING users u WHERE i.user_id = ${userId}::uuid AND u.id = i.user_id
      AND u.email NOT LIKE ${`%@${NO_ADDRESS_DOMAIN}`} AND i.proven_email IS DISTINCT FROM u.email`
}
