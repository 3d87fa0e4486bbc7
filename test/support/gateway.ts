// A real gateway between a client and an application, asking a real Gatehouse: the configuration of docs/gateways with its
// addresses replaced, started as a child of the test on free ports, ended by its process id.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { createServer, type IncomingHttpHeaders, type IncomingMessage, request } from 'node:http'
import { once } from 'node:events'
import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, connect } from 'node:net'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import type { Duplex } from 'node:stream'
import { setTimeout as wait } from 'node:timers/promises'
import type { Teardown } from './database.js'
import { startApp, type TestApp } from './app.js'
import { eventually } from './redis.js'
import { fakeClock } from './clock.js'

const DOCS = join(import.meta.dirname, '../../docs/gateways')

/** False when the binary is there; else why the test is skipped. Under CI nothing is skipped: the test fails for want of it. */
export function missing(binary: string): string | false {
  const found = spawnSync(binary, [binary === 'caddy' ? 'version' : '-v'], { stdio: 'ignore' })
  return found.error === undefined || process.env['CI'] === 'true' ? false : `${binary} is not installed`
}

/** What the application behind the gateway saw. */
export interface Seen {
  method: string
  url: string
  headers: IncomingHttpHeaders
  body: string
}

export interface Answer {
  status: number
  headers: IncomingHttpHeaders
  body: string
}

export interface Sent {
  method?: string
  path: string
  headers?: Record<string, string | string[]>
  body?: string
}

export interface House extends TestApp {
  gatehousePort: number
  appPort: number
  /** every request that reached the application */
  seen: Seen[]
}

/** Says yes to any upgrade, as RFC 6455 wants it, and sends back what comes. */
function agree(incoming: IncomingMessage, socket: Duplex): void {
  const accept = createHash('sha1').update(`${incoming.headers['sec-websocket-key'] ?? ''}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64')
  socket.write(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: ${incoming.headers.upgrade ?? ''}\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`)
  socket.on('error', () => socket.destroy()).pipe(socket)
}

/** Gatehouse listening on a port, and an application that answers 200 to everything, noting what it gets. */
export async function openHouse(t: Teardown): Promise<House> {
  const house = await startApp(t, { clock: fakeClock(Date.now()) })
  const gatehouse = new URL(await house.app.inside.listen({ port: 0, host: '127.0.0.1' }))
  const seen: Seen[] = []
  const application = createServer({ maxHeaderSize: 256 * 1024 }, (incoming, outgoing) => {
    let body = ''
    incoming.setEncoding('utf8').on('data', (text: string) => (body += text)).on('end', () => {
      seen.push({ method: incoming.method ?? '', url: incoming.url ?? '', headers: incoming.headers, body })
      outgoing.setHeader('x-app', 'yes').end('from the application')
    })
  }).listen(0, '127.0.0.1')
  const tunnels = new Set<Duplex>()
  application.on('upgrade', (incoming, socket) => {
    tunnels.add(socket)
    seen.push({ method: incoming.method ?? '', url: incoming.url ?? '', headers: incoming.headers, body: '' })
    agree(incoming, socket)
  })
  await once(application, 'listening')
  t.teardown(() => {
    for (const socket of tunnels) socket.destroy()
    application.closeAllConnections()
    application.close()
  })
  return { ...house, gatehousePort: Number(gatehouse.port), appPort: (application.address() as AddressInfo).port, seen }
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

export interface Started {
  binary: string
  /** of docs/gateways; the first is the configuration */
  files: string[]
  /** texts of the files -> what stands there for this test; each must be in one of them */
  replace: Record<string, string>
  env?: Record<string, string>
  /** arguments, given the folder that holds the files */
  args: (folder: string) => string[]
  port: number
}

/** Starts the gateway and returns when its port answers; it is ended with `t`. Throws with what it said when it does not start. */
export async function startGateway(t: Teardown, { binary, files, replace, env = {}, args, port }: Started): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), `gatehouse-${basename(binary)}-`))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const unused = new Set(Object.keys(replace))
  for (const file of files) {
    let text = readFileSync(join(DOCS, file), 'utf8')
    for (const [from, to] of Object.entries(replace)) {
      if (text.includes(from)) unused.delete(from)
      text = text.replaceAll(from, to.replaceAll('FOLDER', folder))
    }
    writeFileSync(join(folder, basename(file)), text)
  }
  if (unused.size > 0) throw new Error(`not in ${files.join(', ')}: ${[...unused].join(', ')}`)
  let said = ''
  const child: ChildProcess = spawn(binary, args(folder), { env: { PATH: process.env['PATH'], HOME: folder, ...env }, cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] })
  for (const stream of [child.stdout, child.stderr]) stream?.setEncoding('utf8').on('data', (text: string) => (said += text))
  t.teardown(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return
    const gone = once(child, 'exit')
    child.kill('SIGTERM')
    if (await Promise.race([gone, wait(3_000)]) === undefined) {
      child.kill('SIGKILL')
      await gone
    }
  })
  await eventually(() => new Promise((resolve, reject) => {
    if (child.exitCode !== null) reject(new Error(`${binary} ended: ${said}`))
    const socket = connect(port, '127.0.0.1', () => resolve(socket.destroy())).on('error', () => reject(new Error(`${binary} does not listen: ${said}`)))
  }), 10_000)
}

/** One request to a port of this machine; the path is sent as it stands. */
export async function send(port: number, { method = 'GET', path, headers = {}, body }: Sent): Promise<Answer> {
  const asking = request({ port, host: '127.0.0.1', method, path, headers: { host: 'localhost', ...headers }, agent: false })
  asking.end(body)
  const [answer] = await once(asking, 'response') as [IncomingMessage]
  let text = ''
  for await (const chunk of answer.setEncoding('utf8')) text += String(chunk)
  return { status: answer.statusCode ?? 0, headers: answer.headers, body: text }
}

/** One request written byte for byte, which no HTTP client would send; returns the status, 0 when the connection just ends. */
export async function sendRaw(port: number, text: string): Promise<number> {
  const socket = connect(port, '127.0.0.1')
  socket.write(Buffer.from(text, 'latin1'))
  let said = ''
  socket.setEncoding('latin1').on('data', (chunk: string) => {
    said += chunk
    if (said.includes('\r\n\r\n')) socket.destroy()
  }).on('error', () => undefined)
  await once(socket, 'close')
  return Number(/^HTTP\/1\.[01] (\d{3})/.exec(said)?.[1] ?? 0)
}
