// What may be said about a key, and what its dates mean. Pure.
import { type FieldError, problem } from '../kernel/errors.js'
import { type Limit, limitMistakes } from '../limits/limit-rules.js'

export type KeyLimit = Limit

export type KeyStatus = 'active' | 'revoked' | 'expired'

export type Metadata = Record<string, unknown>

export const METADATA_BYTES = 4096

/** The part of a key's input that a schema cannot check. */
export interface CheckedInput {
  name?: string
  limits?: KeyLimit[]
  metadata?: Metadata
  expiresAt?: string | null
}

/** A key is dead from its `expiresAt` on, to the millisecond. */
export function keyStatus({ revokedAt, expiresAt }: { revokedAt: Date | null; expiresAt: Date | null }, nowMs: number): KeyStatus {
  if (revokedAt) return 'revoked'
  return expiresAt && expiresAt.getTime() <= nowMs ? 'expired' : 'active'
}

/** PostgreSQL keeps neither U+0000 nor half a surrogate pair, whatever JSON says. */
function isStorable(value: unknown): boolean {
  if (typeof value === 'string') return !value.includes('\0') && !/\p{Surrogate}/u.test(value)
  if (typeof value !== 'object' || value === null) return true
  return Object.entries(value).every(([name, inner]) => isStorable(name) && isStorable(inner))
}

function mistakesOf({ name, limits, metadata, expiresAt }: CheckedInput, nowMs: number): FieldError[] {
  const found: FieldError[] = []
  if (name !== undefined && !isStorable(name)) found.push({ path: '/name', message: 'holds characters that cannot be stored' })
  if (limits) found.push(...limitMistakes(limits))
  if (metadata && Buffer.byteLength(JSON.stringify(metadata)) > METADATA_BYTES) {
    found.push({ path: '/metadata', message: `must have at most ${METADATA_BYTES} bytes` })
  }
  if (metadata && !isStorable(metadata)) found.push({ path: '/metadata', message: 'holds characters that cannot be stored' })
  // a time JavaScript cannot read is NaN, and NaN is not above anything
  if (typeof expiresAt === 'string' && !(Date.parse(expiresAt) > nowMs)) found.push({ path: '/expiresAt', message: 'must be in the future' })
  return found
}

/** Throws request.invalid, naming every mistake. */
export function checkKeyInput(input: CheckedInput, nowMs: number): void {
  const errors = mistakesOf(input, nowMs)
  if (errors.length > 0) throw problem('request.invalid', { errors })
}
