// May the request that waits at a gateway go on? The rules say what it needs, the authorizer whether its credential has that.
// Everything else is denied: what cannot be read, what no rule covers, what comes from somebody who is no gateway of ours.
import type { Authorizer, Credential, Decision, KeyEntry, Wanted } from '../decisions/index.js'
import type { Principal } from '../kernel/principal.js'
import { countedAddress } from '../kernel/address.js'
import { type AppError, type ErrorCode, problem } from '../kernel/errors.js'
import { type LimitReport, reportOf, retryAfterSeconds } from '../limits/index.js'
import type { LimitCharge, LimitStore } from '../shared-store/shared-store.js'
import type { GatePlan, GateTable } from './gate-rules.js'
import type { RuleSource } from './gate-source.js'
import { normaliseHost } from './normalise-uri.js'
import { lastAddress, type OriginalRequest } from './profiles.js'
import type { Upgrade } from './reserved-headers.js'

type Denial = Extract<Decision, { allowed: false }>

/** `error` null: let it through. `principal` null: nobody was asked. */
export interface GateVerdict {
  error: AppError | null
  principal: Principal | null
  limits: readonly LimitReport[]
}

/** What the waiting request says of itself beside what the gateway tells. */
export interface OwnWords {
  origin: string | undefined
  fetchSite: string | undefined
  upgrade: Upgrade
  /** a header that only the gateway may set, see reservedHeaderOf */
  reserved: string | undefined
}

export interface GateService {
  /**
   * Answers at once where everything is at hand. `findCredential` is asked only where a rule wants one. Throws or rejects with what
   * that and the database throw; never lets a request through that it could not decide.
   */
  decide: (original: OriginalRequest, findCredential: () => Credential | null, own: OwnWords) => GateVerdict | Promise<GateVerdict>
}

export interface GateServiceDeps {
  source: RuleSource
  authorizer: Pick<Authorizer, 'check'>
  limits: LimitStore
  /** where a resource's metadata are (RFC 9728) */
  resourceMetadataUrl: (identifier: string) => string
}

type OpenPlan = Extract<GatePlan, { refused: null }>

const METHOD = /^[A-Z][A-Z-]{0,19}$/
const SAFE = new Set(['GET', 'HEAD', 'OPTIONS'])
const NO_LIMITS: readonly LimitReport[] = []
/** a verdict that says no more than that: the same object every time */
const OPEN: GateVerdict = { error: null, principal: null, limits: NO_LIMITS }

const INVALID: Record<Credential['kind'], ErrorCode> = { key: 'key.invalid', token: 'token.invalid', cookie: 'session.invalid' }
const WHY: Partial<Record<Denial['code'], string>> = { revoked: 'It has been revoked', expired: 'It has expired', owner_suspended: 'The account it belongs to is suspended' }

function denied(code: ErrorCode, detail?: string): GateVerdict {
  return { error: problem(code, detail === undefined ? {} : { detail }), principal: null, limits: NO_LIMITS }
}

/** Whom a request is counted for: the owner of its credential and, with what it was rotated from, a key of its own; '' for none. */
interface Counted {
  owner: string
  credential: string
  address: string
}

/** The braces keep what is charged together, the limits of a key among it, in one Redis slot; an address is nobody's. */
function chargesOf({ limits }: OpenPlan, { owner, credential, address }: Counted): LimitCharge[] {
  const counter = { owner: `owner:{${owner}}`, credential: `credential:{${owner}}:${credential}`, address: `address:{${address}}` }
  return limits.map(({ ruleId, quota, windowSeconds, per = 'owner' }) => ({ key: `gate:${counter[per]}:${ruleId}`, quota, windowMs: windowSeconds * 1000, cost: 1 }))
}

function countedFor(principal: Principal, key: KeyEntry | null, address: string): Counted {
  // all sessions of a user are one credential: signing in anew refills nothing
  return { owner: principal.id, credential: key?.limitGroupId ?? principal.id, address }
}

/** What a plan wants of a credential. A held principal is the same object every time, and what it is charged is made once, but for what hangs on the address. */
function wantedBy(plan: OpenPlan): (addresses: string) => Wanted {
  const { permissions, audience, scopes } = plan
  const nothing: Wanted = audience === null ? { permissions } : { permissions, audience, scopes }
  if (plan.limits.length === 0) return () => nothing
  if (plan.limits.some(({ per }) => per === 'address')) {
    return (addresses) => ({ ...nothing, charges: (principal, key) => chargesOf(plan, countedFor(principal, key, countedAddress(lastAddress(addresses)))) })
  }
  const known = new WeakMap<Principal, readonly LimitCharge[]>()
  const charges = (principal: Principal, key: KeyEntry | null): readonly LimitCharge[] => {
    let made = known.get(principal)
    if (!made) {
      made = chargesOf(plan, countedFor(principal, key, ''))
      known.set(principal, made)
    }
    return made
  }
  const wanted: Wanted = { ...nothing, charges }
  return () => wanted
}

function retry(retryAfterSeconds: number | null | undefined): AppError {
  return problem('rate.limited', typeof retryAfterSeconds === 'number' ? { retryAfterSeconds: Math.max(1, retryAfterSeconds) } : {})
}

function errorOf(kind: Credential['kind'], { code, retryAfterSeconds }: Denial): AppError {
  if (code === 'rate_limited') return retry(retryAfterSeconds)
  if (code === 'insufficient_scope') return problem('scope.insufficient', { detail: 'The token lacks a scope that a gate rule wants' })
  if (code === 'forbidden') return problem('access.denied', { detail: 'The credential lacks a permission that a gate rule wants' })
  if (code === 'expired' && kind === 'token') return problem('token.expired')
  const detail = kind === 'key' ? WHY[code] : undefined
  return problem(INVALID[kind], detail === undefined ? {} : { detail })
}

/**
 * A cookie goes along with every request a browser makes, whoever's page made it. On a method that changes something the
 * browser must say that the page was of the original request's own origin; neither header can be set by a script.
 */
function isOwnPage({ host, protocol }: OriginalRequest, { origin, fetchSite }: OwnWords): boolean {
  if (fetchSite !== undefined) return fetchSite === 'same-origin'
  // an origin leaves its default port out, a gateway may name it
  const named = protocol === 'https' ? host.replace(/:443$/, '') : host.replace(/:80$/, '')
  return origin !== undefined && (protocol === 'https' || protocol === 'http') && origin === `${protocol}://${named.toLowerCase()}`
}

function verdictOf(kind: Credential['kind'], decision: Decision): GateVerdict {
  if (decision.allowed) return { error: null, principal: decision.principal, limits: decision.limits }
  return { error: errorOf(kind, decision), principal: null, limits: decision.limits ?? NO_LIMITS }
}

// what stands between quotes in a header (RFC 9110 5.6.4); identifiers hold no others
const quoted = (text: string): string => `"${text.replaceAll(/["\\]/g, '')}"`

/** What a client of an audience is told so that it can help itself: where to ask for a token (RFC 9728 5.1), and by which scopes (RFC 6750 3.1). */
function withChallenge(verdict: GateVerdict, metadataUrl: string, scopes: readonly string[]): GateVerdict {
  const { error } = verdict
  if (error === null || (error.statusCode !== 401 && error.code !== 'scope.insufficient')) return verdict
  const parameters = [
    ...(error.code === 'credentials.missing' ? [] : [`error="${error.code === 'scope.insufficient' ? 'insufficient_scope' : 'invalid_token'}"`]),
    ...(scopes.length === 0 ? [] : [`scope=${quoted(scopes.join(' '))}`]), `resource_metadata=${quoted(metadataUrl)}`,
  ]
  return { ...verdict, error: problem(error.code, { ...(error.detail === undefined ? {} : { detail: error.detail }), authenticate: parameters.join(', ') }) }
}

export function createGateService({ source, authorizer, limits, resourceMetadataUrl }: GateServiceDeps): GateService {
  const wanted = new WeakMap<OpenPlan, (addresses: string) => Wanted>()

  function wantedOf(plan: OpenPlan, addresses: string): Wanted {
    const known = wanted.get(plan)
    if (known) return known(addresses)
    const made = wantedBy(plan)
    wanted.set(plan, made)
    return made(addresses)
  }

  async function decidePublic(plan: OpenPlan, addresses: string): Promise<GateVerdict> {
    const counted = countedAddress(lastAddress(addresses))
    const charges = chargesOf(plan, { owner: '', credential: '', address: counted })
    const taken = await limits.take(charges)
    const reports = reportOf({ limits: plan.limits.map(({ quota }) => ({ name: 'gate', quota })), charges }, taken.states, limits.guarantee)
    return { error: taken.allowed ? null : retry(retryAfterSeconds(taken.retryAfterMs)), principal: null, limits: reports }
  }

  function decideBy(table: GateTable, host: string, original: OriginalRequest, findCredential: () => Credential | null, own: OwnWords) {
    const plan = table.plan(original.method, host, original.target)
    if (plan.refused !== null) return denied(plan.refused, plan.detail)
    if (plan.public) return plan.limits.length === 0 ? OPEN : decidePublic(plan, original.addresses)

    const { audience, scopes } = plan
    const told = (verdict: GateVerdict): GateVerdict => (audience === null ? verdict : withChallenge(verdict, resourceMetadataUrl(audience), scopes))
    const credential = findCredential()
    if (!credential) return told(denied('credentials.missing'))
    // a WebSocket is opened with GET, and whose page did so is then never asked again
    if (credential.kind === 'cookie' && (own.upgrade !== null || !SAFE.has(original.method)) && !isOwnPage(original, own)) {
      return denied('csrf.invalid', 'The request must come from a page of this origin')
    }
    const decision = authorizer.check(credential, wantedOf(plan, original.addresses), lastAddress(original.addresses))
    return decision instanceof Promise ? decision.then((one) => told(verdictOf(credential.kind, one))) : told(verdictOf(credential.kind, decision))
  }

  return {
    decide(original, findCredential, own) {
      const host = normaliseHost(original.host)
      if (host === null || original.target === '' || !METHOD.test(original.method)) {
        return denied('gate.headers_missing', 'The gateway must tell the original method, host and target')
      }
      if (own.reserved !== undefined) return denied('gate.header_refused', `The gateway let the header ${own.reserved} of a client through`)
      if (own.upgrade === 'other') return denied('gate.upgrade_refused')
      const table = source.current()
      if (table) return decideBy(table, host, original, findCredential, own)
      return source.load().then((loaded) => decideBy(loaded, host, original, findCredential, own))
    },
  }
}
