// The counters that this process holds, as many as there is room for. One that has counted anything is never forgotten to make room where it is
// the only truth: what is unused goes, and when all are in use a new one is refused. Callers who cannot be told apart beforehand (addresses,
// identifiers of a namespace, customers) have rooms of their own, so that a flood of one kind refuses nobody of another.
import type { LimitCharge } from '../../shared-store/shared-store.js'
import { type Counter, counterName, createCounter, settleCounter, stateOf, weight } from './counter.js'

export interface CounterPool {
  /** Settled; undefined: nothing is known of it. */
  find: (charge: LimitCharge, at: number) => Counter | undefined
  /** The counter, a new one where there is room. Null: all others are in use, or (with `strictly`) one that was in use has been forgotten lately. */
  open: (charge: LimitCharge, at: number, strictly?: boolean) => Counter | null
  /** The same for a copy of what Redis counts: always one, in place of the lightest if need be. */
  copy: (charge: LimitCharge, at: number) => Counter
  values: () => Counter[]
  size: () => number
}

type Kind = 'strangers' | 'named' | 'customers'

export interface CounterPoolOptions {
  /** of each kind */
  maxCounters: number
  /** called when a new counter was refused */
  onFull?: ((kind: Kind) => void) | undefined
}

const SAMPLE = 16

function kindOf(key: string): Kind {
  if (key.startsWith('public:') || key.startsWith('gate:address:')) return 'strangers'
  return key.startsWith('ns:') ? 'named' : 'customers'
}

function createRoom(max: number) {
  // in order of last use where room is short: re-inserting a key moves it to the end
  const counters = new Map<string, Counter>()
  /** until then something that counted may be missing */
  let forgottenUntilMs = -Infinity

  /** Looks at the least recently used ones: what is unused is dropped, the others get another round. Returns the lightest of them. */
  function drop(at: number): [string, Counter] | undefined {
    const oldest: [string, Counter][] = []
    for (const entry of counters) {
      if (oldest.push(entry) === SAMPLE) break
    }
    let lightest: [string, Counter] | undefined
    for (const [name, counter] of oldest) {
      settleCounter(counter, at)
      counters.delete(name)
      if (weight(counter) === 0 && counter.owed === 0) continue
      counters.set(name, counter)
      if (!lightest || weight(counter) < weight(lightest[1])) lightest = [name, counter]
    }
    return lightest
  }

  function find(name: string, charge: LimitCharge, at: number): Counter | undefined {
    const counter = counters.get(name)
    if (!counter) return undefined
    if (counters.size * 2 > max) {
      counters.delete(name)
      counters.set(name, counter)
    }
    counter.charge = charge
    settleCounter(counter, at)
    return counter
  }

  function add(name: string, charge: LimitCharge): Counter {
    const counter = createCounter(charge)
    counters.set(name, counter)
    return counter
  }

  return {
    counters, find, add,
    /** Is there room for one more, or can some be made? */
    hasRoom(at: number): boolean {
      if (counters.size >= max) drop(at)
      return counters.size < max
    },
    misses: (at: number): boolean => at < forgottenUntilMs,
    /** Makes room whatever is lost, and remembers for how long it is missed. */
    clear(at: number): void {
      const lightest = counters.size >= max ? drop(at) : undefined
      if (counters.size < max || !lightest) return
      const [name, counter] = lightest
      forgottenUntilMs = Math.max(forgottenUntilMs, at + stateOf(counter, counter.charge, at, 1).resetMs)
      counters.delete(name)
    },
  }
}

export function createCounterPool({ maxCounters, onFull }: CounterPoolOptions): CounterPool {
  const rooms = { strangers: createRoom(maxCounters), named: createRoom(maxCounters), customers: createRoom(maxCounters) }
  const all = Object.values(rooms)

  return {
    find(charge, at) {
      const counter = rooms[kindOf(charge.key)].counters.get(counterName(charge))
      if (counter) settleCounter(counter, at)
      return counter
    },
    open(charge, at, strictly = false) {
      const kind = kindOf(charge.key)
      const room = rooms[kind]
      const name = counterName(charge)
      const counter = room.find(name, charge, at)
      if (counter) return counter
      if (room.hasRoom(at) && !(strictly && room.misses(at))) return room.add(name, charge)
      onFull?.(kind)
      return null
    },
    copy(charge, at) {
      const room = rooms[kindOf(charge.key)]
      const name = counterName(charge)
      const counter = room.find(name, charge, at)
      if (counter) return counter
      room.clear(at)
      return room.add(name, charge)
    },
    values: () => all.flatMap(({ counters }) => [...counters.values()]),
    size: () => all.reduce((sum, { counters }) => sum + counters.size, 0),
  }
}
