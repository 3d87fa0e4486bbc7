// One slot of a Redis Cluster, reached as if it were a server: all that Gatehouse keeps there has one hash tag, so one master serves it. At each
// connection the named servers are asked which one that is, until one tells; the rest of the client is the one that is used everywhere else.
import { connect as connectSocket, type Socket } from 'node:net'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import { AbstractConnector, type Redis } from 'ioredis'
import type { ClusterPlace, Endpoint } from '../kernel/redis-url.js'

const DISCONNECT_MS = 2_000

/** The server that an answer points to, from the host that was asked; null: the answer is none of that. */
export function movedTo(message: string, asked: string): Endpoint | null {
  const [, host, port] = /^MOVED \d+ (.*):(\d+)$/.exec(message) ?? []
  if (host === undefined || host === '?') return null
  return { host: host === '' ? asked : host, port: Number(port) }
}

/** What an answer says of a server that was asked for a key of the slot; null: nothing. An error of the command means that it serves the key. */
function homeAfter(error: unknown, asked: Endpoint): Endpoint | null {
  const message = error instanceof Error ? error.message : ''
  return /^(WRONGTYPE|NOPERM)/.test(message) ? asked : movedTo(message, asked.host)
}

export interface Slot {
  /** a key of the slot, which need not exist */
  key: string
  /** a client that only asks: it gives up at the first failure */
  open: (endpoint: Endpoint) => Redis
}

/** For ioredis's option `Connector`. */
export function slotConnector({ nodes, tls }: ClusterPlace, { key, open }: Slot) {
  async function ask(endpoint: Endpoint): Promise<Endpoint | null> {
    const client = open(endpoint)
    client.on('error', () => undefined)
    try {
      await client.connect()
      await client.get(key)
      return endpoint
    } catch (error) {
      return homeAfter(error, endpoint)
    } finally {
      client.disconnect()
    }
  }

  return class SlotConnector extends AbstractConnector {
    private turn = 0

    constructor() {
      super(DISCONNECT_MS)
    }

    /** When no server knows, one of them is connected to all the same: what it says then is the reason that is told. */
    override async connect(): Promise<Socket | TLSSocket> {
      this.connecting = true
      this.turn += 1
      const inTurn = nodes.map((_, at) => nodes[(at + this.turn - 1) % nodes.length]).filter((node) => node !== undefined)
      let home: Endpoint | null = null
      for (const node of inTurn) {
        home = await ask(node)
        if (!this.connecting) throw new Error('Connection is closed.')
        if (home) break
      }
      const { host = '', port = 0 } = home ?? inTurn[0] ?? {}
      this.stream = tls ? connectTls({ host, port }) : connectSocket({ host, port })
      this.stream.once('error', (error: Error) => void (this.firstError = error))
      return this.stream
    }
  }
}
