// Named statements: PostgreSQL plans each once a connection. Lists and single rows get their names here; for a pooler that does not keep
// them, clients.ts leaves them out.
import { createHash } from 'node:crypto'
import type pg from 'pg'
import type { Piece } from './transaction.js'

/** A statement of a fixed text. `name` is of this text alone. */
export function prepared(name: string, text: string, values: unknown[]): pg.QueryConfig {
  return { name, text, values }
}

export interface Names {
  /** The statement under a name of its own; without one once `most` other texts have theirs. */
  prepare: (text: string, values: unknown[]) => pg.QueryConfig
}

/** Names for texts that are put together from fixed parts: `most` of them, for each connection keeps every plan. */
export function createNames(prefix: string, most: number): Names {
  const names = new Map<string, string>()
  return {
    prepare(text, values) {
      const known = names.get(text)
      if (known !== undefined) return prepared(known, text, values)
      if (names.size >= most) return { text, values }
      // of the text and not of its turn: whoever shares a connection means the same by it. PostgreSQL cuts names at 63 bytes
      const name = `${prefix}-${createHash('sha256').update(text).digest('base64url').slice(0, 16)}`
      names.set(text, name)
      return prepared(name, text, values)
    },
  }
}

const forDriver = (value: unknown): unknown => {
  if (value instanceof Date) return value.toISOString()
  return value instanceof Uint8Array && !Buffer.isBuffer(value) ? Buffer.from(value.buffer, value.byteOffset, value.byteLength) : value
}

/** A statement that was put together from pieces, for the pool itself: by itself it is a transaction of its own, in one round trip instead of three. */
export function assembled(names: Names, { text, values }: Piece): pg.QueryConfig {
  return names.prepare(text, values.map(forDriver))
}
