// Checks a password against a hash that another system made: over the raw bytes that were typed, as that system did, on the threads of
// libuv and never on the loop. Hashes that fill memory share an allowance: whatever the queue lets run at a time, they wait for one another.
import { createCipheriv, pbkdf2, scrypt } from 'node:crypto'
import { promisify } from 'node:util'
import { verify as argon2Verify } from '@node-rs/argon2'
import { verify as bcryptVerify } from '@node-rs/bcrypt'
import { equalBytes } from '../kernel/secrets.js'
import type { ForeignHash, ReadHash } from './foreign-hash.js'

const derivePbkdf2 = promisify(pbkdf2)
const deriveScrypt = promisify<string | Buffer, Buffer, number, object, Buffer>(scrypt)

// twice the dearest that is let in
const ALLOWANCE_BYTES = 256 * 2 ** 20
const BCRYPT_READS = 72

export interface ForeignChecker {
  /** Is it the password? */
  check: (password: string, read: ReadHash) => Promise<boolean>
}

/** Does the hash stand for this password and no other? Bcrypt reads 72 bytes: what is typed beyond them has not been proven. */
export function isWholly(password: string, { kind }: ForeignHash): boolean {
  return kind !== 'bcrypt' || Buffer.byteLength(password) <= BCRYPT_READS
}

async function hashMatches(password: string, hash: ForeignHash): Promise<boolean> {
  const typed = Buffer.from(password)
  if (hash.kind === 'bcrypt') return bcryptVerify(typed.subarray(0, BCRYPT_READS), hash.text)
  if (hash.kind === 'argon2id') return argon2Verify(hash.text, typed)
  if (hash.kind === 'pbkdf2') return equalBytes(await derivePbkdf2(typed, hash.salt, hash.iterations, hash.hash.length, hash.digest), hash.hash)
  const { n, r, p, salt } = hash.scrypt
  const length = hash.kind === 'firebase' ? 32 : hash.hash.length
  const derived = await deriveScrypt(typed, salt, length, { N: n, r, p, maxmem: 2 * 128 * r * (n + p) + 2 ** 20 })
  if (hash.kind === 'scrypt') return equalBytes(derived, hash.hash)
  // Firebase encrypts the project's key under what scrypt gives, and keeps that (github.com/firebase/scrypt)
  const cipher = createCipheriv('aes-256-ctr', derived, Buffer.alloc(16))
  return equalBytes(Buffer.concat([cipher.update(hash.signerKey), cipher.final()]), hash.hash)
}

/**
 * May a password that holds NUL be the one? Bcrypt repeats its key with one NUL between, so that `a` and `a NUL a` are one password to it, and
 * HMAC fills its key up with them, so that `a` and `a NUL` are. What is equal to a password is not it: it would be kept in its place.
 */
function isAmbiguous(password: string, { kind }: ForeignHash): boolean {
  if (kind === 'bcrypt') return password.includes('\0')
  return kind !== 'argon2id' && password.endsWith('\0')
}

/** `matches`: the hashing itself; tests hold it. */
export function createForeignChecker({ allowanceBytes = ALLOWANCE_BYTES, matches = hashMatches } = {}): ForeignChecker {
  let free = allowanceBytes
  const waiting: { bytes: number; start: () => void }[] = []

  function pump(): void {
    for (let [next] = waiting; next && next.bytes <= free; [next] = waiting) {
      waiting.shift()
      free -= next.bytes
      next.start()
    }
  }

  async function withMemory<T>(wanted: number, work: () => Promise<T>): Promise<T> {
    const bytes = Math.min(wanted, allowanceBytes)
    await new Promise<void>((resolve) => {
      waiting.push({ bytes, start: resolve })
      pump()
    })
    try {
      return await work()
    } finally {
      free += bytes
      pump()
    }
  }

  return {
    async check(password, { hash, memoryBytes }) {
      // the same work, whatever was typed
      const right = await withMemory(memoryBytes, () => matches(password, hash))
      return right && !isAmbiguous(password, hash)
    },
  }
}
