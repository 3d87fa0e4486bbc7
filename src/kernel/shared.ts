// What many rows repeat (permissions, limits of a plan, metadata) is held in memory once. Only for values that nobody changes.

export type Share = <T>(value: T) => T

// what is longer is seldom repeated, and would be kept here for nothing
const LONGEST = 512

/** Gives the same object for each equal JSON value that is short, up to `max` different ones; after that it starts anew. */
export function createShare(max = 10_000): Share {
  const known = new Map<string, unknown>()
  return <T>(value: T): T => {
    const text = JSON.stringify(value)
    if (text.length > LONGEST) return value
    const same = known.get(text)
    if (same !== undefined) return same as T
    if (known.size >= max) known.clear()
    known.set(text, value)
    return value
  }
}

/** The same text in one piece: a joined text is kept as a tree of its parts, which takes twice the memory. */
export function flat(text: string): string {
  return Buffer.from(text).toString()
}
