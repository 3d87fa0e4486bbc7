// What may be kept as somebody's metadata: any JSON, small, and of what PostgreSQL holds. Pure.

export type Metadata = Record<string, unknown>

export const METADATA_BYTES = 4096

/** PostgreSQL keeps neither U+0000 nor half a surrogate pair, whatever JSON says. */
export function isStorable(value: unknown): boolean {
  if (typeof value === 'string') return !value.includes('\0') && !/\p{Surrogate}/u.test(value)
  if (typeof value !== 'object' || value === null) return true
  return Object.entries(value).every(([name, inner]) => isStorable(name) && isStorable(inner))
}

/** What a value takes in the database beyond its JSON: numeric knows no exponents, so 1e308 is 309 digits there, and in every answer's making. */
function digitsMore(value: unknown): number {
  if (typeof value === 'number') return Math.abs(Number(/e(.+)$/.exec(String(value))?.[1] ?? 0))
  if (typeof value !== 'object' || value === null) return 0
  return Object.values(value).reduce((sum: number, inner) => sum + digitsMore(inner), 0)
}

/** Why this cannot be kept; empty: it can. */
export function metadataFaults(metadata: Metadata): string[] {
  return [
    ...(Buffer.byteLength(JSON.stringify(metadata)) + digitsMore(metadata) > METADATA_BYTES ? [`must have at most ${METADATA_BYTES} bytes`] : []),
    ...(isStorable(metadata) ? [] : ['holds characters that cannot be stored']),
  ]
}
