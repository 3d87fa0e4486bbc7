// The authorization endpoint (RFC 6749 3.1, OpenID Connect Core 3.1.2): what is asked for, what is still missing, and at last a code. No row is written before
// the code, and each time a browser comes by everything is looked at anew: what a page has shown or a cookie says decides nothing.
import { randomBytes } from 'node:crypto'
import type { AuditStore } from '../../audit/index.js'
import { type ClientAuthentication, type ClientDirectory, OAuthError, type Parameters, readParameters } from '../../clients/index.js'
import type { Transact, Tx } from '../../database/transaction.js'
import { MULTI_FACTOR } from '../../kernel/assurance.js'
import type { Clock } from '../../kernel/clock.js'
import { newId } from '../../kernel/ids.js'
import type { Caller } from '../../kernel/principal.js'
import { type Secrets, sha256 } from '../../kernel/secrets.js'
import { AuthorizationError } from './authorization-error.js'
import type { AuthorizationStore } from './authorization-store.js'
import { type AuthorizationRequest, type CheckNeeds, readAuthorizationRequest } from './request-checks.js'
import { readResumeMark, RESUME, resumeMark } from './resume-rules.js'
import { type BrowserSession, cannotBeMet, missingStep, type Need } from './steps.js'

/** Whoever comes with a request: the browser, and who is signed in there. Whether they could prove a second factor is looked up when something hangs on it. */
export interface Visitor {
  session: (Omit<BrowserSession, 'hasFactor'> & { hasFactor: () => Promise<boolean> }) | null
  /** the SHA-256 of the browser's secret */
  browser: Buffer
  caller: Caller
}

/** `sendTo`: back to the client; `isFresh`: straight from it, so that a redirect does; `name`: of the client, where that is known. `show`: a page of ours, which leads back to `path`; `again`: to the request itself. */
export type AuthorizationOutcome =
  | { kind: 'sendTo'; location: string; isFresh: boolean; name: string }
  | { kind: 'show'; need: Need; path: string; request: AuthorizationRequest; consentVersion: number }
  | { kind: 'again'; path: string }

export interface AuthorizationService {
  /** What becomes of a request. Throws AuthorizationError to be told on a page. */
  authorize: (parameters: Parameters, visitor: Visitor) => Promise<AuthorizationOutcome>
  /** A person says yes or no to what the consent page has shown. Throws like `authorize`. */
  answer: (parameters: Parameters, visitor: Visitor, answer: { allow: boolean; consentVersion: number }) => Promise<AuthorizationOutcome>
  /** Keeps a request for its client (RFC 9126). Throws OAuthError. */
  push: (authorization: string | undefined, parameters: Parameters) => Promise<{ request_uri: string; expires_in: number }>
}

export interface AuthorizationDeps {
  store: AuthorizationStore
  directory: ClientDirectory
  authentication: ClientAuthentication
  subjectOfHint: CheckNeeds['subjectOfHint']
  /** the client is one that people sign in to */
  noteUse: (client: { id: string; registration: string }) => Promise<void>
  audit: AuditStore
  transact: Transact
  secrets: Secrets
  clock: Clock
  issuer: () => string
  config: { sessionIdleSeconds: number }
}

const CODE_SECONDS = 60
const PUSHED_SECONDS = 600
const PUSHED = /^urn:ietf:params:oauth:request_uri:([A-Za-z0-9_-]{43})$/
const MOST_PUSHED = 8_000
/** Longer ones would not survive the way through the sign-in: they are pushed. */
const MOST_REQUEST = 5_000
const PATH = '/oauth/authorize'

interface Read {
  request: AuthorizationRequest
  /** as it is sent again */
  text: string
  pushed: Buffer | null
  sinceMs: number | null
}

const spent = (): AuthorizationError => new AuthorizationError('invalid_request', 'The request was answered before: go back to the application and begin again', null)

/** The sign-in of a visitor, with what the request hangs on. */
async function sessionOf({ session }: Visitor, { mfa }: AuthorizationRequest): Promise<BrowserSession | null> {
  if (session === null) return null
  const hasFactor = session.acr === MULTI_FACTOR || ((mfa !== 'none' || session.wantsMfa) && (await session.hasFactor()))
  return { ...session, hasFactor }
}

export function createAuthorization({ store, directory, authentication, subjectOfHint, noteUse, audit, transact, secrets, clock, issuer, config }: AuthorizationDeps): AuthorizationService {
  const needs: CheckNeeds = { directory, subjectOfHint }
  const moment = () => ({ now: new Date(clock.now()), idleSince: new Date(clock.now() - config.sessionIdleSeconds * 1_000) })

  /** The parameters that count: of a pushed request those that were pushed, and nothing else (RFC 9126 4, RFC 9101 6.3). */
  async function resolved(parameters: Parameters): Promise<{ parameters: Parameters; pushed: Buffer | null }> {
    const reference = PUSHED.exec(parameters.get('request_uri'))?.[1]
    if (reference === undefined) return { parameters, pushed: null }
    const client = await directory.client(parameters.get('client_id'))
    const uriHash = sha256(reference)
    const text = client && (await store.findPushed(uriHash, client.id, new Date(clock.now())))
    if (text === null) throw new AuthorizationError('invalid_request_uri', 'The request is not there any more: go back to the application and begin again', null)
    return { parameters: readParameters(text), pushed: uriHash }
  }

  async function read(given: Parameters, { browser }: Visitor): Promise<Read> {
    const mark = given.get(RESUME)
    const query = new URLSearchParams(given.toString())
    query.delete(RESUME)
    const text = query.toString()
    if (text.length > MOST_REQUEST) throw new AuthorizationError('invalid_request', 'The request is too long: push it (RFC 9126)', null)
    const { parameters, pushed } = await resolved(given)
    return { request: await readAuthorizationRequest(parameters, needs), text, pushed, sinceMs: readResumeMark(secrets, browser, text, mark, clock.now()) }
  }

  /** The address of an answer: in the query, beside what is there, with who gives it (RFC 9207). */
  function locationOf({ uri, state }: { uri: string; state: string }, answer: Record<string, string>): string {
    const query = new URLSearchParams({ ...answer, ...(state === '' ? {} : { state }), iss: issuer() }).toString()
    return `${uri}${uri.includes('?') ? (/[?&]$/.test(uri) ? '' : '&') : '?'}${query}`
  }

  function refusal({ client, redirectUri, state }: AuthorizationRequest, isFresh: boolean, error: string, description: string): AuthorizationOutcome {
    return { kind: 'sendTo', name: client.name, isFresh, location: locationOf({ uri: redirectUri, state }, { error, error_description: description }) }
  }

  const wayBack = ({ text, sinceMs }: Read, { browser }: Visitor): string => `?${text}&${RESUME}=${resumeMark(secrets, browser, text, sinceMs ?? clock.now())}`

  /** One of our pages, with the way back. */
  function shown(one: Read, need: Need, visitor: Visitor, consentVersion = 0): AuthorizationOutcome {
    return { kind: 'show', need, request: one.request, consentVersion, path: `${need === 'consent' ? '/ui/consent' : PATH}${wayBack(one, visitor)}` }
  }

  /** What the client is told that did something wrong: by way of its address. */
  async function telling(parameters: Parameters, work: () => Promise<AuthorizationOutcome>): Promise<AuthorizationOutcome> {
    try {
      return await work()
    } catch (error) {
      if (!(error instanceof AuthorizationError) || error.redirect === null) throw error
      return { kind: 'sendTo', isFresh: !parameters.has(RESUME), name: '', location: locationOf(error.redirect, { error: error.error, error_description: error.message }) }
    }
  }

  /** Gives the code. `within`: what else belongs into its transaction, null: nothing; it says false: nothing is given. Throws what is told where the request was used, or the sign-in is over. */
  async function give({ request, pushed }: Read, { userId, sessionId }: BrowserSession, within: ((tx: Tx) => Promise<boolean>) | null): Promise<string | null> {
    const { client, redirectUri, state, challenge, nonce, scopes, resources, claims } = request
    const code = `gac_${randomBytes(32).toString('base64url')}`
    const at = moment()
    const row = {
      codeHash: sha256(code), grantId: newId(), clientId: client.id, userId, sessionId, redirectUri, codeChallenge: challenge, nonce, scopes, resources: resources.map(({ identifier }) => identifier), claims: { idToken: claims.idToken },
      expiresAt: new Date(at.now.getTime() + CODE_SECONDS * 1_000),
    }
    const insert = async (tx?: Tx): Promise<boolean> => {
      if (!(await store.insertCode(row, at, pushed, tx))) throw spent()
      return true
    }
    const given = within === null ? await insert() : await transact(async (tx) => (await within(tx)) && insert(tx))
    if (given) await noteUse(client)
    return given ? locationOf({ uri: redirectUri, state }, { code }) : null
  }

  async function situationOf({ request, sinceMs }: Read, session: BrowserSession | null) {
    const consent = session === null || request.client.firstParty ? null : await store.findConsent(session.userId, request.client.id)
    return { session, consent, sinceMs, nowMs: clock.now() }
  }

  return {
    authorize: (parameters, visitor) => telling(parameters, async () => {
      const one = await read(parameters, visitor)
      const { request, sinceMs } = one
      const session = await sessionOf(visitor, request)
      const isFresh = sinceMs === null
      if (cannotBeMet(request, session)) return refusal(request, isFresh, 'unmet_authentication_requirements', 'The account has no second factor')
      const situation = await situationOf(one, session)
      const missing = missingStep(request, situation)
      if (missing) {
        if (request.prompts.has('none')) return refusal(request, isFresh, missing.error, 'Something would have to be shown')
        return shown(one, missing.need, visitor, situation.consent?.version ?? 0)
      }
      if (session === null) throw new Error('a code is given to somebody')
      return { kind: 'sendTo', name: request.client.name, isFresh, location: (await give(one, session, null)) ?? '' }
    }),

    answer: (parameters, visitor, { allow, consentVersion }) => telling(parameters, async () => {
      const one = await read(parameters, visitor)
      const { request } = one
      const { caller } = visitor
      if (!allow) return refusal(request, false, 'access_denied', 'The person said no')
      const session = await sessionOf(visitor, request)
      const situation = await situationOf(one, session)
      const missing = missingStep(request, situation)
      // everything before the consent is done by now, or is done first
      if (session === null || (missing !== null && missing.need !== 'consent')) return shown(one, missing?.need ?? 'sign-in', visitor)
      const { client, scopes, resources } = request
      const location = await give(one, session, client.firstParty ? null : async (tx) => {
        if (!(await store.saveConsent(tx, session.userId, client.id, { scopes, resources: resources.map(({ identifier }) => identifier) }, consentVersion, new Date(clock.now())))) return false
        await audit.record(tx, caller, { action: 'consent.given', targetType: 'client', targetId: client.id, details: { name: client.name, scopes, resources: resources.map(({ identifier }) => identifier) } })
        return true
      })
      // else what was consented to has changed meanwhile: what is missing now is asked for, if anything is
      return location === null ? { kind: 'again', path: `${PATH}${wayBack(one, visitor)}` } : { kind: 'sendTo', name: client.name, isFresh: false, location }
    }),

    async push(authorization, parameters) {
      const client = await authentication.authenticate(authorization, parameters)
      if (parameters.has('request_uri')) throw new OAuthError('invalid_request', 'A pushed request names no other')
      if (parameters.has('client_id') && parameters.get('client_id') !== client.clientId) throw new OAuthError('invalid_request', 'client_id is another client\'s')
      const query = new URLSearchParams(parameters.toString())
      for (const name of ['client_secret', 'client_assertion', 'client_assertion_type']) query.delete(name)
      query.set('client_id', client.clientId)
      const text = query.toString()
      if (text.length > MOST_PUSHED) throw new OAuthError('invalid_request', 'The request is too long', { status: 413 })
      await readAuthorizationRequest(readParameters(text), needs)
      const reference = randomBytes(32).toString('base64url')
      await store.insertPushed({ uriHash: sha256(reference), clientId: client.id, parameters: text, expiresAt: new Date(clock.now() + PUSHED_SECONDS * 1_000) })
      return { request_uri: `urn:ietf:params:oauth:request_uri:${reference}`, expires_in: PUSHED_SECONDS }
    },
  }
}
