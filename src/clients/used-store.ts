// What may be used once: an insert that wins, or does not.
import type pg from 'pg'

export interface UsedStore {
  /** Did we win? `hash`: of who made it and its id. */
  use: (hash: Buffer, expiresAt: Date) => Promise<boolean>
}

export function createUsedStore({ pool }: { pool: pg.Pool }): UsedStore {
  return {
    async use(hash, expiresAt) {
      const { rowCount } = await pool.query({ name: 'oauth-use', text: 'INSERT INTO oauth_used (hash, expires_at) VALUES ($1, $2) ON CONFLICT DO NOTHING', values: [hash, expiresAt] })
      return rowCount === 1
    },
  }
}
