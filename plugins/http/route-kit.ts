// What route files share: closed objects, and the types that the access plugin reads from a route's config.
import type { IncomingHttpHeaders } from 'node:http'
import { type ObjectOptions, type TObject, type TProperties, Type } from '@sinclair/typebox'
import type { MfaRequired, OpenedTokens } from '../../src/accounts/index.js'
import type { Answer, Assertion, Registration } from '../../src/factors/index.js'
import type { Access, Caller, Principal } from '../../src/kernel/principal.js'
import type { ErrorCode } from '../../src/kernel/errors.js'
import type { Versioned } from '../../src/kernel/etag.js'
import type { PageText } from '../../src/kernel/page.js'

/** For `config.stepUp` of acts that change who may get into an account: proven within ten minutes. */
export { RECENT } from '../../src/kernel/assurance.js'

/** An object that refuses properties it does not name. */
export function strict<P extends TProperties>(properties: P, options: ObjectOptions = {}) {
  return Type.Object(properties, { ...options, additionalProperties: false })
}

/** The query of an export: a list's filters, without what pages it. */
export function exportQuery<P extends TProperties>(query: TObject<P>) {
  return Type.Omit(query, ['limit', 'cursor', 'sort', 'count', 'fields'] as const, { additionalProperties: false })
}

// the pattern, not format uuid: that one lets urn:uuid: and capitals through, which are other texts than the ids we give out
export const Id = Type.String({ pattern: '^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$', description: 'UUIDv7' })
export const IdParams = strict({ id: Id })
/** Of changes that take something away. */
export const WaitQuery = strict({
  wait: Type.Optional(Type.Boolean({ description: 'Answer when every live node knows of the change, at the latest when none can still decide without it' })),
})
export const Time = Type.String({ format: 'date-time', description: 'ISO 8601, UTC' })
/** A time in a query string: no year 0 and no offsets, which the database would refuse. */
export const TimeFilter = Type.String({ format: 'date-time', pattern: '^[1-9].*Z$', description: 'ISO 8601, UTC' })
export const NullableTime = Type.Union([Type.String({ format: 'date-time' }), Type.Null()])
/** Of what is answered for every address alike. */
export const Accepted = Type.Object({ status: Type.Literal('accepted') }, { examples: [{ status: 'accepted' }] })
export const NoContent = Type.Null({ description: 'No content' })

/** Of a stream of server-sent events; nginx would collect what is to be told at once. */
export const EVENT_STREAM = { 'content-type': 'text/event-stream; charset=utf-8', 'x-accel-buffering': 'no' }

/** The query of such a stream: where a browser goes on by itself (`Last-Event-ID`, HTML 9.2.4) wins over `after`. */
export function resumedAt<Q extends { after?: string }>(query: Q, { 'last-event-id': last }: IncomingHttpHeaders): Q {
  return typeof last === 'string' && last !== '' ? { ...query, after: last } : query
}

/** What a sign-in for tokens answers, with its tokens beside the rest. */
export function tokensOf(done: OpenedTokens): Omit<OpenedTokens, 'tokens'> & OpenedTokens['tokens']
export function tokensOf(done: OpenedTokens | MfaRequired): (Omit<OpenedTokens, 'tokens'> & OpenedTokens['tokens']) | MfaRequired
export function tokensOf(done: OpenedTokens | MfaRequired) {
  if (done.status === 'mfa_required') return done
  const { tokens, ...rest } = done
  return { ...rest, ...tokens }
}

interface GivenAssertion {
  id: string
  rawId: string
  type: 'public-key'
  response: { clientDataJSON: string; authenticatorData: string; signature: string; userHandle?: string | null }
}
interface GivenRegistration {
  id: string
  rawId: string
  type: 'public-key'
  response: { clientDataJSON: string; attestationObject: string; transports?: string[] }
}

/** What a passkey has signed, without what browsers add and nobody reads. */
export function assertionOf({ id, rawId, type, response: { clientDataJSON, authenticatorData, signature, userHandle } }: GivenAssertion): Assertion {
  return { id, rawId, type, response: { clientDataJSON, authenticatorData, signature, ...(userHandle ? { userHandle } : {}) }, clientExtensionResults: {} }
}

/** The same of a new passkey. */
export function registrationOf({ id, rawId, type, response: { clientDataJSON, attestationObject, transports = [] } }: GivenRegistration): Registration {
  return { id, rawId, type, response: { clientDataJSON, attestationObject, transports }, clientExtensionResults: {} }
}

/** What proves a second factor, out of a body that may hold more. */
export function answerOf(body: { method: 'totp' | 'recovery_code'; code: string } | { method: 'passkey'; assertion: GivenAssertion }): Answer {
  return body.method === 'passkey' ? { method: body.method, assertion: assertionOf(body.assertion) } : { method: body.method, code: body.code }
}

declare module 'fastify' {
  interface FastifyContextConfig {
    /** who may call the route; any one of these. A route without it does not boot. */
    access?: Access[]
    /** codes of src/kernel/errors.ts the route answers with, besides the automatic ones */
    errors?: ErrorCode[]
    /** what a request takes from its principal's budget: 1 for reading and 2 for changing, unless stated; 0 for deciding about others' requests */
    price?: number
    /** may it be called while acting for somebody else? Without it: reading may, changing may not */
    impersonated?: boolean
    /** the route honours Idempotency-Key through request.idempotently */
    idempotent?: boolean
  }

  interface FastifyRequest {
    /** the credential's principal, or null on a public route */
    principal: Principal | null
    readonly caller: Caller
    /** The principal. Throws credentials.missing when there is none. */
    signedIn: () => Principal
    /** Does it come from this very machine, and has no proxy passed it on? */
    isLocal: () => boolean
    /** Runs `work` at most once for the request's Idempotency-Key and sends its result; a repeat gets the stored answer, unless `beforeReplay` throws. */
    idempotently: <T extends object>(reply: FastifyReply, status: number, work: () => Promise<T>, beforeReplay?: (answer: T) => Promise<void>) => Promise<FastifyReply>
  }

  interface FastifyRequest {
    /** Runs `work` at most once for a key that the page has given its form; a repeat by this session gets the stored answer (`replayed`). */
    performOnce: <T extends object>(key: string, work: () => Promise<T>) => Promise<{ answer: T; replayed: boolean }>
  }

  interface FastifyReply {
    /** Sends a versioned resource with its ETag, or 304 when If-None-Match names it. */
    versioned: <T extends Versioned>(resource: T) => FastifyReply
    /** Sends a page of a list, which is written already. */
    page: (page: PageText) => FastifyReply
  }
}
