// Whose connections stay: no address holds more than its share, and when all places are taken the biggest holder's idle ones make
// room for who holds less. Trusted proxies speak for many and are counted in the total only. A connection that says nothing for
// ten seconds ends. Costs a request nothing: it looks at connections when they come, and once a second at those that have said nothing.
import type { Server } from 'node:http'
import type { Socket } from 'node:net'
import { countedAddress, readAddress } from '../kernel/address.js'
import type { Clock } from '../kernel/clock.js'
import type { Every } from '../kernel/timers.js'

export interface SocketGuardOptions {
  /** connections of this process at a time */
  max: number
  /** of one address: IPv4 /32, IPv6 /56 */
  maxEach: number
  /** of an address in its one spelling */
  isTrusted: (address: string) => boolean
  firstByteMs?: number
  clock: Clock
  every: Every
}

export interface SocketGuard {
  /** how many there are, in all and of the biggest holder that is no trusted proxy */
  counts: () => { all: number; biggest: number }
  close: () => void
}

/** Is a request being answered on it? Node keeps the answer with its socket until it is sent; a request that has not arrived whole is none. */
function isBusy(socket: Socket): boolean {
  return (Reflect.get(socket, '_httpMessage') ?? null) !== null
}

/** Watches a server's connections until `close`. */
export function guardSockets(server: Server, { max, maxEach, isTrusted, firstByteMs = 10_000, clock, every }: SocketGuardOptions): SocketGuard {
  const holders = new Map<string, Set<Socket>>()
  const silent = new Map<Socket, number>()
  let all = 0

  /** The address that holds most, when that is more than `than`. */
  function biggestHolder(than: number): Set<Socket> | undefined {
    let biggest: Set<Socket> | undefined
    for (const sockets of holders.values()) if (sockets.size > (biggest?.size ?? than)) biggest = sockets
    return biggest
  }

  /** Ends the longest idle connection of the biggest holder, if that holds more than the one who comes; false when there is none. */
  function makeRoom(held: number): boolean {
    for (const socket of biggestHolder(held + 1) ?? []) {
      if (isBusy(socket)) continue
      forget(socket)
      socket.destroy()
      return true
    }
    return false
  }

  const forgetters = new WeakMap<Socket, () => void>()
  function forget(socket: Socket): void {
    forgetters.get(socket)?.()
    forgetters.delete(socket)
  }

  function hold(socket: Socket, holder: string | null, sockets: Set<Socket>): void {
    all += 1
    sockets.add(socket)
    if (holder !== null) holders.set(holder, sockets)
    silent.set(socket, clock.monotonic())
    forgetters.set(socket, () => {
      all -= 1
      silent.delete(socket)
      sockets.delete(socket)
      if (holder !== null && sockets.size === 0) holders.delete(holder)
    })
    socket.once('close', () => forget(socket))
  }

  function admit(socket: Socket): void {
    const { remoteAddress } = socket
    // gone already
    if (remoteAddress === undefined) {
      socket.destroy()
      return
    }
    const holder = isTrusted(readAddress(remoteAddress) ?? remoteAddress) ? null : countedAddress(remoteAddress)
    const sockets = holder === null ? new Set<Socket>() : (holders.get(holder) ?? new Set<Socket>())
    if ((holder !== null && sockets.size >= maxEach) || (all >= max && !makeRoom(holder === null ? 0 : sockets.size))) {
      socket.destroy()
      return
    }
    hold(socket, holder, sockets)
  }

  const stop = every(1_000, () => {
    const since = clock.monotonic() - firstByteMs
    for (const [socket, atMs] of silent) {
      if (socket.bytesRead > 0) silent.delete(socket)
      else if (atMs <= since) socket.destroy()
      else break // in the order they came
    }
  })
  server.prependListener('connection', admit)
  return {
    counts: () => ({ all, biggest: biggestHolder(0)?.size ?? 0 }),
    close() {
      stop()
      server.off('connection', admit)
    },
  }
}
