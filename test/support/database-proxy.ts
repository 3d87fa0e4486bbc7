// A wire to the test database that breaks on command: before a request gets through, or after it was carried out but before
// its answer gets back; or that stands still, and nothing is heard of what was sent.
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import type { Teardown } from './database.js'

export interface BreakingWire {
  /** the database's URL by way of this wire */
  url: string
  /** The next thing that goes this way is swallowed, and its connection is cut. */
  cutNext: (what: 'request' | 'answer') => void
  /** Nothing passes any more; connections stay open, and new ones get no answer. */
  stall: () => void
  resume: () => void
  /** cuts so far */
  cuts: () => number
}

function openUpstream({ hostname, port, searchParams }: URL): Socket {
  const folder = searchParams.get('host')
  return folder?.startsWith('/') ? connect(`${folder}/.s.PGSQL.${port || '5432'}`) : connect(Number(port || '5432'), hostname)
}

/** Listens on this machine until `t` ends. */
export async function breakingWire(t: Teardown, databaseUrl: string): Promise<BreakingWire> {
  const target = new URL(databaseUrl)
  const sockets = new Set<Socket>()
  let next: 'request' | 'answer' | null = null
  let cuts = 0
  let isStalled = false
  const server = createServer((client) => {
    const upstream = openUpstream(target)
    const cut = (): void => {
      client.destroy()
      upstream.destroy()
    }
    const pass = (what: 'request' | 'answer', from: Socket, to: Socket): void => {
      sockets.add(from)
      from.on('data', (data) => {
        if (next !== what) {
          to.write(data)
          return
        }
        next = null
        cuts += 1
        cut()
      })
      if (isStalled) from.pause() // a listener sets it going
      from.on('error', cut)
      from.on('close', () => {
        sockets.delete(from)
        cut()
      })
    }
    pass('request', client, upstream)
    pass('answer', upstream, client)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(async () => {
    for (const socket of sockets) socket.destroy()
    server.close()
    await once(server, 'close')
  })
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  const url = new URL(databaseUrl)
  url.searchParams.delete('host')
  url.hostname = '127.0.0.1'
  url.port = String(address.port)
  return {
    url: url.href,
    cutNext(what) {
      next = what
    },
    stall() {
      isStalled = true
      for (const socket of sockets) socket.pause()
    },
    resume() {
      isStalled = false
      for (const socket of sockets) socket.resume()
    },
    cuts: () => cuts,
  }
}
