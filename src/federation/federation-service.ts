// Signing in by another system: the way out, the way back, and what becomes of who came. The states are none -> started -> returned -> signed in, signed
// up, linked, asked to link, stepped up or refused; each step is taken once, in the browser that began.
import { randomBytes } from 'node:crypto'
import { type AccountService, emailSpellings, noAddress } from '../accounts/index.js'
import type { AuditStore } from '../audit/index.js'
import type { Transact } from '../database/transaction.js'
import type { Clock } from '../kernel/clock.js'
import { AppError, type ErrorCode, isProblem, problem } from '../kernel/errors.js'
import { newId } from '../kernel/ids.js'
import type { Caller } from '../kernel/principal.js'
import { type Secrets, sha256 } from '../kernel/secrets.js'
import { type Arrived, claimsOfPostedUser, emailOf, nameOf, trustedEmail } from './claims-rules.js'
import type { Completable, FederationCodeService } from './federation-code-service.js'
import type { IdentityService } from './identity-service.js'
import type { Addresses, IdentityStore } from './identity-store.js'
import { type Intent, judgeArrival } from './link-rules.js'
import type { PassageStore } from './passage-store.js'
import { flavourOf } from './provider-rules.js'
import type { ProviderService } from './provider-service.js'
import type { ProviderRow, ProviderStore } from './provider-store.js'
import { isReturnPath, withOutcome } from './return-path.js'
import type { Upstream } from './upstream.js'

/** `cookie`: the way back opens a cookie session; `token`: it leaves a code that a page trades for tokens. */
export type Mode = 'cookie' | 'token'

export interface StartInput {
  providerId: string
  intent: Intent
  mode: Mode
  /** a path of this origin, to which the browser is sent in the end */
  returnTo: string
}

export type Outcome =
  | { kind: 'sign_in'; completable: Completable }
  | { kind: 'code'; code: string }
  | { kind: 'link_required' | 'linked' | 'stepped_up' }
  | { kind: 'failed'; code: ErrorCode }

export interface FederationService {
  /** Begins: where to send this browser. Throws request.invalid, provider.not_found, provider.unavailable, federation.refused. */
  start: (browser: Buffer, input: StartInput) => Promise<{ authorizationUrl: string; expiresIn: number }>
  /** Somebody comes back. `browser` null: it has no name. Throws federation.state_invalid when this is no way back of this browser; whatever else happens is an outcome. */
  arrive: (caller: Caller, browser: Buffer | null, input: { providerId: string; params: URLSearchParams }) => Promise<{ returnTo: string; outcome: Outcome }>
  /** `returnTo` with what came of it in its query. */
  goOn: (returnTo: string, result: Readonly<Record<string, string>>) => string
}

export interface FederationServiceDeps {
  providers: ProviderStore
  providerService: Pick<ProviderService, 'secretOf' | 'redirectUri'>
  identities: IdentityStore
  identityService: Pick<IdentityService, 'linkIn'>
  passages: PassageStore
  upstream: Upstream
  accounts: Pick<AccountService, 'draft' | 'createIn'>
  codes: Pick<FederationCodeService, 'completable' | 'leaveSignIn'>
  /** may a stranger open an account: whatever SIGN_UP says (`always`), or as it says? */
  maySignUp: (always: boolean) => Promise<boolean>
  audit: AuditStore
  transact: Transact
  secrets: Secrets
  clock: Clock
  log: { warn: (details: object, message: string) => void }
}

interface Kept {
  nonce: string
  verifier: string
  intent: Intent
  mode: Mode
  returnTo: string
}

const STATE_MS = 600_000
const LINK_MS = 600_000
const STATE_PURPOSE = 'federation-state'
// somebody may be first with the identity, or with the address, and then it is another case
const LOOKS = 3
const TOLD_EVERY_MS = 1_000
const MOST_TOLD = 200

const secretText = (): string => randomBytes(32).toString('base64url')

export function createFederationService(deps: FederationServiceDeps): FederationService {
  const { providers, providerService, identities, identityService, passages, upstream, accounts, codes, maySignUp, audit, transact, secrets, clock, log } = deps
  const now = (): Date => new Date(clock.now())
  const toldAt = new Map<string, number>()
  const later = (ms: number): Date => new Date(clock.now() + ms)

  async function enabled(id: string): Promise<ProviderRow> {
    const provider = await providers.find(id)
    if (!provider?.enabled) throw problem('provider.not_found')
    return provider
  }

  /** Opens an account for who has none, with their identity. Throws email.taken, identity.taken. */
  async function signUp(caller: Caller, provider: ProviderRow, arrived: Arrived, addresses: Addresses): Promise<void> {
    const { provenEmail: email } = addresses
    const id = newId()
    const name = nameOf(arrived.claims)
    // an address that may not be believed is not written down as theirs: it may be somebody else's
    const draft = email === null ? { email: noAddress(id), name, passwordHash: null, roles: ['member'] } : await accounts.draft(caller, { email, name })
    await transact(async (tx) => {
      await accounts.createIn(tx, caller, { ...draft, id, signsIn: true, ...(email === null ? {} : { emailVerified: true as const }) })
      await identityService.linkIn(tx, caller, { userId: id, opens: true, providerId: provider.id, issuer: arrived.issuer, subject: arrived.subject, ...addresses })
    })
  }

  async function link(caller: Caller, provider: ProviderRow, arrived: Arrived, addresses: Addresses, { userId, sessionId }: { userId: string; sessionId: string }): Promise<void> {
    await transact(async (tx) => {
      await identities.lockUser(tx, userId)
      // whoever asked may have been signed out, or suspended, on the way
      if (!(await identities.isOpen(tx, userId, sessionId, now()))) throw problem('federation.state_invalid')
      await identityService.linkIn(tx, { ...caller, principal: null }, { userId, providerId: provider.id, issuer: arrived.issuer, subject: arrived.subject, ...addresses })
    })
  }

  const lets = async ({ signUp: who }: ProviderRow): Promise<boolean> => who !== 'never' && maySignUp(who === 'always')

  async function completeArrival(caller: Caller, browser: Buffer, provider: ProviderRow, arrived: Arrived, { intent, mode }: Kept): Promise<Outcome> {
    const key = { providerId: provider.id, issuer: arrived.issuer, subject: arrived.subject }
    const flavour = flavourOf({ kind: provider.kind, issuer: provider.issuer, hasClientKey: provider.keyId !== null })
    const email = trustedEmail({ flavour, trustedEmailDomains: provider.trustedEmailDomains }, arrived)
    const addresses: Addresses = { email: emailOf(arrived.claims), provenEmail: email }
    for (let look = 1; ; look += 1) {
      const { identity, accountOfEmail } = await identities.look(key, email === null ? [] : emailSpellings(email))
      const verdict = judgeArrival({
        intent, ownerId: identity?.userId ?? null, accountOfEmail, maySignUp: await lets(provider),
      })
      try {
        switch (verdict.act) {
          case 'refuse': throw problem(verdict.code)
          case 'sign_in': {
            const known = { userId: verdict.userId, identityId: identity?.id ?? '', ...addresses }
            if (mode === 'token') return { kind: 'code', code: await codes.leaveSignIn(browser, known) }
            return { kind: 'sign_in', completable: codes.completable(known) }
          }
          case 'ask_to_link':
            await passages.putLink(browser, { ...key, userId: verdict.userId, email: email ?? '' }, later(LINK_MS))
            return { kind: 'link_required' }
          case 'link':
            if (intent.kind === 'login') throw new Error('a sign-in links nothing')
            // whoever had no account gets one by it
            if ((await identities.isAnonymous(intent.userId)) && !(await lets(provider))) throw problem('signup.closed')
            await link(caller, provider, arrived, addresses, intent)
            return { kind: 'linked' }
          case 'linked': return { kind: 'linked' }
          case 'step_up': throw problem('identity.other')
          case 'sign_up':
            await signUp(caller, provider, arrived, addresses)
            break // and in again, as somebody who is known
        }
      } catch (error) {
        const isLost = isProblem(error, 'email.taken', 'identity.taken') && verdict.act === 'sign_up'
        if (!isLost || look >= LOOKS) throw error
      }
    }
  }

  /** Tells the operator what is wrong with a provider; once a second of each, for strangers can have it said as often as they like. */
  function tell(provider: string, { code, cause }: AppError): void {
    const nowMs = clock.monotonic()
    if (!(cause instanceof Error) || nowMs - (toldAt.get(provider) ?? -Infinity) < TOLD_EVERY_MS) return
    if (toldAt.size >= MOST_TOLD) toldAt.clear()
    toldAt.set(provider, nowMs)
    log.warn({ provider, code, reason: cause.message }, 'a sign-in by a provider came to nothing')
  }

  async function note(caller: Caller, provider: string, error: AppError): Promise<void> {
    tell(provider, error)
    await audit.refused(caller, { action: 'login.failed', targetType: 'provider', targetId: provider, about: caller.address, details: { code: error.code } })
  }

  return {
    async start(browser, { providerId, intent, mode, returnTo }) {
      if (!isReturnPath(returnTo)) throw problem('request.invalid', { errors: [{ path: '/returnTo', message: 'must be a path of this origin, beginning with one slash, without a fragment' }] })
      const provider = await enabled(providerId)
      const passage = { state: secretText(), nonce: secretText(), verifier: secretText() }
      const asked = { redirectUri: providerService.redirectUri(providerId), isStepUp: intent.kind === 'stepup' }
      const authorizationUrl = await upstream.authorizationUrl(provider, passage, asked).catch((error: unknown) => {
        if (error instanceof AppError) tell(providerId, error)
        throw error
      })
      const stateHash = sha256(passage.state)
      const kept: Kept = { nonce: passage.nonce, verifier: passage.verifier, intent, mode, returnTo }
      await passages.putState({
        stateHash, providerId, browserHash: browser, ciphertext: secrets.encrypt(STATE_PURPOSE, stateHash.toString('hex'), JSON.stringify(kept)), createdAt: now(), expiresAt: later(STATE_MS),
      })
      return { authorizationUrl, expiresIn: STATE_MS / 1_000 }
    },

    async arrive(caller, browser, { providerId, params }) {
      const [state = '', ...more] = params.getAll('state')
      const stateHash = sha256(state)
      const sealed = browser === null || more.length > 0 ? null : await passages.takeState(stateHash, providerId, browser, now())
      if (browser === null || sealed === null) throw problem('federation.state_invalid')
      const kept = JSON.parse(secrets.decrypt(STATE_PURPOSE, stateHash.toString('hex'), sealed)) as Kept
      const { returnTo, nonce, verifier } = kept
      try {
        const provider = await enabled(providerId)
        const arrived = await upstream.arrived(provider, providerService.secretOf(provider), { state, nonce, verifier }, { redirectUri: providerService.redirectUri(providerId), params })
        const named = { ...claimsOfPostedUser(params.get('user')), ...arrived.claims }
        return { returnTo, outcome: await completeArrival(caller, browser, provider, { ...arrived, claims: named }, kept) }
      } catch (error) {
        if (!(error instanceof AppError)) throw error
        await note(caller, providerId, error)
        return { returnTo, outcome: { kind: 'failed', code: error.code } }
      }
    },

    goOn: withOutcome,
  }
}
