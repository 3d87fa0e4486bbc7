// Asking the DNS, within a time: by a resolver of its own each time, for the machine's own may change while the program runs, and nothing is remembered.
import { Resolver } from 'node:dns/promises'
import { after } from './timers.js'

export interface DnsLimits {
  /** addresses of resolvers, with a port where it is not 53; none: those of the machine */
  servers: readonly string[]
  /** one try at one resolver */
  tryMs: number
  tries: number
  /** all of it, however many resolvers there are */
  deadlineMs: number
}

const NOTHING = new Set(['ENOTFOUND', 'ENODATA'])

/** Was it said that there is no such name, or no such record of it? Anything else is that nobody has said. */
export const isNoRecord = (error: unknown): boolean => error instanceof Error && 'code' in error && NOTHING.has(String(error.code))

/** What `ask` comes to; what it asks of the resolver is called off at the deadline. Throws what it throws. */
export async function withResolver<T>({ servers, tryMs, tries, deadlineMs }: DnsLimits, ask: (resolver: Resolver) => Promise<T>): Promise<T> {
  const resolver = new Resolver({ timeout: tryMs, tries })
  if (servers.length > 0) resolver.setServers(servers)
  const cancel = after(deadlineMs, () => resolver.cancel())
  try {
    return await ask(resolver)
  } finally {
    cancel()
  }
}
