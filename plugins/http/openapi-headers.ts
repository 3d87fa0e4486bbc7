// The header fields that operations take and give, told once in the document and referred to. What a route takes follows from what it
// declares: If-Match where a precondition can fail, Idempotency-Key where it is honoured, and so on.
import type { RouteOptions } from 'fastify'

const text = { type: 'string' }
const seconds = { type: 'integer', minimum: 1 }

/** Parameters by their name in components.parameters. */
export const PARAMETERS = {
  IfMatch: { name: 'If-Match', in: 'header', required: true, schema: text, example: '"0198c0de-7d3a-7c1e-9a53-0d9a3c0b6f11.1"', description: 'The ETag that was read. 428 without it, 412 when the resource has changed since' },
  IfMatchOptional: { name: 'If-Match', in: 'header', required: false, schema: text, example: '"0198c0de-7d3a-7c1e-9a53-0d9a3c0b6f11.1"', description: 'Not needed; 412 when it is sent and stale' },
  IfNoneMatch: { name: 'If-None-Match', in: 'header', required: false, schema: text, description: 'An ETag that is known: 304 when it is still the same' },
  IdempotencyKey: { name: 'Idempotency-Key', in: 'header', required: false, schema: { type: 'string', minLength: 1, maxLength: 255, pattern: '^[\\x21-\\x7e]+$' }, example: 'b7c1f0de-order-42', description: 'The same key again gets the stored answer and does nothing twice, for 24 hours' },
} as const

/** Answer headers by their own name. */
export const HEADERS = {
  ETag: { schema: text, description: 'Strong; "id.version". For If-Match and If-None-Match' },
  'Effective-Within-Ms': { schema: { type: 'integer', minimum: 0 }, description: 'No node decides by the old state later than this after the answer' },
  'Idempotency-Replayed': { schema: { type: 'string', enum: ['true'] }, description: 'The stored answer of an earlier request of this Idempotency-Key' },
  RateLimit: { schema: text, example: '"public";r=1199;t=60', description: 'What is left: r units, all of them again in t seconds' },
  'RateLimit-Policy': { schema: text, example: '"public";q=1200;w=60', description: 'The limit: q units in w seconds' },
  'Retry-After': { schema: seconds, description: 'Seconds to wait' },
  'WWW-Authenticate': { schema: text, example: 'Bearer realm="gatehouse"', description: 'RFC 6750' },
} as const

export type HeaderName = keyof typeof HEADERS

const methodsOf = ({ method }: RouteOptions): string[] => [method].flat()
const hasProperty = (schema: unknown, name: string): boolean => name in ((schema as { properties?: object } | undefined)?.properties ?? {})

/** Names in PARAMETERS that the operation takes. */
export function parametersOf(route: RouteOptions): (keyof typeof PARAMETERS)[] {
  const declares = route.config?.declares ?? new Set<string>()
  const taken: (keyof typeof PARAMETERS)[] = []
  if (declares.has('precondition.required')) taken.push('IfMatch')
  else if (declares.has('precondition.failed')) taken.push('IfMatchOptional')
  if (methodsOf(route).includes('GET') && isVersioned(route, '200')) taken.push('IfNoneMatch')
  if (route.config?.idempotent) taken.push('IdempotencyKey')
  return taken
}

/** One resource with an id and a version. */
function isVersioned({ schema }: RouteOptions, status: string): boolean {
  const answer = (schema?.response as Record<string, unknown> | undefined)?.[status]
  return hasProperty(answer, 'version') && hasProperty(answer, 'id')
}

/** Headers that an answer of this status may carry. */
export function headersOf(route: RouteOptions, status: string): HeaderName[] {
  const given: HeaderName[] = []
  const isSuccess = status.startsWith('2')
  if (isSuccess && isVersioned(route, status)) given.push('ETag')
  if (isSuccess && hasProperty(route.schema?.querystring, 'wait')) given.push('Effective-Within-Ms')
  if (isSuccess && route.config?.idempotent) given.push('Idempotency-Replayed')
  if (route.config?.rateLimit && (isSuccess || status === '429')) given.push('RateLimit', 'RateLimit-Policy')
  if (status === '429' || status === '503') given.push('Retry-After')
  if (status === '401') given.push('WWW-Authenticate')
  return given
}
