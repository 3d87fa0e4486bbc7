// What a passkey signs: random bytes, an end five minutes from now, and a tag that says for what and for whom they were made. Signed instead of kept, so
// that strangers who ask for thousands leave no row; the one that is answered rightly leaves one, and so counts once.
import { randomBytes } from 'node:crypto'
import type { Tx } from '../database/transaction.js'
import type { Clock } from '../kernel/clock.js'
import { type Secrets, sha256 } from '../kernel/secrets.js'

/** What it is for, and to whom it is held: a session, a browser, a sign-in that waits. The same text for no two of them. */
export interface Purpose {
  act: 'register' | 'sign_in' | 'sign_in_cookie' | 'mfa' | 'step_up'
  /** '' where nothing of the asker is known yet */
  boundTo: string
}

export interface PasskeyChallenges {
  make: (purpose: Purpose) => string
  /** Was it made here for this, and is it still good? */
  isGood: (challenge: string, purpose: Purpose) => boolean
  /** Uses it up. Did we win? */
  consume: (tx: Tx, challenge: string) => Promise<boolean>
}

export const PASSKEY_SECONDS = 300

const NONCE = 16
const END_AT = NONCE
const TAG_AT = NONCE + 6
const LENGTH = TAG_AT + 32
const PURPOSE = 'passkey-challenge'

const dataOf = ({ act, boundTo }: Purpose, head: Buffer): string => JSON.stringify([act, boundTo, head.toString('base64url')])

/** `use`: leaves the row of one that was answered; false: it is there. */
export interface PasskeyChallengeDependencies {
  secrets: Secrets
  clock: Clock
  use: (tx: Tx, challengeHash: Buffer, expiresAt: Date) => Promise<boolean>
}

export function createPasskeyChallenges({ secrets, clock, use }: PasskeyChallengeDependencies): PasskeyChallenges {
  return {
    make(purpose) {
      const head = Buffer.alloc(TAG_AT)
      randomBytes(NONCE).copy(head)
      head.writeUIntBE(clock.now() + PASSKEY_SECONDS * 1_000, END_AT, 6)
      return Buffer.concat([head, secrets.mac(PURPOSE, dataOf(purpose, head))]).toString('base64url')
    },
    isGood(challenge, purpose) {
      const read = Buffer.from(challenge, 'base64url')
      // one spelling only: another one would count once more
      if (read.length !== LENGTH || read.toString('base64url') !== challenge) return false
      const head = read.subarray(0, TAG_AT)
      return secrets.isMac(PURPOSE, dataOf(purpose, head), read.subarray(TAG_AT)) && head.readUIntBE(END_AT, 6) > clock.now()
    },
    consume: (tx, challenge) => use(tx, sha256(challenge), new Date(clock.now() + PASSKEY_SECONDS * 1_000)),
  }
}
