// Codes for the day that the other factors are lost: 80 random bits each, so that the plain SHA-256 at rest can be guessed back by nobody. Written
// in the 32 letters that are not mistaken for one another (Crockford's), in four groups; read without regard to case, gaps and such mistakes. Pure.
import { randomBytes } from 'node:crypto'
import { sha256 } from '../kernel/secrets.js'

export const CODES = 10

const LETTERS = '0123456789abcdefghjkmnpqrstvwxyz'
const FORM = /^[0-9a-hjkmnp-tv-z]{16}$/

/** A new code: `xxxx-xxxx-xxxx-xxxx`. */
export function newRecoveryCode(): string {
  // a byte's upper bits are left out: 32 divides 256
  const letters = [...randomBytes(16)].map((byte) => LETTERS.charAt(byte % 32)).join('')
  return letters.replace(/(.{4})(?=.)/g, '$1-')
}

/** What a code of a user is kept as, however it was typed; null: it is no such code. */
export function recoveryCodeHash(userId: string, typed: string): Buffer | null {
  const code = typed.toLowerCase().replace(/[\s-]/g, '').replaceAll('o', '0').replace(/[il]/g, '1')
  return FORM.test(code) ? sha256(`${userId}:${code}`) : null
}
