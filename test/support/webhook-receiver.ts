// Who receives webhooks in a test: checks each message with the reference library of Standard Webhooks, answers as it is told, and keeps what it took.
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Webhook } from 'standardwebhooks'
import type { Teardown } from './database.js'

export interface Received {
  path: string
  id: string
  headers: Record<string, string>
  body: string
  message: { type: string; timestamp: string; data: { id: string; type: string; subject: { id: string } } }
}

export interface Receiver {
  url: (path?: string) => string
  taken: Received[]
  /** how each request is answered: a status, or `hang` */
  answer: (path: string, how: (received: Received) => number | 'hang') => void
  asked: (path: string) => number
  /** Does the library take it, under this secret? It looks at the system's clock: the program's must be near. */
  verifies: (received: Received, secret: string) => boolean
}

export async function startReceiver(t: Teardown): Promise<Receiver> {
  const answers = new Map<string, (received: Received) => number | 'hang'>()
  const asked = new Map<string, number>()
  const taken: Received[] = []

  async function receive(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const parts: Buffer[] = []
    for await (const part of request) parts.push(part as Buffer)
    const body = Buffer.concat(parts).toString()
    const path = request.url ?? ''
    const headers = Object.fromEntries(Object.entries(request.headers).map(([name, value]) => [name, String(value)]))
    const received: Received = { path, id: headers['webhook-id'] ?? '', headers, body, message: JSON.parse(body) as Received['message'] }
    asked.set(path, (asked.get(path) ?? 0) + 1)
    const status = answers.get(path)?.(received) ?? 204
    if (status === 'hang') return
    if (status < 300) taken.push(received)
    response.writeHead(status).end()
  }

  const server = createServer((request, response) => {
    receive(request, response).catch(() => response.destroy())
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  return {
    url: (path = '/hook') => `http://127.0.0.1:${port}${path}`,
    taken,
    answer: (path, how) => void answers.set(path, how),
    asked: (path) => asked.get(path) ?? 0,
    verifies({ body, headers }, secret) {
      try {
        new Webhook(secret).verify(body, headers)
        return true
      } catch {
        return false
      }
    },
  }
}
