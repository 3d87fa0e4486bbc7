// How names are found. The system's own look-up knows /etc/hosts and search domains, blocks one of Node's few threads, and goes on long after nobody waits for it: whoever could have
// two slow names looked up by it would keep everything else from being asked. So it is for what administrators name; other names are asked of the DNS, many at a time, and dropped
// when they are late. Where addresses inside may be asked (OUTBOUND_ALLOW), a name that the DNS has not is looked for there as well, in one of the two places.
import type { LookupAddress } from 'node:dns'
import { lookup } from 'node:dns/promises'
import { bulkhead } from 'cockatiel'
import { isNoRecord, withResolver } from '../kernel/dns.js'

/** All addresses of a name; none: it has none, or is none. */
export type Lookup = (name: string) => Promise<LookupAddress[]>

/**
 * On whose account somebody is asked: of providers that people sign in by, of endpoints that operators have stored, of what organizations name, of what any stranger may name. Each
 * has look-ups and connections of its own, so that none uses up what the others need.
 */
export type Way = 'providers' | 'endpoints' | 'organizations' | 'strangers'

// as many as libuv lets block a thread
const SYSTEM_AT_ONCE = 2
const DNS_AT_ONCE = 32
const WAITING = 100
const WITHIN = { tryMs: 1_000, tries: 2, deadlineMs: 3_000 }

export const systemLookup: Lookup = (name) => lookup(name, { all: true, verbatim: true })

/** By the DNS alone. `servers`: addresses of resolvers; none: those of the machine. */
export const createDnsLookup = (servers: readonly string[] = []): Lookup => (name) => withResolver({ servers, ...WITHIN }, async (resolver) => {
  const [four, six] = await Promise.allSettled([resolver.resolve4(name), resolver.resolve6(name)])
  const found = [[four, 4] as const, [six, 6] as const].flatMap(([one, family]) => (one.status === 'fulfilled' ? one.value.map((address) => ({ address, family })) : []))
  const failed = [four, six].flatMap((one) => (one.status === 'rejected' && !isNoRecord(one.reason) ? [one.reason as unknown] : []))
  if (found.length === 0 && failed.length > 0) throw failed[0]
  return found
})

/** `hasInside`: may anything be asked that the DNS need not know? Throws cockatiel's BulkheadRejectedError where too many wait, and what a look-up throws. */
export type FindName = (name: string, how: { way: Way; hasInside: boolean }) => Promise<LookupAddress[]>

export function createNameLookup({ system, dns }: { system: Lookup; dns: Lookup }): FindName {
  const places = bulkhead(SYSTEM_AT_ONCE, WAITING)
  // one place is left to providers, whatever else is looked for
  const placesOfOthers = bulkhead(SYSTEM_AT_ONCE - 1, WAITING)
  const lane = () => bulkhead(DNS_AT_ONCE, WAITING)
  const asking = { endpoints: lane(), organizations: lane(), strangers: lane() }
  const running = new Map<string, Promise<LookupAddress[]>>()

  /** One name takes one place, however many wait for it. */
  function bySystem(name: string): Promise<LookupAddress[]> {
    let found = running.get(name)
    if (!found) {
      found = places.execute(() => system(name)).finally(() => running.delete(name))
      running.set(name, found)
    }
    return found
  }

  return async (name, { way, hasInside }) => {
    if (way === 'providers') return bySystem(name)
    const found = await asking[way].execute(() => dns(name))
    return found.length > 0 || !hasInside ? found : placesOfOthers.execute(() => bySystem(name))
  }
}
