// The inside listener: /gate/... and /metrics answer there and nowhere else, /livez and /readyz there too. A proxy in front of the
// public port cannot expose what is not on it. Which listener a request came by is a fact of its socket, which nothing that is
// sent can change, and the router asks for it (a route constraint): on the public port these routes do not exist. The inside
// listener gives nobody any authority: who may ask is decided as on every route.
import { createServer, IncomingMessage, type Server, type ServerOptions } from 'node:http'
import { chmod, lstat, unlink } from 'node:fs/promises'
import { connect, type Socket } from 'node:net'
import { Readable } from 'node:stream'
import fp from 'fastify-plugin'
import type { FastifyServerOptions, InjectOptions, LightMyRequestResponse } from 'fastify'
import { systemTimer } from '../../src/kernel/timers.js'

/** How a request of the inside listener came: over an address, or through a Unix socket, whose file permissions let it in. */
export type InsideBy = 'address' | 'file'

export type InsideAddress = { host: string; port: number } | { path: string }

const IDLE_EVERY_MS = 20

declare module 'fastify' {
  interface FastifyInstance {
    inside: Inside
  }
}

export interface Inside {
  server: Server
  /** The options of a route that answers on the inside listener, and not on the public one. */
  only: { listener: 'inside' }
  /** undefined: by the public listener */
  by: (request: IncomingMessage) => InsideBy | undefined
  /** Listens, once the app is ready; answers what a gateway is to be told: an origin, or `unix:PATH`. Throws what node:net throws. */
  listen: (address: InsideAddress) => Promise<string>
  /** app.inject() by way of the inside listener. */
  inject: (options: InjectOptions | string) => Promise<LightMyRequestResponse>
}

/** What an injected request inherits from, so that it is known again: there is no socket that could say it. */
class InjectedInside extends Readable {}

/** Which requests came by the inside listener, and what the router is told of it. */
export interface Arrivals {
  by: (request: IncomingMessage) => InsideBy | undefined
  note: (socket: Socket, by: InsideBy) => void
  /** for Fastify's `routerOptions.constraints` */
  constraint: ConstraintStrategy
}

type ConstraintStrategy = NonNullable<NonNullable<FastifyServerOptions['routerOptions']>['constraints']>[string]
type Stored = NonNullable<ReturnType<ReturnType<ConstraintStrategy['storage']>['get']>>

export function createArrivals(): Arrivals {
  const noted = new WeakMap<Socket, InsideBy>()
  const by = (request: IncomingMessage): InsideBy | undefined => noted.get(request.socket)
    ?? (request instanceof IncomingMessage || !((request as Readable) instanceof InjectedInside) ? undefined : 'address')
  return {
    by,
    note: (socket, how) => void noted.set(socket, how),
    constraint: {
      name: 'listener',
      // a request of the inside listener finds the inside routes alone
      mustMatchWhenDerived: true,
      storage() {
        const stores = new Map<string, Stored>()
        return { get: (listener) => stores.get(listener) ?? null, set: (listener, store) => void stores.set(listener, store) }
      },
      // find-my-way takes undefined for `there is none`; its type does not say so
      deriveConstraint: (request: IncomingMessage) => (by(request) === undefined ? undefined : 'inside') as string,
    },
  }
}

async function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    // EAGAIN: somebody listens, and so many wait that there is no room for one more
    const socket = connect(path, () => resolve(socket.destroy() !== undefined)).on('error', (error: NodeJS.ErrnoException) => resolve(error.code === 'EAGAIN'))
  })
}

/** Removes the file of a socket that a killed process has left; one that somebody listens on stays, and listening fails. */
async function clear(path: string): Promise<void> {
  const found = await lstat(path).catch(() => null)
  if (found?.isSocket() === true && !(await answers(path))) await unlink(path)
}

function listening(server: Server, address: InsideAddress): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject).listen(address, () => {
      server.off('error', reject)
      resolve()
    })
  })
}

function originOf(server: Server, host: string): string {
  const address = server.address()
  const port = address !== null && typeof address === 'object' ? address.port : 0
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`
}

export interface InsideOptions {
  arrivals: Arrivals
  http: ServerOptions
  /** time-outs and refusals that both listeners share */
  prepare: (server: Server) => void
}

export default fp<InsideOptions>(async (app, { arrivals, http, prepare }) => {
  const server = createServer(http, (request, response) => app.routing(request, response))
  let how: InsideBy = 'address'
  server.on('connection', (socket) => arrivals.note(socket, how))
  prepare(server)

  app.decorate('inside', {
    server,
    only: { listener: 'inside' },
    by: arrivals.by,
    async listen(address) {
      if ('path' in address) {
        how = 'file'
        await clear(address.path)
      }
      await listening(server, address)
      if (!('path' in address)) return originOf(server, address.host)
      // a gateway seldom runs as the same user: the group may ask
      await chmod(address.path, 0o660)
      return `unix:${address.path}`
    },
    inject: (options) => app.inject({ ...(typeof options === 'string' ? { url: options } : options), Request: InjectedInside }),
  })
  // before what answers need is taken down. A gateway keeps its connections open: each is closed once it has its answer
  app.addHook('preClose', async () => {
    if (!server.listening) return
    const stop = systemTimer(IDLE_EVERY_MS, () => server.closeIdleConnections())
    await new Promise((resolve) => void server.close(resolve))
    stop()
  })
}, { name: 'inside' })
