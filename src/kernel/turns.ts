// One at a time in this process, by name: whoever would wait for a lock of the database waits here instead, and holds no connection
// meanwhile. It spares connections and decides nothing: what must not happen twice is still the database's to refuse.

/** Runs the work once all before it that share one of its names have ended, well or badly. Throws what the work throws. */
export type TakeTurn = <T>(names: readonly string[], work: () => Promise<T>) => Promise<T>

/** Turns are taken in the order they were asked for, under all names at once, so no two can wait for each other. */
export function createTurns(): TakeTurn {
  const lastOf = new Map<string, Promise<unknown>>()

  async function release(names: readonly string[], ended: Promise<unknown>): Promise<void> {
    await ended
    for (const name of names) if (lastOf.get(name) === ended) lastOf.delete(name)
  }

  return (names, work) => {
    const before = names.flatMap((name) => lastOf.get(name) ?? [])
    const done = before.length === 0 ? work() : Promise.all(before).then(work)
    const ended = Promise.allSettled([done])
    for (const name of names) lastOf.set(name, ended)
    void release(names, ended)
    return done
  }
}
