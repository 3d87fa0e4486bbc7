// What route files share: closed objects, and the types that the access plugin reads from a route's config.
import { type ObjectOptions, type TProperties, Type } from '@sinclair/typebox'
import type { Access, Caller, Principal } from '../src/access/principal.js'
import type { ErrorCode } from '../src/kernel/errors.js'
import type { Versioned } from '../src/kernel/etag.js'

/** An object that refuses properties it does not name. */
export function strict<P extends TProperties>(properties: P, options: ObjectOptions = {}) {
  return Type.Object(properties, { ...options, additionalProperties: false })
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
export const NoContent = Type.Null({ description: 'No content' })

declare module 'fastify' {
  interface FastifyContextConfig {
    /** who may call the route; any one of these. A route without it does not boot. */
    access?: Access[]
    /** codes of src/kernel/errors.ts the route answers with, besides the automatic ones */
    errors?: ErrorCode[]
    /** what a request takes from its principal's budget: 1 for reading and 2 for changing, unless stated; 0 for deciding about others' requests */
    price?: number
    /** the route honours Idempotency-Key through request.once */
    idempotent?: boolean
  }

  interface FastifyRequest {
    /** the credential's principal, or null on a public route */
    principal: Principal | null
    readonly caller: Caller
    /** The principal. Throws credentials.missing when there is none. */
    signedIn: () => Principal
    /** Runs `work` at most once for the request's Idempotency-Key and sends its result; a repeat gets the stored answer, unless `beforeReplay` throws. */
    once: <T extends object>(reply: FastifyReply, status: number, work: () => Promise<T>, beforeReplay?: (answer: T) => Promise<void>) => Promise<FastifyReply>
  }

  interface FastifyReply {
    /** Sends a versioned resource with its ETag, or 304 when If-None-Match names it. */
    versioned: <T extends Versioned>(resource: T) => FastifyReply
  }
}
