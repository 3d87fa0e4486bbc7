// What a page of this origin trades for tokens, or for the challenge of a second factor, when the browser is back: once, within a minute, and in
// that browser. A sign-in is completed at the trade, with all that it asks then.
import { randomBytes } from 'node:crypto'
import type { MfaRequired, Open, OpenedCookie, OpenedTokens, SignIns } from '../accounts/index.js'
import type { Transact } from '../database/transaction.js'
import type { Clock } from '../kernel/clock.js'
import { problem } from '../kernel/errors.js'
import type { Caller } from '../kernel/principal.js'
import { type Secrets, sha256 } from '../kernel/secrets.js'
import type { Addresses, IdentityStore } from './identity-store.js'
import type { PassageStore } from './passage-store.js'

/** What `signIns.complete` opens a session for. */
export interface Completable {
  userId: string
  amr: ['fed']
  within: NonNullable<Parameters<SignIns['complete']>[1]['within']>
}

/** Somebody who came by an identity of theirs. */
export interface KnownArrival extends Addresses {
  userId: string
  identityId: string
}

export interface FederationCodeService {
  /** A sign-in to be completed at once: by an identity that is neither taken away nor its provider disabled by then. */
  completable: (arrival: KnownArrival) => Completable
  /** Leaves a sign-in for a page of this browser to complete: its code. */
  leaveSignIn: (browser: Buffer, arrival: KnownArrival) => Promise<string>
  /** Leaves a second factor's challenge for a page of this browser to fetch: its code. */
  keepChallenge: (browser: Buffer, challenge: MfaRequired) => Promise<string>
  /** Trades a code of this browser, once. Throws federation.code_invalid, and what signing in throws. */
  redeem: (caller: Caller, browser: Buffer | null, code: string, opening: { open: Open; deviceToken?: string | undefined }) => Promise<OpenedTokens | OpenedCookie | MfaRequired>
}

export interface FederationCodeServiceDeps {
  passages: PassageStore
  identities: IdentityStore
  signIns: SignIns
  transact: Transact
  secrets: Secrets
  clock: Clock
}

type Kept = KnownArrival | { challenge: MfaRequired; untilMs: number }

const CODE_MS = 60_000
const PURPOSE = 'federation-code'

export function createFederationCodeService({ passages, identities, signIns, transact, secrets, clock }: FederationCodeServiceDeps): FederationCodeService {
  const now = (): Date => new Date(clock.now())

  const completable = ({ userId, identityId, email, provenEmail }: KnownArrival, take?: Completable['within']): Completable => ({
    userId, amr: ['fed'],
    within: async (tx) => (take === undefined || (await take(tx))) && identities.use(tx, identityId, userId, { email, provenEmail }, now()),
  })

  async function leave(browser: Buffer, kept: Kept): Promise<string> {
    const code = randomBytes(32).toString('base64url')
    const codeHash = sha256(code)
    const ciphertext = secrets.encrypt(PURPOSE, codeHash.toString('hex'), JSON.stringify(kept))
    await passages.putCode({ codeHash, browserHash: browser, ciphertext, expiresAt: new Date(clock.now() + CODE_MS) })
    return code
  }

  return {
    completable: (arrival) => completable(arrival),
    leaveSignIn: leave,
    keepChallenge: (browser, challenge) => leave(browser, { challenge, untilMs: clock.now() + challenge.expiresIn * 1_000 }),

    async redeem(caller, browser, code, { open, deviceToken }) {
      const codeHash = sha256(code)
      const sealed = browser === null ? null : await passages.findCode(codeHash, browser, now())
      if (browser === null || sealed === null) throw problem('federation.code_invalid')
      const kept = JSON.parse(secrets.decrypt(PURPOSE, codeHash.toString('hex'), sealed)) as Kept
      const take: Completable['within'] = (tx) => passages.takeCode(tx, codeHash, browser, now())
      if ('challenge' in kept) {
        if (!(await transact(take))) throw problem('federation.code_invalid')
        return { ...kept.challenge, expiresIn: Math.max(0, Math.floor((kept.untilMs - clock.now()) / 1_000)) }
      }
      const lost = { is: false }
      const within: Completable['within'] = async (tx) => {
        lost.is = !(await take(tx))
        return !lost.is
      }
      try {
        return await signIns.complete(caller, { ...completable(kept, within), deviceToken, open })
      } catch (error) {
        throw lost.is ? problem('federation.code_invalid') : error
      }
    },
  }
}
