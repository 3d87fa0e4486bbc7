// Who may hash next. Three lanes: signed in, known device, stranger. Strangers never take the last place, the other two never the
// last but one, so that neither lane waits for the other to end. Within a lane whoever has had less comes first: each hash
// that was not a right password puts the next ones of the same origin further back. Full, it sheds from the one that floods.
// Nothing here hashes, and nothing here knows a password.
import type { Clock } from '../kernel/clock.js'
import { problem } from '../kernel/errors.js'

export type Lane = 'signed_in' | 'device' | 'stranger'

/** What an origin has had is counted under each of these names; `share`: how many origins that name stands for. */
export interface CountedName {
  name: string
  share?: number
}

export interface HashOrigin {
  lane: Lane
  /** the first one is who asks: it may hold a quarter of the queue */
  names: readonly CountedName[]
  /** ms that it comes later than one who asks to sign in */
  laterMs?: number
}

export interface HashQueue {
  /** Runs the work in its turn. Throws server.busy when it is shed: too many wait, most of them of this origin, or it waited too long. */
  run: <T>(origin: HashOrigin, work: () => Promise<T>) => Promise<T>
  /** The hash was of a right password: it is not held against the origin. */
  forgive: (origin: HashOrigin) => void
}

export interface HashQueueOptions {
  clock: Clock
  cores: number
  /** how many may wait in each lane; at cost 12 on two cores 64 are eight seconds */
  maxWaiting?: number
}

// libuv has four threads: strangers leave one for files and name look-ups
const MOST_AT_A_TIME = 3
// what one hash costs the next one of the same origin: as if it had come that much later
const SPACING_MS = 10_000
// after this time one hash is forgotten
const FORGIVEN_MS = 30_000
const MAX_WAIT_MS = 8_000
const MAX_NAMES = 20_000

interface Waiting {
  origin: HashOrigin
  arrivedMs: number
  /** the order: when it came, and later for each hash that its origin has had */
  turnMs: number
  start: () => void
  refuse: () => void
}

function busy(): Error {
  return problem('server.busy', { retryAfterSeconds: 5 })
}

/** How much each name has had: a level that sinks by one every half minute. Forgetting the longest unused name costs precision only. */
function createLevels(now: () => number) {
  const levels = new Map<string, { level: number; atMs: number }>()
  const read = (name: string): number => {
    const known = levels.get(name)
    return known ? Math.max(0, known.level - (now() - known.atMs) / FORGIVEN_MS) : 0
  }
  return {
    rank: ({ names }: HashOrigin): number => Math.max(0, ...names.map(({ name, share = 1 }) => read(name) / share)),
    add({ names }: HashOrigin, by: 1 | -1): void {
      for (const { name } of names) {
        const level = Math.max(0, read(name) + by)
        levels.delete(name)
        if (level > 0) levels.set(name, { level, atMs: now() })
      }
      while (levels.size > MAX_NAMES) levels.delete(levels.keys().next().value ?? '')
    },
  }
}

function byTurn(waiting: readonly Waiting[], isBetter: (a: number, b: number) => boolean): Waiting | undefined {
  let best = waiting[0]
  for (const one of waiting) if (best && isBetter(one.turnMs, best.turnMs)) best = one
  return best
}

/** A queue for one process. Cores: how many hashes run at a time before one more is let in for those who are known. */
export function createHashQueue({ clock, cores, maxWaiting = 64 }: HashQueueOptions): HashQueue {
  const usual = Math.max(1, Math.min(cores, MOST_AT_A_TIME))
  const all = usual + 1
  const maxEach = Math.ceil(maxWaiting / 4)
  const levels = createLevels(() => clock.monotonic())
  const lanes: Record<Lane, Waiting[]> = { signed_in: [], device: [], stranger: [] }
  const running: Record<Lane, number> = { signed_in: 0, device: 0, stranger: 0 }
  let last: Lane = 'device'

  const total = (): number => running.signed_in + running.device + running.stranger

  function drop(one: Waiting): void {
    const lane = lanes[one.origin.lane]
    lane.splice(lane.indexOf(one), 1)
  }

  function shed(one: Waiting): void {
    drop(one)
    levels.add(one.origin, -1)
    one.refuse()
  }

  /** Which lane's turn it is, among those that have somebody waiting and a place to run in. */
  function nextLane(): Lane | null {
    const known = running.signed_in + running.device
    if (total() < all && known < Math.max(1, all - 1)) {
      const other = last === 'device' ? 'signed_in' : 'device'
      for (const lane of [other, last] as const) if (lane !== 'stranger' && lanes[lane].length > 0) return lane
    }
    const hasPlace = total() < usual || (running.stranger === 0 && total() < all)
    return hasPlace && lanes.stranger.length > 0 ? 'stranger' : null
  }

  function pump(): void {
    const oldestMs = clock.monotonic() - MAX_WAIT_MS
    for (const lane of Object.values(lanes)) for (const one of lane.filter(({ arrivedMs }) => arrivedMs < oldestMs)) shed(one)
    for (let lane = nextLane(); lane !== null; lane = nextLane()) {
      const one = byTurn(lanes[lane], (a, b) => a < b)
      if (!one) return
      drop(one)
      if (lane !== 'stranger') last = lane
      one.start()
    }
  }

  /** Makes room for one more by shedding who is furthest back; false when that is the one who comes. */
  function makeRoom({ lane, names: [asking] }: HashOrigin, turnMs: number): boolean {
    const waiting = lanes[lane]
    if (waiting.filter(({ origin }) => origin.names[0]?.name === asking?.name).length >= maxEach) return false
    if (waiting.length < maxWaiting) return true
    const furthest = byTurn(waiting, (a, b) => a > b)
    if (!furthest || furthest.turnMs <= turnMs) return false
    shed(furthest)
    return true
  }

  return {
    run(origin, work) {
      const { lane, laterMs = 0 } = origin
      const arrivedMs = clock.monotonic()
      const turnMs = arrivedMs + laterMs + levels.rank(origin) * SPACING_MS
      if (!makeRoom(origin, turnMs)) return Promise.reject(busy())
      levels.add(origin, 1)
      return new Promise((resolve, reject) => {
        const start = (): void => {
          running[lane] += 1
          void work().then(resolve, reject).finally(() => {
            running[lane] -= 1
            pump()
          })
        }
        lanes[lane].push({ origin, arrivedMs, turnMs, start, refuse: () => reject(busy()) })
        pump()
      })
    },
    forgive: (origin) => levels.add(origin, -1),
  }
}
