// A small balancer as operators run them: it asks each node's /readyz five times a second, keeps its connections, sends each request
// to the next node that is ready, and never sends one twice, for it may have had its effect.
import { Agent, createServer, request, type ServerResponse, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { once } from 'node:events'
import type { Teardown } from './database.js'

const ASK_EVERY_MS = 200

export interface Balancer {
  origin: string
  /** resolves once exactly these nodes are ready in the balancer's eyes */
  ready: (ports: readonly number[]) => Promise<void>
}

/** Balances between nodes on these ports of 127.0.0.1 until `t` ends. */
export async function balance(t: Teardown, ports: readonly number[]): Promise<Balancer> {
  const nodes = ports.map((port) => ({ port, isReady: false, agent: new Agent({ keepAlive: true }) }))
  let turn = 0

  async function ask(node: (typeof nodes)[number]): Promise<void> {
    const response = await fetch(`http://127.0.0.1:${node.port}/readyz`, { signal: AbortSignal.timeout(2_000) }).catch(() => null)
    await response?.arrayBuffer()
    node.isReady = response?.status === 200
  }

  function pass(incoming: IncomingMessage, answer: ServerResponse): void {
    const ready = nodes.filter(({ isReady }) => isReady)
    const node = ready[(turn += 1) % Math.max(1, ready.length)]
    if (!node) {
      answer.writeHead(502).end('nobody is ready')
      return
    }
    const { method, url, headers } = incoming
    const outgoing = request({ host: '127.0.0.1', port: node.port, agent: node.agent, method, path: url, headers: { ...headers, connection: 'keep-alive' } }, (response) => {
      const { connection: _, ...kept } = response.headers
      answer.writeHead(response.statusCode ?? 502, kept)
      response.pipe(answer)
    })
    outgoing.on('error', (error) => {
      if (answer.headersSent) answer.destroy()
      else answer.writeHead(502).end(String(error))
    })
    incoming.pipe(outgoing)
  }

  const server = createServer(pass).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const timer = setInterval(() => void Promise.all(nodes.map(ask)), ASK_EVERY_MS)
  t.teardown(() => {
    clearInterval(timer)
    server.close()
    server.closeAllConnections()
    for (const { agent } of nodes) agent.destroy()
  })
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async ready(wanted) {
      while (nodes.some(({ port, isReady }) => isReady !== wanted.includes(port))) await new Promise((resolve) => { setTimeout(resolve, 20) })
    },
  }
}

export const POSTS_A_SECOND = 200

/** Sends POSTs at that pace until it is stopped, then tells what was not answered with 200. */
export function sendSteadily(url: string, authorization: string, body: string): { sent: () => number; stop: () => Promise<string[]> } {
  const agent = new Agent({ keepAlive: true })
  const lost: string[] = []
  const open = new Set<Promise<void>>()
  let sent = 0
  const post = (): Promise<void> => new Promise((resolve) => {
    sent += 1
    const outgoing = request(url, { method: 'POST', agent, headers: { authorization, 'content-type': 'application/json', 'content-length': body.length } }, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (part: string) => (text += part)).on('end', () => {
        if (response.statusCode !== 200) lost.push(`${response.statusCode} ${text}`)
        resolve()
      }).on('error', (error) => {
        lost.push(String(error))
        resolve()
      })
    })
    outgoing.on('error', (error) => {
      lost.push(String(error))
      resolve()
    }).end(body)
  })
  const timer = setInterval(() => {
    const one = post()
    open.add(one)
    void one.then(() => open.delete(one))
  }, 1_000 / POSTS_A_SECOND)
  return {
    sent: () => sent,
    async stop() {
      clearInterval(timer)
      await Promise.all(open)
      agent.destroy()
      return lost
    },
  }
}
