// How a password is kept and checked: bcrypt over base64(HMAC-SHA-256(pepper, password)), so that byte 73 counts (bcrypt
// reads 72) and a stolen table alone cannot be searched. Work is bounded: past the queue the server says it is busy.
import { createHmac } from 'node:crypto'
import { availableParallelism } from 'node:os'
import { genSaltSync, hash as bcryptHash, verify as bcryptVerify } from '@node-rs/bcrypt'
import { bulkhead, BulkheadRejectedError } from 'cockatiel'
import { problem } from '../kernel/errors.js'
import type { Secrets } from '../kernel/secrets.js'
import { preparePassword } from './password-rules.js'

const SCHEME = 'hmac1$'

export interface PasswordHasher {
  /** The string to store. Throws server.busy when too many wait. */
  hash: (password: string) => Promise<string>
  /** Is it the password? With null (no such account, or one without a password) the same work is done and the answer is no. Throws server.busy. */
  verify: (password: string, stored: string | null) => Promise<boolean>
}

export interface PasswordHasherOptions {
  secrets: Secrets
  /** bcrypt's work factor */
  cost: number
  /** hashes at a time; libuv has four threads, and one is left for files and name look-ups */
  concurrency?: number
  /** how many may wait; at cost 12 on two cores 64 are six seconds */
  queueMax?: number
}

export function createPasswordHasher(
  { secrets, cost, concurrency = Math.min(availableParallelism(), 3), queueMax = 64 }: PasswordHasherOptions,
): PasswordHasher {
  const pepper = secrets.derive('password')
  const bounded = bulkhead(concurrency, queueMax)
  // well-formed, and no password's: bcrypt works through it like through any other
  const nobody = `${genSaltSync({ cost })}${'.'.repeat(31)}`

  const peppered = (password: string): string => createHmac('sha256', pepper).update(preparePassword(password)).digest('base64')

  async function run<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await bounded.execute(work)
    } catch (error) {
      if (error instanceof BulkheadRejectedError) throw problem('server.busy', { retryAfterSeconds: 2, cause: error })
      throw error
    }
  }

  return {
    async hash(password) {
      const text = peppered(password)
      return `${SCHEME}${await run(() => bcryptHash(text, { cost }))}`
    },
    async verify(password, stored) {
      const text = peppered(password)
      const known = stored?.startsWith(SCHEME) ? stored.slice(SCHEME.length) : null
      const same = await run(() => bcryptVerify(text, known ?? nobody))
      return same && known !== null
    },
  }
}
