// Traefik and Envoy as far as their questions to Gatehouse go, written after their documentation and sources: what they send
// along, what they set themselves, which answers let a request through, which headers they take over. The header lists are
// read from the files in docs/gateways, so that a name missing there is missing here.
import { createServer, type IncomingHttpHeaders, type IncomingMessage, request, type ServerResponse } from 'node:http'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import type { Teardown } from './database.js'

const DOCS = join(import.meta.dirname, '../../docs/gateways')
const HOP_BY_HOP = ['connection', 'keep-alive', 'te', 'trailer', 'transfer-encoding', 'upgrade', 'content-length', 'expect']

interface Asked {
  method: string
  path: string
  headers: IncomingHttpHeaders
}

interface Emulated {
  /** the question, or a status for what the gateway refuses by itself */
  ask: (incoming: IncomingMessage) => Asked | number
  passes: (status: number) => boolean
  /** headers that the gateway takes from the request before the application gets it */
  removes: (name: string) => boolean
  /** headers of the answer that replace those of the request */
  takes: (name: string) => boolean
  /** status for the client when there is no answer, or one that is an error to the gateway */
  statusOnError: (status: number) => number
  /** headers of the answer that the client gets with the application's */
  hands: (name: string) => boolean
}

function without(headers: IncomingHttpHeaders, names: readonly string[]): IncomingHttpHeaders {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !names.includes(name)))
}

/** The lines of a file that match, each as its first group in lower case. */
function namesIn(file: string, pattern: RegExp): string[] {
  return [...readFileSync(join(DOCS, file), 'utf8').matchAll(pattern)].map(([, name = '']) => name.toLowerCase())
}

/** forwardAuth of Traefik 3 with trustForwardHeader: false. */
export function traefik(): Emulated {
  const taken = namesIn('traefik.yml', /^ {10}- (X-Auth-[\w-]+)$/gm)
  const cleaned = namesIn('traefik.yml', /^ {10}([\w-]+): ''$/gm)
  return {
    ask: ({ headers, method = '', url = '', socket }) => ({
      method: 'GET', path: '/gate/traefik',
      headers: {
        ...without(headers, HOP_BY_HOP), 'x-forwarded-method': method, 'x-forwarded-proto': 'http', 'x-forwarded-host': headers.host, 'x-forwarded-uri': url,
        'x-forwarded-for': socket.remoteAddress ?? '',
      },
    }),
    passes: (status) => status >= 200 && status < 300,
    removes: (name) => cleaned.includes(name),
    takes: (name) => taken.includes(name),
    statusOnError: (status) => (status === 0 ? 500 : status),
    hands: () => false,
  }
}

/** ext_authz of Envoy over HTTP. Its normalisation of paths is left out here: the decision must not need it. */
export function envoy(): Emulated {
  const sent = namesIn('envoy.yaml', /^ +- \{ exact: ([\w-]+) \}$/gm)
  const removed = namesIn('envoy.yaml', /^ +- remove: ([\w-]+)$/gm)
  const refusesUnderscores = readFileSync(join(DOCS, 'envoy.yaml'), 'utf8').includes('headers_with_underscores_action: REJECT_REQUEST')
  return {
    ask({ headers, method = '', url = '', socket }) {
      if (refusesUnderscores && Object.keys(headers).some((name) => name.includes('_'))) return 400
      const own = { ...headers, 'x-forwarded-proto': 'http', 'x-forwarded-for': [headers['x-forwarded-for'], socket.remoteAddress].filter(Boolean).join(', ') }
      const allowed = Object.entries(own).filter(([name]) => sent.includes(name) || name === 'host')
      return { method, path: `/gate/envoy${url}`, headers: { ...Object.fromEntries(allowed), 'content-length': '0' } }
    },
    passes: (status) => status === 200,
    removes: (name) => removed.includes(name),
    takes: (name) => name.startsWith('x-auth-'),
    statusOnError: (status) => (status === 0 || status >= 500 ? 503 : status),
    hands: (name) => name.startsWith('ratelimit'),
  }
}

async function call(port: number, { method, path, headers }: Asked, body?: Buffer): Promise<{ answer: IncomingMessage; body: Buffer }> {
  const asking = request({ port, host: '127.0.0.1', method, path, headers, agent: false })
  asking.end(body)
  const [answer] = await once(asking, 'response') as [IncomingMessage]
  const parts: Buffer[] = []
  for await (const part of answer) parts.push(part as Buffer)
  return { answer, body: Buffer.concat(parts) }
}

async function serve(gateway: Emulated, ports: { gatehouse: number; app: number }, incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
  const parts: Buffer[] = []
  for await (const part of incoming) parts.push(part as Buffer)
  const question = gateway.ask(incoming)
  if (typeof question === 'number') return void outgoing.writeHead(question).end()
  const verdict = await call(ports.gatehouse, question).catch(() => null)
  const status = verdict?.answer.statusCode ?? 0
  if (!verdict || !gateway.passes(status)) {
    return void outgoing.writeHead(gateway.statusOnError(status), without(verdict?.answer.headers ?? {}, HOP_BY_HOP)).end(verdict?.body)
  }
  const kept = Object.entries(without(incoming.headers, HOP_BY_HOP)).filter(([name]) => !gateway.removes(name) && !gateway.takes(name))
  const taken = Object.entries(verdict.answer.headers).filter(([name]) => gateway.takes(name))
  const asked = { method: incoming.method ?? '', path: incoming.url ?? '', headers: { ...Object.fromEntries([...kept, ...taken]), 'content-length': String(Buffer.concat(parts).length) } }
  const { answer, body } = await call(ports.app, asked, Buffer.concat(parts))
  const handed = Object.entries(verdict.answer.headers).filter(([name]) => gateway.hands(name))
  outgoing.writeHead(answer.statusCode ?? 502, { ...without(answer.headers, HOP_BY_HOP), ...Object.fromEntries(handed) }).end(body)
}

/** Listens on a port of its own until `t` ends. */
export async function startEmulated(t: Teardown, gateway: Emulated, ports: { gatehouse: number; app: number }): Promise<number> {
  const server = createServer((incoming, outgoing) => {
    serve(gateway, ports, incoming, outgoing).catch((error: unknown) => outgoing.destroy(error as Error))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return (server.address() as AddressInfo).port
}
