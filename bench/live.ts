// What the rows about events have in common: changes written as the program writes them, at a rate, and what the server takes of memory.
import { readFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import { newId } from '../src/kernel/ids.js'
import { databaseUrlOf } from './stores.js'
import type { Bench } from './rows.js'

const INSERT = `
  INSERT INTO audit_events (id, at, actor_type, actor_id, credential, action, target_type, target_id, address, request_id, details)
  VALUES ($1, $2, 'host', '', 'host', 'key.revoked', 'key', $3, '', '', $4)`
const DETAILS = JSON.stringify({ ownerUserId: '0198c0de-7d3a-7c1e-9a53-0d9a3c0b6f00' })

/** Runs `work` with connections to the bench database. */
export async function withPool<T>({ config }: Bench, work: (pool: pg.Pool) => Promise<T>): Promise<T> {
  const pool = new pg.Pool({ connectionString: databaseUrlOf(config.databaseUrl), max: 4 })
  try {
    return await work(pool)
  } finally {
    await pool.end()
  }
}

/** Writes changes, each in a transaction of its own, `perSecond` of them for so many seconds; about these subjects in turn. How many. */
export async function change(pool: pg.Pool, subjects: readonly string[], perSecond: number, seconds: number): Promise<number> {
  const from = performance.now()
  const total = perSecond * seconds
  const waiting = new Set<Promise<unknown>>()
  for (let at = 0; at < total; at += 1) {
    const dueMs = (at * 1_000) / perSecond - (performance.now() - from)
    if (dueMs > 0) await delay(dueMs)
    const written: Promise<unknown> = pool.query({ name: 'change', text: INSERT, values: [newId(), new Date(), subjects[at % subjects.length], DETAILS] }).finally(() => waiting.delete(written))
    waiting.add(written)
  }
  await Promise.all(waiting)
  return total
}

/** Resident memory of a process, in MiB; null where there is no /proc. */
export function residentMb(pid: number | undefined): number | null {
  try {
    const [, kilobytes = ''] = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? []
    return Number(kilobytes) / 1_024
  } catch {
    return null
  }
}

/** Seconds of a core that a process has used; null where there is no /proc. */
export function cpuSeconds(pid: number | undefined): number | null {
  try {
    const [, rest = ''] = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')
    const fields = rest.split(' ')
    // utime and stime (proc(5)), in hundredths everywhere that this runs
    return (Number(fields[11]) + Number(fields[12])) / 100
  } catch {
    return null
  }
}
