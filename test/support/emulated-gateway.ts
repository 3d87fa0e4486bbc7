// Traefik and Envoy as far as their questions to Gatehouse go, written after their documentation and sources: what they send
// along, what they set themselves, which answers let a request through, which headers they take over and drop, what they upgrade
// to. The names are read from the files in docs/gateways, so that one missing there is missing here.
import { createServer, type IncomingHttpHeaders, type IncomingMessage, request, type ServerResponse } from 'node:http'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import type { Teardown } from './database.js'

const DOCS = join(import.meta.dirname, '../../docs/gateways')
const HOP_BY_HOP = ['connection', 'keep-alive', 'te', 'trailer', 'transfer-encoding', 'upgrade', 'content-length', 'expect']

interface Asked {
  method: string
  path: string
  headers: IncomingHttpHeaders
}

interface Emulated {
  maxHeaderSize: number
  /** what the gateway makes of a client's headers before it asks, or a status for what it refuses by itself */
  clean: (incoming: IncomingMessage) => IncomingHttpHeaders | number
  /** the question about a request that has these headers by now */
  ask: (incoming: IncomingMessage, headers: IncomingHttpHeaders) => Asked
  passes: (status: number) => boolean
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

/** The lines of a text that match, each as its groups in lower case. */
function found(text: string, pattern: RegExp): string[][] {
  return [...text.matchAll(pattern)].map(([, ...groups]) => groups.map((group) => group.toLowerCase()))
}

function names(text: string, pattern: RegExp): string[] {
  return found(text, pattern).map(([name = '']) => name)
}

function read(file: string): string {
  return readFileSync(join(DOCS, file), 'utf8')
}

const tokensOf = (connection: string | undefined): string[] => (connection ?? '').toLowerCase().split(',').map((token) => token.trim()).filter((token) => token !== '')

/** forwardAuth of Traefik 3 with trustForwardHeader: false, behind its headers middlewares. */
export function traefik(): Emulated {
  const file = read('traefik.yml')
  const taken = names(file, /^ {10}- (X-Auth-[\w-]+)$/gm)
  /** what a `headers` middleware sets: name -> text, '' to delete it */
  function settingsOf(middleware: string): string[][] {
    const [, body = ''] = new RegExp(`^ {4}${middleware}:\\n {6}headers:\\n {8}customRequestHeaders:\\n((?: {10}.*\\n)+)`, 'm').exec(file) ?? []
    return found(body, /^ {10}([\w-]+): '?([\w-]*)'?$/gm)
  }
  const routers = found(file, /^ {6}rule: (.*)\n.*\n {6}middlewares: \[(.*)\]$/gm).map(([rule = '', middlewares = '']) => ({
    isUpgrade: rule.includes('headerregexp(`upgrade`, `(?i)^websocket$`)'), settings: middlewares.split(', ').flatMap(settingsOf),
  }))
  return {
    maxHeaderSize: Number(/maxHeaderBytes to (\d+)/.exec(file)?.[1]),
    clean(incoming) {
      // net/http keeps each value; a matcher looks for one that fits
      const upgrades = incoming.headersDistinct['upgrade'] ?? []
      const router = routers.find(({ isUpgrade }) => !isUpgrade || upgrades.some((one) => /^websocket$/i.test(one)))
      if (!router) return 404
      const headers = without(incoming.headers, ['x-forwarded-for', 'x-forwarded-proto', 'x-forwarded-host', 'x-forwarded-port', 'x-forwarded-server', 'x-forwarded-uri', 'x-forwarded-method', 'x-forwarded-prefix', 'x-forwarded-tls-client-cert', 'x-forwarded-tls-client-cert-info', 'x-real-ip'])
      for (const [name = '', text = ''] of router.settings) {
        if (text === '') delete headers[name]
        else headers[name] = text
      }
      return headers
    },
    ask: ({ method = '', url = '', socket }, headers) => ({
      method: 'GET', path: '/gate/traefik',
      headers: {
        ...without(headers, [...HOP_BY_HOP, ...tokensOf(headers.connection)]), 'x-forwarded-method': method, 'x-forwarded-proto': 'http', 'x-forwarded-host': headers.host, 'x-forwarded-uri': url,
        'x-forwarded-for': socket.remoteAddress ?? '', 'x-forwarded-port': '80', 'x-forwarded-server': 'traefik',
      },
    }),
    passes: (status) => status >= 200 && status < 300,
    takes: (name) => taken.includes(name),
    statusOnError: (status) => (status === 0 ? 500 : status),
    hands: () => false,
  }
}

/** ext_authz of Envoy over HTTP. Its normalisation of paths is left out here: the decision must not need it. */
export function envoy(): Emulated {
  const file = read('envoy.yaml')
  const allowed = /allowed_headers:([^]*?)authorization_response:/.exec(file)?.[1] ?? ''
  const sent = names(allowed, /\{ exact: ([\w-]+) \}/g)
  const patterns = names(allowed, /safe_regex: \{ regex: '(.*)' \}/g).map((pattern) => new RegExp(`^(?:${pattern})$`))
  const removed = names(file, /^ +- remove: ([\w-]+)$/gm)
  const overwritesFor = /key: x-forwarded-for, value: '%DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%' \}\n +append_action: OVERWRITE_IF_EXISTS_OR_ADD/.test(file)
  const refusesUnderscores = file.includes('headers_with_underscores_action: REJECT_REQUEST')
  const upgrades = names(file, /upgrade_type: ([\w-]+)/g)
  return {
    maxHeaderSize: Number(/max_request_headers_kb: (\d+)/.exec(file)?.[1]) * 1024,
    clean({ headers: given, socket }) {
      if (refusesUnderscores && Object.keys(given).some((name) => name.includes('_'))) return 400
      // the codec drops what Connection names, and h2c with its settings; the connection manager refuses an upgrade it does not know
      let headers = without(given, tokensOf(given.connection).filter((token) => token !== 'upgrade'))
      const isUpgrade = tokensOf(given.connection).includes('upgrade')
      const upgrade = (given.upgrade ?? '').toLowerCase()
      if (upgrade === 'h2c') headers = without(headers, ['upgrade', 'http2-settings', 'connection'])
      else if (isUpgrade && upgrade !== '') {
        if (!upgrades.includes(upgrade)) return 403
        headers = { ...headers, connection: 'upgrade' }
      } else headers = without(headers, ['upgrade', 'connection'])
      const addresses = overwritesFor ? [socket.remoteAddress] : [given['x-forwarded-for'], socket.remoteAddress]
      return { ...without(headers, removed), 'x-forwarded-proto': 'http', 'x-forwarded-for': addresses.filter(Boolean).join(', ') }
    },
    ask({ method = '', url = '' }, headers) {
      const told = Object.entries(headers).filter(([name]) => sent.includes(name) || name === 'host' || patterns.some((one) => one.test(name)))
      return { method, path: `/gate/envoy${url}`, headers: { ...Object.fromEntries(told), 'content-length': '0' } }
    },
    passes: (status) => status === 200,
    takes: (name) => name.startsWith('x-auth-'),
    statusOnError: (status) => (status === 0 || status >= 500 ? 503 : status),
    hands: (name) => name.startsWith('ratelimit'),
  }
}

type Ports = { gatehouse: number; app: number }

async function call(port: number, { method, path, headers }: Asked, body?: Buffer): Promise<{ answer: IncomingMessage; body: Buffer }> {
  const asking = request({ port, host: '127.0.0.1', method, path, headers, agent: false })
  asking.end(body)
  const [answer] = await once(asking, 'response') as [IncomingMessage]
  const parts: Buffer[] = []
  for await (const part of answer) parts.push(part as Buffer)
  return { answer, body: Buffer.concat(parts) }
}

interface Refusal {
  status: number
  headers?: IncomingHttpHeaders
  body?: Buffer
}

/** Asks; gives the headers for the application and those for the client, or what the client is refused with. */
async function decide(gateway: Emulated, ports: Ports, incoming: IncomingMessage): Promise<Refusal | { headers: IncomingHttpHeaders; handed: IncomingHttpHeaders }> {
  const headers = gateway.clean(incoming)
  if (typeof headers === 'number') return { status: headers }
  const verdict = await call(ports.gatehouse, gateway.ask(incoming, headers)).catch(() => null)
  const status = verdict?.answer.statusCode ?? 0
  if (!verdict || !gateway.passes(status)) return { status: gateway.statusOnError(status), headers: without(verdict?.answer.headers ?? {}, HOP_BY_HOP), ...(verdict ? { body: verdict.body } : {}) }
  const answered = Object.entries(verdict.answer.headers)
  // what Connection names is dropped last, also what has just been set
  const identified = { ...headers, ...Object.fromEntries(answered.filter(([name]) => gateway.takes(name))) }
  const isUpgrade = tokensOf(headers.connection).includes('upgrade') && headers.upgrade !== undefined
  const passed = without(identified, [...HOP_BY_HOP, ...tokensOf(headers.connection)])
  return { headers: isUpgrade ? { ...passed, connection: 'Upgrade', upgrade: headers.upgrade } : passed, handed: Object.fromEntries(answered.filter(([name]) => gateway.hands(name))) }
}

async function serve(gateway: Emulated, ports: Ports, incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
  const parts: Buffer[] = []
  for await (const part of incoming) parts.push(part as Buffer)
  const decided = await decide(gateway, ports, incoming)
  if ('status' in decided) return void outgoing.writeHead(decided.status, decided.headers).end(decided.body)
  const asked = { method: incoming.method ?? '', path: incoming.url ?? '', headers: { ...decided.headers, 'content-length': String(Buffer.concat(parts).length) } }
  const { answer, body } = await call(ports.app, asked, Buffer.concat(parts))
  outgoing.writeHead(answer.statusCode ?? 502, { ...without(answer.headers, HOP_BY_HOP), ...decided.handed }).end(body)
}

function writeHead(socket: Duplex, status: number, headers: IncomingHttpHeaders): void {
  socket.write(`HTTP/1.1 ${status} -\r\n${Object.entries(headers).map(([name, value]) => `${name}: ${String(value)}\r\n`).join('')}\r\n`)
}

/** A request that asks for an upgrade: a tunnel when the application agrees, an answer when it does not. */
async function upgrade(gateway: Emulated, ports: Ports, incoming: IncomingMessage, socket: Duplex): Promise<void> {
  const decided = await decide(gateway, ports, incoming)
  if ('status' in decided) {
    writeHead(socket, decided.status, { ...decided.headers, connection: 'close', 'content-length': '0' })
    return void socket.end()
  }
  const asking = request({ port: ports.app, host: '127.0.0.1', method: incoming.method, path: incoming.url, headers: decided.headers, agent: false })
  asking.on('upgrade', (answer, application) => {
    writeHead(socket, 101, answer.headers)
    socket.pipe(application).pipe(socket)
    socket.on('error', () => application.destroy()).on('close', () => application.destroy())
    application.on('error', () => socket.destroy())
  }).on('response', (answer) => {
    answer.resume()
    writeHead(socket, answer.statusCode ?? 502, { 'content-length': '0', connection: 'close' })
    socket.end()
  }).on('error', () => socket.destroy()).end()
}

/** Listens on a port of its own until `t` ends. */
export async function startEmulated(t: Teardown, gateway: Emulated, ports: Ports): Promise<number> {
  const server = createServer({ maxHeaderSize: gateway.maxHeaderSize }, (incoming, outgoing) => {
    serve(gateway, ports, incoming, outgoing).catch((error: unknown) => outgoing.destroy(error as Error))
  }).listen(0, '127.0.0.1')
  const tunnels = new Set<Duplex>()
  server.on('upgrade', (incoming, socket) => {
    tunnels.add(socket)
    socket.on('error', () => undefined)
    upgrade(gateway, ports, incoming, socket).catch(() => socket.destroy())
  })
  await once(server, 'listening')
  t.teardown(() => {
    for (const socket of tunnels) socket.destroy()
    server.closeAllConnections()
    server.close()
  })
  return (server.address() as AddressInfo).port
}
