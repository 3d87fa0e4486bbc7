// Reads that are asked for one by one and put to the database together: while as many statements are under way as are of use, whoever comes waits for
// the next one, which asks for all who wait. With little to do each is read at once, by itself.
import { problem } from '../kernel/errors.js'

export interface GatheredReadsDeps<Name, T> {
  readOne: (name: Name) => Promise<T | null>
  /** What stands under each of the names, in their order. */
  readMany: (names: readonly Name[]) => Promise<readonly (T | null)[]>
  /** statements under way at a time */
  atOnce: number
  /** names in a statement */
  most: number
  /** who may wait; whoever comes then gets database.unavailable */
  waiting: number
}

interface Waiting<Name, T> {
  name: Name
  resolve: (found: T | null) => void
  reject: (error: unknown) => void
}

/**
 * Gives a read of one name. What it resolves to was read after it was asked for, never before: a statement only takes up who waits when it is sent. Rejects with
 * what the statement threw, as all who are in it do, and with database.unavailable where too many wait.
 */
export function gatherReads<Name, T>({ readOne, readMany, atOnce, most, waiting }: GatheredReadsDeps<Name, T>): (name: Name) => Promise<T | null> {
  let queue: Waiting<Name, T>[] = []
  let running = 0

  async function read(batch: readonly Waiting<Name, T>[]): Promise<void> {
    running += 1
    try {
      const [only, ...more] = batch
      if (only && more.length === 0) only.resolve(await readOne(only.name))
      else {
        const found = await readMany(batch.map(({ name }) => name))
        for (const [at, { resolve }] of batch.entries()) resolve(found[at] ?? null)
      }
    } catch (error) {
      for (const { reject } of batch) reject(error)
    } finally {
      running -= 1
      next()
    }
  }

  function next(): void {
    if (queue.length === 0 || running >= atOnce) return
    const batch = queue.slice(0, most)
    queue = queue.slice(most)
    void read(batch)
  }

  return (name) => new Promise<T | null>((resolve, reject) => {
    if (queue.length >= waiting) {
      reject(problem('database.unavailable', { retryAfterSeconds: 1 }))
      return
    }
    queue.push({ name, resolve, reject })
    next()
  })
}
