// Several stores' writes in one statement: one round trip where each would have been one. All parts see the rows as they were before the
// statement, and none sees what another writes, but by its RETURNING; so what is compared must be locked by the statement before.
import { Prisma } from './generated/client.js'
import type { Along, Piece } from './transaction.js'

/**
 * `WITH ... SELECT`: the statement's own parts by name, then what goes along, each written once when the part `when` has rows.
 * A name that is given twice is a mistake of ours.
 */
export function together(parts: Record<string, Piece>, when: string, along: readonly Along[], select: Piece): Piece {
  const given = [...Object.entries(parts), ...along.flatMap((one) => Object.entries(one(Prisma.raw(when))))]
  if (new Set(given.map(([name]) => name)).size < given.length) throw new Error(`Two parts of one statement have one name: ${given.map(([name]) => name).join(', ')}`)
  return Prisma.sql`WITH ${Prisma.join(given.map(([name, sql]) => Prisma.sql`${Prisma.raw(name)} AS (${sql})`), ', ')} ${select}`
}

/** What goes along when `when` has rows, under names of its own: it may stand beside what goes along with another part. */
export function renamed(along: Along, when: string): Along {
  return () => Object.fromEntries(Object.entries(along(Prisma.raw(when))).map(([name, sql]) => [`${when}_${name}`, sql]))
}

/** Bytes as Prisma takes them: over a buffer of their own, which a slice of Node's pool is not. */
export function bytes(value: Uint8Array): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(value)
}
