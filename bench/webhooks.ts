// Webhooks: how many messages a second a local receiver is sent, while another endpoint takes requests and never answers.
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { newId } from '../src/kernel/ids.js'
import { bearer } from './api.js'
import { cpuSeconds, withPool } from './live.js'
import type { Bench, Findings } from './rows.js'
import { signIn } from './world.js'

const EVENTS = 5_000
const TARGET = 500
const AT_MOST_MS = 60_000

async function receiver(answers: boolean): Promise<{ server: Server; url: string; ids: Set<string> }> {
  const ids = new Set<string>()
  const server = createServer((request, response) => {
    request.resume()
    if (!answers) return
    request.on('end', () => {
      ids.add(String(request.headers['webhook-id']))
      response.writeHead(204).end()
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`, ids }
}

export async function measureWebhooks(bench: Bench): Promise<Findings> {
  const { api } = bench.world
  const { accessToken } = await signIn(bench.world)
  const headers = bearer(accessToken)
  const [taking, hanging] = [await receiver(true), await receiver(false)]
  const endpoints: string[] = []
  try {
    for (const { url } of [hanging, taking]) endpoints.push((await api.json<{ id: string }>('/api/v1/webhooks', { method: 'POST', headers, body: { url, types: ['key.revoked'] } })).id)
    return await withPool(bench, async (pool) => {
      await pool.query(`
        INSERT INTO audit_events (id, at, actor_type, actor_id, credential, action, target_type, target_id, address, request_id, details)
        SELECT id, now(), 'host', '', 'host', 'key.revoked', 'key', id::text, '', '', '{}' FROM unnest($1::uuid[]) AS id`, [Array.from({ length: EVENTS }, () => newId())])
      const cpuBefore = cpuSeconds(bench.serverPid) ?? 0
      const from = performance.now()
      while (taking.ids.size < EVENTS && performance.now() - from < AT_MOST_MS) await delay(5)
      const seconds = (performance.now() - from) / 1_000
      if (taking.ids.size < EVENTS) throw new Error(`${taking.ids.size} of ${EVENTS} messages came within a minute`)
      return {
        figures: [{ label: `webhooks, ${EVENTS.toLocaleString('en')} messages to one endpoint beside one that hangs (at least ${TARGET} a second)`, value: EVENTS / seconds, unit: 'a second', digits: 0, target: null }],
        details: { seconds, isMet: EVENTS / seconds >= TARGET, cpuSeconds: (cpuSeconds(bench.serverPid) ?? 0) - cpuBefore },
      }
    })
  } finally {
    for (const id of endpoints) await api.send(`/api/v1/webhooks/${id}`, { method: 'DELETE', headers })
    for (const { server } of [taking, hanging]) {
      server.closeAllConnections()
      server.close()
    }
  }
}
