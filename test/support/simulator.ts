// A small world in which the real cache, the real state of revocations and the real poller run: nodes with clocks of their own
// that drift, jump and stand still, a database that stalls, fails, forgets its log and comes back as an older copy, and a bus
// that loses, delays, repeats and reorders. Everything is drawn from one seed, and time passes only from event to event.
import { createDecisionCache, type DecisionCache, type Found } from '../../src/decisions/decision-cache.js'
import { createRevocationPoller, type RevocationPoller } from '../../src/revocation/revocation-poller.js'
import { createRevocations, type LoggedRevocation, type Rules } from '../../src/revocation/revocations.js'
import { problem } from '../../src/kernel/errors.js'

export const LEASE_MS = 1_500
/** clocks run wrong by up to a thousandth, and wall clocks tell whole milliseconds */
const SLACK_MS = LEASE_MS / 500 + 2
const NODES = 3
const USERS = 3
const KEYS = 9

export interface Outcome {
  violations: string[]
  admitted: number
  refused: number
  failed: number
  revoked: number
}

/** mulberry32 */
function generator(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

interface Tables {
  head: number
  log: LoggedRevocation[]
  revokedUsers: Set<number>
  revokedKeys: Set<number>
}

interface Node {
  id: number
  dead: boolean
  pausedUntil: number
  /** answers of the database wait until then */
  cutOffUntil: number
  cache: DecisionCache
  poller: RevocationPoller
}

class World {
  now = 0
  private calm = false
  readonly random: () => number
  readonly outcome: Outcome = { violations: [], admitted: 0, refused: 0, failed: 0, revoked: 0 }
  readonly rules: Partial<Rules>
  private readonly queue: { at: number; work: () => void }[] = []
  private tables: Tables = { head: 0, log: [], revokedUsers: new Set(), revokedKeys: new Set() }
  private backup: Tables | null = null
  private server = 1
  private downUntil = -1
  private readonly nodes: Node[] = []
  private nodeIds = 0
  private readonly cursors = new Map<number, number>()
  /** key -> since when it opens nothing; none while it does */
  private readonly invalidSince = new Map<number, number>()
  /** key -> since when nobody may accept it any more, by a revocation that was waited for */
  private readonly settledAt = new Map<number, number>()
  private readonly listeners = new Map<Node, (message: string) => void>()

  constructor(seed: number, rules: Partial<Rules>) {
    this.random = generator(seed)
    this.rules = rules
  }

  between(from: number, to: number): number {
    return from + this.random() * (to - from)
  }

  chance(probability: number): boolean {
    return this.random() < probability
  }

  at(when: number, work: () => void): void {
    let place = this.queue.length
    while (place > 0 && (this.queue[place - 1]?.at ?? 0) < when) place -= 1
    this.queue.splice(place, 0, { at: when, work })
  }

  async run(untilMs: number): Promise<void> {
    for (let next = this.queue.at(-1); next && next.at <= untilMs; next = this.queue.at(-1)) {
      this.queue.pop()
      this.now = next.at
      next.work()
      // whatever follows from it follows before time goes on
      await new Promise((resolve) => { setImmediate(resolve) })
    }
    this.now = untilMs
  }

  /** Does work of a node's when the node runs; never when it has died. */
  private on(node: Node, when: number, work: () => void): void {
    this.at(when, () => {
      if (node.dead) return
      if (node.pausedUntil > this.now) this.on(node, node.pausedUntil + this.between(0, 1), work)
      else work()
    })
  }

  // -- the database

  private isValid(key: number): boolean {
    return !this.tables.revokedKeys.has(key) && !this.tables.revokedUsers.has(key % USERS)
  }

  /** Every change of the tables passes here: it is what is true from now on. */
  private become(tables: Tables): void {
    this.tables = tables
    for (let key = 0; key < KEYS; key += 1) {
      if (this.isValid(key)) {
        this.invalidSince.delete(key)
        this.settledAt.delete(key)
      } else if (!this.invalidSince.has(key)) this.invalidSince.set(key, this.now)
    }
  }

  private static copy({ head, log, revokedUsers, revokedKeys }: Tables): Tables {
    return { head, log: [...log], revokedUsers: new Set(revokedUsers), revokedKeys: new Set(revokedKeys) }
  }

  /** One statement: sent now, run a little later on one snapshot, answered when the way back is free. */
  private ask<T>(node: Node, statement: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      const isSlow = (): boolean => !this.calm && this.chance(0.03)
      this.at(Math.max(this.now, this.downUntil) + this.between(0.2, isSlow() ? 2_500 : 5), () => {
        if (this.downUntil > this.now) {
          this.on(node, this.now + 1, () => reject(new Error('the database is down')))
          return
        }
        const answer = statement()
        this.on(node, Math.max(this.now + this.between(0.2, isSlow() ? 2_500 : 5), node.cutOffUntil + this.between(0, 20)), () => resolve(answer))
      })
    })
  }

  private change(user: boolean, index: number, revoked: boolean): void {
    const tables = World.copy(this.tables)
    const set = user ? tables.revokedUsers : tables.revokedKeys
    if (revoked) set.add(index)
    else set.delete(index)
    tables.head += 1
    tables.log.push({ seq: tables.head, tag: user ? `user:u${index}` : `key:k${index}` })
    this.become(tables)
    this.outcome.revoked += 1
  }

  // -- the nodes

  addNode(): void {
    const id = (this.nodeIds += 1)
    const rate = 1 + this.between(-0.001, 0.001)
    let wallOffset = this.between(-5_000, 5_000)
    let steadyOffset = this.between(0, 1e6)
    const clock = {
      now: () => Math.floor(1e12 + this.now * rate + wallOffset),
      monotonic: () => this.now * rate + steadyOffset,
    }
    const revocations = createRevocations({ clock, leaseMs: LEASE_MS, rules: this.rules })
    const node = { id, dead: false, pausedUntil: 0, cutOffUntil: 0 } as Node
    const sleep = (ms: number): Promise<void> => new Promise((resolve) => { this.on(node, this.now + ms, resolve) })
    node.poller = createRevocationPoller({
      revocations,
      bus: { publish: async (_channel, message) => this.publish(node, message), subscribe: async (_channel, listener) => void this.listeners.set(node, listener) },
      log: { info: () => undefined, warn: () => undefined },
      store: {
        poll: (cursor) => this.ask(node, () => {
          const { head, log } = this.tables
          return { server: String(this.server), head, rows: cursor < 0 ? [] : log.filter(({ seq }) => seq > cursor) }
        }),
        noteCursor: (cursor) => this.ask(node, () => void this.cursors.set(id, cursor)),
        slowestCursor: () => this.ask(node, () => Math.min(...this.cursors.values())),
        prune: async () => 0,
        close: async () => undefined,
      },
      timers: {
        sleep,
        every: (ms, work) => {
          const tick = (): void => {
            work()
            this.on(node, this.now + ms, tick)
          }
          this.on(node, this.now + ms, tick)
          return () => undefined
        },
      },
    })
    node.cache = createDecisionCache({
      revocations, restore: node.poller.restore, maxEntries: 5, maxBytes: 1e6,
      deadline: (work, ms) => Promise.race([work, sleep(ms).then(() => { throw problem('database.unavailable') })]),
    })
    this.cursors.set(id, 0)
    this.nodes.push(node)
    void node.poller.start()

    this.repeat(node, 40, () => {
      if (!this.calm) void this.present(node, Math.floor(this.random() * KEYS))
    })
    this.repeat(node, 4_000, () => {
      if (this.calm) return
      const fault = this.random()
      const length = this.between(100, 6_000)
      if (fault < 0.3) node.cutOffUntil = this.now + length
      else if (fault < 0.6) node.pausedUntil = this.now + length
      else if (fault < 0.7) {
        // the machine sleeps: its steady clock stands still, its wall clock does not
        node.pausedUntil = this.now + length
        steadyOffset -= length * rate
      } else if (fault < 0.8) wallOffset += this.between(-3_600_000, 3_600_000)
      else if (fault < 0.85) {
        node.dead = true
        this.nodes.splice(this.nodes.indexOf(node), 1)
        this.cursors.delete(id)
        this.listeners.delete(node)
        this.addNode()
      }
    })
  }

  private repeat(node: Node, everyMs: number, work: () => void): void {
    this.on(node, this.now + this.between(0, 2 * everyMs), () => {
      work()
      this.repeat(node, everyMs, work)
    })
  }

  private publish(from: Node, message: string): void {
    for (const [node, listener] of this.listeners) {
      for (let copies = node === from ? 1 : Math.floor(this.between(0, 2.5)); copies > 0; copies -= 1) {
        this.on(node, this.now + (node === from ? 0 : this.between(0, this.chance(0.2) ? 4_000 : 10)), () => listener(message))
      }
    }
  }

  private async present(node: Node, key: number): Promise<void> {
    const read = (): Promise<Found> => this.ask(node, (): Found => ({
      key: null, session: null, principal: { type: 'key', id: String(key), permissions: [], authenticatedBy: 'key' },
      ids: [`k${key}`, `u${key % USERS}`], asOf: this.tables.head, endsAtMs: this.isValid(key) ? Infinity : 0,
    }))
    try {
      const held = node.cache.find('key', `${key}`) ?? (await node.cache.read('key', `${key}`, read))
      if (held && held.endsAtMs > 0) this.admitted(node, key)
      else this.outcome.refused += 1
    } catch {
      this.outcome.failed += 1
    }
  }

  private admitted(node: Node, key: number): void {
    this.outcome.admitted += 1
    const since = this.invalidSince.get(key)
    if (since !== undefined && this.now - since > LEASE_MS + SLACK_MS) {
      this.outcome.violations.push(`${this.now.toFixed(0)}: node ${node.id} accepts key ${key}, revoked ${(this.now - since).toFixed(0)} ms ago`)
    }
    const settled = this.settledAt.get(key)
    if (settled !== undefined && this.now - settled > SLACK_MS) {
      this.outcome.violations.push(`${this.now.toFixed(0)}: node ${node.id} accepts key ${key}, which all nodes were said to have forgotten`)
    }
  }

  // -- what happens to all

  schedule(): void {
    this.at(this.now + this.between(0, 1_200), () => {
      if (this.calm) return
      const user = this.chance(0.4)
      const index = Math.floor(this.random() * (user ? USERS : KEYS))
      const isRevoked = (user ? this.tables.revokedUsers : this.tables.revokedKeys).has(index)
      const revoker = this.nodes[Math.floor(this.random() * this.nodes.length)]
      if (this.downUntil <= this.now) this.change(user, index, isRevoked ? this.chance(0.3) : true)
      // one in three dies before it can tell anybody, or was typed by hand
      if (revoker && revoker.pausedUntil <= this.now && this.downUntil <= this.now && this.chance(0.66)) void this.tell(revoker, user, index)
      this.schedule()
    })
  }

  private async tell(revoker: Node, user: boolean, index: number): Promise<void> {
    if (this.chance(0.5)) return revoker.poller.pollNow()
    const keys = [...this.invalidSince].filter(([key]) => (user ? key % USERS === index : key === index))
    await revoker.poller.waitForNodes()
    for (const [key, since] of keys) {
      if (this.invalidSince.get(key) === since) this.settledAt.set(key, this.now)
    }
  }

  scheduleDisasters(): void {
    this.at(this.now + this.between(2_000, 12_000), () => {
      if (this.calm) return
      const kind = this.random()
      if (kind < 0.3) this.downUntil = this.now + this.between(100, 4_000)
      else if (kind < 0.5) this.tables.log.splice(0, this.tables.log.length - Math.floor(this.between(0, 3)))
      else if (kind < 0.7) this.backup = World.copy(this.tables)
      else if (kind < 0.8 && this.backup) {
        // an older copy takes over: what was revoked since is valid again, and numbers are given a second time
        this.server += 1
        this.become(World.copy(this.backup))
      }
      this.scheduleDisasters()
    })
  }

  /** Is everything well again once the faults are over: what is valid accepted by every node, and nothing else? */
  async calmDown(): Promise<void> {
    this.calm = true
    await this.run(this.now + 9_000)
    const before = { ...this.outcome }
    const valid = KEYS - this.invalidSince.size
    for (const node of this.nodes) {
      for (let key = 0; key < KEYS; key += 1) void this.present(node, key)
    }
    await this.run(this.now + 39)
    const [admitted, refused] = [this.outcome.admitted - before.admitted, this.outcome.refused - before.refused]
    if (admitted !== valid * NODES || refused !== (KEYS - valid) * NODES) {
      this.outcome.violations.push(`when all was well, ${admitted} of ${valid * NODES} were accepted and ${refused} of ${(KEYS - valid) * NODES} refused`)
    }
  }
}

/** One run of `lengthMs` of the world's time, in every fourth world with a good end. `rules` switches rules off. */
export async function simulate(seed: number, lengthMs: number, rules: Partial<Rules> = {}): Promise<Outcome> {
  const world = new World(seed, rules)
  for (let count = 0; count < NODES; count += 1) world.addNode()
  world.schedule()
  world.scheduleDisasters()
  await world.run(lengthMs)
  if (seed % 4 === 0) await world.calmDown()
  return world.outcome
}
