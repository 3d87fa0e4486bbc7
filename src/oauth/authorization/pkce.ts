// Proof Key for Code Exchange (RFC 7636), S256 alone: `plain` hides nothing, and a method that is not said means plain. Pure.
import { sha256 } from '../../kernel/secrets.js'

const CHALLENGE = /^[A-Za-z0-9_-]{43}$/
const VERIFIER = /^[A-Za-z0-9._~-]{43,128}$/

export function isChallenge(text: string): boolean {
  return CHALLENGE.test(text)
}

/** The challenge of a verifier; null for one that is none. */
export function challengeOf(verifier: string): string | null {
  return VERIFIER.test(verifier) ? sha256(verifier).toString('base64url') : null
}
