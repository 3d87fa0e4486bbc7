// Access tokens that were revoked by themselves, until they would have ended.
import type { Tx } from '../database/transaction.js'

export interface RevokedTokenStore {
  /** False: it was revoked before. */
  insert: (tx: Tx, tokenId: string, expiresAt: Date) => Promise<boolean>
}

export function createRevokedTokenStore(): RevokedTokenStore {
  return {
    insert: async (tx, tokenId, expiresAt) => (await tx.$executeRaw`INSERT INTO oauth_revoked_tokens (jti, expires_at) VALUES (${tokenId}::uuid, ${expiresAt}) ON CONFLICT DO NOTHING`) === 1,
  }
}
