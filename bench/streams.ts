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

/** What a change takes with its event and without, alternating: the median of the rounds, in ms. */
async function costOf({ world: { api } }: Bench, pool: pg.Pool, { accessToken, user }: { accessToken: string; user: { id: string } }): Promise<{ withEvent: number; without: number }> {
  const headers = { ...bearer(accessToken), 'if-match': '*', 'content-type': 'application/json' }
  const round = async (): Promise<number> => {
    const from = performance.now()
    for (let at = 0; at < CHANGES; at += 1) {
      const answer = await fetch(`${api.origin}/api/v1/users/${user.id}`, { method: 'PATCH', headers, body: JSON.stringify({ name: `Bench ${at}` }) })
      await answer.arrayBuffer()
      if (answer.status !== 200) throw new Error(`a change answered ${answer.status}`)
    }
    return (performance.now() - from) / CHANGES
  }
  await round()
  const [withEvent, without]: [number[], number[]] = [[], []]
  for (let at = 0; at < COST_ROUNDS; at += 1) {
    withEvent.push(await round())
    await pool.query('ALTER TABLE audit_events DISABLE TRIGGER audit_events_event')
    without.push(await round())
    await pool.query('ALTER TABLE audit_events ENABLE TRIGGER audit_events_event')
  }
  return { withEvent: percentileOf(withEvent, 0.5), without: percentileOf(without, 0.5) }
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
        { label: 'events, what a change takes longer for its event', value: (cost.withEvent / cost.without - 1) * 100, unit: '%', digits: 1, target: COST_TARGET_PERCENT },
      ],
      details: { cost, idleMb, busyMb, cpuSeconds: cpu },
    }
  })
}
