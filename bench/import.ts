// A bulk import: rows a second, and what the server takes of memory above what it took before.
import { once } from 'node:events'
import { request as ask, type IncomingMessage } from 'node:http'
import { newId } from '../src/kernel/ids.js'
import { bearer } from './api.js'
import { cpuSeconds, residentMb, withPool } from './live.js'
import type { Bench, Findings } from './rows.js'
import { signIn } from './world.js'

const ROWS = Number(process.env['BENCH_IMPORT_ROWS'] ?? 100_000)
const ROWS_TARGET = 5_000
const MEMORY_TARGET_MB = 150
const WATCH_EVERY_MS = 200

export async function measureImport(bench: Bench): Promise<Findings> {
  const { world: { api }, serverPid } = bench
  const { accessToken } = await signIn(bench.world)
  const run = newId().slice(-12)
  const idleMb = residentMb(serverPid)
  let mostMb = idleMb ?? 0
  const cpuBefore = cpuSeconds(serverPid) ?? 0
  const watching = setInterval(() => { mostMb = Math.max(mostMb, residentMb(serverPid) ?? 0) }, WATCH_EVERY_MS)
  try {
    const from = performance.now()
    const request = ask(`${api.origin}/api/v1/users/import`, { method: 'POST', headers: { ...bearer(accessToken), 'content-type': 'application/x-ndjson', 'idempotency-key': run } })
    const answered = once(request, 'response') as Promise<[IncomingMessage]>
    for (let at = 0; at < ROWS; at += 1) {
      if (!request.write(`{"email":"import-${run}-${at}@bench.example","name":"Imported ${at}","roles":["member"]}\n`)) await once(request, 'drain')
    }
    request.end()
    const [response] = await answered
    let text = ''
    for await (const chunk of response) text += String(chunk)
    const seconds = (performance.now() - from) / 1_000
    const last = JSON.parse(text.trim().split('\n').at(-1) ?? '{}') as { done?: boolean; created?: number }
    if (last.done !== true || last.created !== ROWS) throw new Error(`the import ended with ${text.slice(-300)}`)
    return {
      figures: [
        { label: `import of ${ROWS.toLocaleString('en')} accounts (at least ${ROWS_TARGET.toLocaleString('en')} a second)`, value: ROWS / seconds, unit: 'rows a second', digits: 0, target: null },
        ...(idleMb === null ? [] : [{ label: 'import, most memory of the server above that before', value: mostMb - idleMb, unit: 'MiB', digits: 0, target: MEMORY_TARGET_MB }]),
      ],
      details: { seconds, isMet: ROWS / seconds >= ROWS_TARGET, idleMb, mostMb, cpuSeconds: (cpuSeconds(serverPid) ?? 0) - cpuBefore },
    }
  } finally {
    clearInterval(watching)
    await withPool(bench, (pool) => pool.query("DELETE FROM users WHERE email LIKE $1", [`import-${run}-%`]))
  }
}
