// Many readers of GET /events: what an open stream takes of memory, and how soon each reader of a filter is told; and what telling costs the change.
import { once } from 'node:events'
import { get, type IncomingMessage } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import type pg from 'pg'
import { newId } from '../src/kernel/ids.js'
import { bearer } from './api.js'
import { change, cpuSeconds, residentMb, withPool } from './live.js'
import { percentileOf } from './random.js'
import type { Figure } from './report.js'
import type { Bench, Findings } from './rows.js'
import { signIn } from './world.js'

const STREAMS = 2_000
const FILTERS = 10
const EVENTS_A_SECOND = 200
const SECONDS = 10
const OPEN_AT_ONCE = 100
const MEMORY_TARGET_MB = 150
const P99_TARGET_MS = 500
const CHANGES = 60
const COST_ROUNDS = 20
const COST_TARGET_PERCENT = 10

interface Readers {
  latenciesMs: number[]
  close: () => void
}

async function openAll({ api }: Bench['world'], accessToken: string, subjects: readonly string[]): Promise<Readers> {
  const latenciesMs: number[] = []
  const closing: (() => void)[] = []
  async function open(at: number): Promise<void> {
    const request = get(`${api.origin}/api/v1/events?types=key.*&subject=${subjects[at % subjects.length]}`, { headers: bearer(accessToken), agent: false })
    const [response] = (await once(request, 'response')) as [IncomingMessage]
    if (response.statusCode !== 200) throw new Error(`a stream answered ${response.statusCode}`)
    closing.push(() => void request.destroy())
    request.on('error', () => undefined)
    response.on('error', () => undefined)
    response.setEncoding('latin1')
    response.on('data', (text: string) => {
      const now = Date.now()
      for (const [, time = ''] of text.matchAll(/"at":"([^"]+)"/g)) latenciesMs.push(now - Date.parse(time))
    })
  }
  for (let from = 0; from < STREAMS; from += OPEN_AT_ONCE) await Promise.all(Array.from({ length: OPEN_AT_ONCE }, (_, at) => open(from + at)))
  return { latenciesMs, close: () => { for (const one of closing) one() } }
}

interface Cost {
  ms: number
  /** of a core, of the server and its database together; null: it cannot be seen */
  cpuMs: number | null
}

/** What a change takes with its event and without, alternating: the medians of the rounds. The event is a trigger's: no statement more goes to the database. */
async function costOf({ world: { api }, serverPid }: Bench, pool: pg.Pool, { accessToken, user }: { accessToken: string; user: { id: string } }): Promise<{ withEvent: Cost; without: Cost }> {
  const headers = { ...bearer(accessToken), 'if-match': '*', 'content-type': 'application/json' }
  const backends = async (): Promise<number[]> => (await pool.query<{ pid: number }>("SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND datname = current_database()")).rows.map(({ pid }) => pid)
  const cpuOf = (pids: readonly number[]): number | null => [serverPid, ...pids].reduce<number | null>((sum, pid) => (sum === null ? null : (cpuSeconds(pid) ?? 0) + sum), cpuSeconds(serverPid) === null ? null : 0)
  const round = async (): Promise<Cost> => {
    const pids = await backends()
    const [from, cpuBefore] = [performance.now(), cpuOf(pids)]
    for (let at = 0; at < CHANGES; at += 1) {
      const answer = await fetch(`${api.origin}/api/v1/users/${user.id}`, { method: 'PATCH', headers, body: JSON.stringify({ name: `Bench ${at}` }) })
      await answer.arrayBuffer()
      if (answer.status !== 200) throw new Error(`a change answered ${answer.status}`)
    }
    const cpuAfter = cpuOf(pids)
    return { ms: (performance.now() - from) / CHANGES, cpuMs: cpuBefore === null || cpuAfter === null ? null : ((cpuAfter - cpuBefore) * 1_000) / CHANGES }
  }
  await round()
  const [withEvent, without]: [Cost[], Cost[]] = [[], []]
  for (let at = 0; at < COST_ROUNDS; at += 1) {
    withEvent.push(await round())
    await pool.query('ALTER TABLE audit_events DISABLE TRIGGER audit_events_event')
    without.push(await round())
    await pool.query('ALTER TABLE audit_events ENABLE TRIGGER audit_events_event')
  }
  const middle = (rounds: readonly Cost[]): Cost => {
    const cpu = rounds.flatMap(({ cpuMs }) => cpuMs ?? [])
    // hundredths of a second are what the kernel counts in: their mean says more than their median
    return { ms: percentileOf(rounds.map(({ ms }) => ms), 0.5), cpuMs: cpu.length === 0 ? null : cpu.reduce((sum, one) => sum + one, 0) / cpu.length }
  }
  return { withEvent: middle(withEvent), without: middle(without) }
}

export async function measureStreams(bench: Bench): Promise<Findings> {
  const { world, serverPid } = bench
  const signedIn = await signIn(world)
  const subjects = Array.from({ length: FILTERS }, () => newId())
  return withPool(bench, async (pool) => {
    const idleMb = residentMb(serverPid)
    const readers = await openAll(world, signedIn.accessToken, subjects)
    const cpuBefore = cpuSeconds(serverPid) ?? 0
    await change(pool, subjects, EVENTS_A_SECOND, SECONDS)
    await delay(1_000)
    const busyMb = residentMb(serverPid)
    const cpu = (cpuSeconds(serverPid) ?? 0) - cpuBefore
    readers.close()
    const cost = await costOf(bench, pool, signedIn)
    const expected = (EVENTS_A_SECOND * SECONDS * STREAMS) / FILTERS
    const { latenciesMs } = readers
    if (latenciesMs.length !== expected) throw new Error(`${latenciesMs.length} messages came of ${expected}`)
    const latency = (name: string, part: number, target: number | null): Figure => ({ label: `events, ${STREAMS} streams, ${EVENTS_A_SECOND} a second to ${STREAMS / FILTERS} readers each: ${name}`, value: percentileOf(latenciesMs, part), unit: 'ms', digits: 0, target })
    return {
      figures: [
        latency('p50', 0.5, null), latency('p99', 0.99, P99_TARGET_MS),
        ...(idleMb === null || busyMb === null ? [] : [{ label: `events, memory of the server with ${STREAMS} streams above that without`, value: busyMb - idleMb, unit: 'MiB', digits: 0, target: MEMORY_TARGET_MB }]),
        { label: 'events, what a change takes longer for its event', value: (cost.withEvent.ms / cost.without.ms - 1) * 100, unit: '%', digits: 1, target: COST_TARGET_PERCENT },
        ...(cost.withEvent.cpuMs === null || cost.without.cpuMs === null ? [] : [{ label: 'events, what a change takes more of a core for its event', value: (cost.withEvent.cpuMs / cost.without.cpuMs - 1) * 100, unit: '%', digits: 1, target: COST_TARGET_PERCENT }]),
      ],
      details: { cost, idleMb, busyMb, cpuSeconds: cpu },
    }
  })
}
