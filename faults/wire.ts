// One node's way to Redis, which can be made slow or stand still while the others' are well. Bytes keep their order, and arrive.
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'

export interface Wire {
  url: string
  /** From now on what Redis answers arrives this much later. */
  delay: (ms: number) => void
  /** Nothing passes; connections stay open, and what was sent arrives in the end. */
  hold: () => void
  release: () => void
  close: () => Promise<void>
}

/** Listens on this machine for one node, and passes on to `url`. */
export async function openWire(url: string): Promise<Wire> {
  const target = new URL(url)
  const sockets = new Set<Socket>()
  let delayMs = 0
  let isHeld = false

  const server = createServer((client) => {
    const upstream = connect(Number(target.port), target.hostname)
    const cut = (): void => {
      client.destroy()
      upstream.destroy()
    }
    client.on('data', (data) => void upstream.write(data))
    // timers of one length fire in the order they were set in; a shorter one only comes when all is mended
    upstream.on('data', (data) => (delayMs > 0 ? void setTimeout(() => client.write(data), delayMs) : void client.write(data)))
    for (const socket of [client, upstream]) {
      sockets.add(socket)
      if (isHeld) socket.pause()
      socket.on('error', cut)
      socket.on('close', () => {
        sockets.delete(socket)
        cut()
      })
    }
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  const own = new URL(url)
  own.port = String(address.port)
  const cutAll = (): void => {
    for (const socket of sockets) socket.destroy()
  }

  return {
    url: own.href,
    delay(ms) {
      // what is still under way must not be overtaken
      if (ms < delayMs) cutAll()
      delayMs = ms
    },
    hold() {
      isHeld = true
      for (const socket of sockets) socket.pause()
    },
    release() {
      isHeld = false
      for (const socket of sockets) socket.resume()
    },
    async close() {
      cutAll()
      server.close()
      await once(server, 'close')
    },
  }
}
