// What stands between an authorization request and its code, as a table in its order: who is signed in, whose sign-in it must be, how well and how lately it was
// proven, and what was consented to. The first step that is not done says what the person is asked for; a client that wants nothing shown is told by its
// own word instead (OpenID Connect Core 3.1.2.6). Pure.
import { isOwnMachine, type OAuthErrorCode } from '../../clients/index.js'
import { MULTI_FACTOR } from '../../kernel/assurance.js'
import type { Consent } from './authorization-store.js'
import type { AuthorizationRequest } from './request-checks.js'

/** The sign-in of the browser. */
export interface BrowserSession {
  userId: string
  sessionId: string
  acr: string
  authTimeMs: number
  /** a role asks for a second factor that it has not proven */
  wantsMfa: boolean
  /** can its owner prove one? */
  hasFactor: boolean
}

export interface Situation {
  session: BrowserSession | null
  consent: Consent | null
  /** when this browser was first sent away for this request, ms; null: it was not */
  sinceMs: number | null
  nowMs: number
}

export type Need = 'sign-in' | 'step-up' | 'add-factor' | 'consent'

interface Step {
  name: string
  need: Need
  /** what a client is told that wants nothing shown */
  error: OAuthErrorCode
  isDone: (request: AuthorizationRequest, session: BrowserSession, situation: Situation) => boolean
}

/** Proven since this request began, which whoever came back from our own pages has shown. */
const isProvenSince = ({ authTimeMs }: BrowserSession, { sinceMs }: Situation): boolean => sinceMs !== null && authTimeMs >= sinceMs

/** Does what was consented to cover the request? A program of somebody's own machine may be any, so that it is asked for each time (RFC 8252 8.6). */
export function isConsented({ client, redirectUri, scopes, resources }: Pick<AuthorizationRequest, 'client' | 'redirectUri' | 'scopes' | 'resources'>, consent: Consent | null): boolean {
  if (client.firstParty) return true
  if (consent === null || (client.authMethod === 'none' && isOwnMachine(redirectUri))) return false
  return scopes.every((one) => consent.scopes.includes(one)) && resources.every(({ identifier }) => consent.resources.includes(identifier))
}

const STEPS: readonly Step[] = [
  {
    name: 'an account is chosen', need: 'sign-in', error: 'account_selection_required',
    isDone: ({ prompts }, session, situation) => !prompts.has('select_account') || isProvenSince(session, situation),
  },
  { name: 'it is the one that was named', need: 'sign-in', error: 'login_required', isDone: ({ hintedUserId }, { userId }) => hintedUserId === null || hintedUserId === userId },
  { name: 'a second factor is there for a role that asks for one', need: 'add-factor', error: 'interaction_required', isDone: (_request, { wantsMfa, hasFactor }) => !wantsMfa || hasFactor },
  { name: 'and proven', need: 'step-up', error: 'interaction_required', isDone: (_request, { wantsMfa }) => !wantsMfa },
  { name: 'it was proven anew', need: 'step-up', error: 'login_required', isDone: ({ prompts }, session, situation) => !prompts.has('login') || isProvenSince(session, situation) },
  {
    name: 'it was proven lately', need: 'step-up', error: 'login_required',
    isDone: ({ maxAge }, session, situation) => maxAge === null || situation.nowMs - session.authTimeMs <= maxAge * 1_000 || isProvenSince(session, situation),
  },
  {
    name: 'it was proven well enough', need: 'step-up', error: 'interaction_required',
    // what was merely wished for is asked for once, of who can
    isDone: ({ mfa }, session, situation) => session.acr === MULTI_FACTOR || mfa === 'none' || (mfa === 'wanted' && (!session.hasFactor || isProvenSince(session, situation))),
  },
  { name: 'what is asked for was consented to', need: 'consent', error: 'consent_required', isDone: (request, _session, { consent }) => !request.prompts.has('consent') && isConsented(request, consent) },
]

/** The first that is missing; null: nothing. */
export function missingStep(request: AuthorizationRequest, situation: Situation): { need: Need; error: OAuthErrorCode } | null {
  const { session } = situation
  if (session === null) return { need: 'sign-in', error: 'login_required' }
  return STEPS.find(({ isDone }) => !isDone(request, session, situation)) ?? null
}

/** May it be asked for at all? What must be met and cannot is told to the client (OpenID Connect Core 5.5.1.1). */
export function cannotBeMet({ mfa }: AuthorizationRequest, session: BrowserSession | null): boolean {
  return mfa === 'essential' && session !== null && session.acr !== MULTI_FACTOR && !session.hasFactor
}
