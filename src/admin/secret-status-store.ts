// How much is still under the secret before this one. Counts only: nothing is decrypted but the few signing keys, and nothing is shown.
import type pg from 'pg'
import type { Secrets } from '../kernel/secrets.js'

export interface SecretStatus {
  /** passwords under GATEHOUSE_SECRET, under GATEHOUSE_SECRET_PREVIOUS, made before hashes named their pepper, and under neither */
  passwords: { current: number; previous: number; unnamed: number; neither: number }
  signingKeys: { current: number; previous: number; neither: number }
}

export interface SecretStatusStore {
  read: () => Promise<SecretStatus>
}

export interface SecretStatusStoreDeps {
  pool: pg.Pool
  secrets: Secrets
  pepperIdOf: (secrets: Secrets) => string
  isUnder: (secrets: Secrets, kid: string, sealed: Uint8Array) => boolean
}

export function createSecretStatusStore({ pool, secrets, pepperIdOf, isUnder }: SecretStatusStoreDeps): SecretStatusStore {
  const { previous } = secrets
  return {
    async read() {
      const ids = [pepperIdOf(secrets), previous === null ? null : pepperIdOf(previous)]
      const { rows: [counts] } = await pool.query<SecretStatus['passwords'] & { total: number }>(`
        SELECT count(*)::int AS total, count(*) FILTER (WHERE id = $1)::int AS current, count(*) FILTER (WHERE id = $2)::int AS previous, count(*) FILTER (WHERE id = '')::int AS unnamed
        FROM (SELECT split_part(password_hash, '$', 2) AS id FROM users WHERE password_hash IS NOT NULL) AS hashes`, ids)
      const { total = 0, current = 0, previous: old = 0, unnamed = 0 } = counts ?? {}
      const signingKeys = { current: 0, previous: 0, neither: 0 }
      const { rows: keys } = await pool.query<{ kid: string; sealed: Buffer }>('SELECT kid, private_ciphertext AS sealed FROM signing_keys')
      for (const { kid, sealed } of keys) {
        if (previous !== null && isUnder(previous, kid, sealed)) signingKeys.previous += 1
        else if (isUnder(secrets, kid, sealed)) signingKeys.current += 1
        else signingKeys.neither += 1
      }
      return { passwords: { current, previous: old, unnamed, neither: total - current - old - unnamed }, signingKeys }
    },
  }
}
