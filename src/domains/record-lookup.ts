// Looking a record up in the DNS: within a time, so many at once, and never believing more than was said. That there is none is one answer, that nobody answered
// another. The name must have the record itself: an alias (CNAME, as a wildcard makes for every name) would let whoever the alias leads to prove the domain.
import type { Resolver } from 'node:dns/promises'
import { isNoRecord, withResolver } from '../kernel/dns.js'
import { problem } from '../kernel/errors.js'
import type { Sight } from './domain-rules.js'

export interface RecordLookup {
  /** Is a TXT record of this very value at the name? `owner`: for whom; nobody has more than two looked up at once. Throws server.busy. */
  look: (record: { name: string; value: string }, owner: string) => Promise<Sight>
}

const WITHIN = { tryMs: 2_000, tries: 2, deadlineMs: 5_000 }
const MOST_AT_ONCE = 64
const MOST_OF_ONE = 2
// the strings of a name are looked through up to here; nobody needs more, and a zone may hold thousands
const MOST_RECORDS = 200

async function ask(resolver: Resolver, name: string, value: string): Promise<Sight> {
  try {
    const records = await resolver.resolveTxt(name)
    if (!records.slice(0, MOST_RECORDS).some((parts) => parts.join('') === value)) return 'gone'
  } catch (error) {
    return isNoRecord(error) ? 'gone' : 'unknown'
  }
  try {
    return (await resolver.resolveCname(name)).length > 0 ? 'gone' : 'there'
  } catch (error) {
    return isNoRecord(error) ? 'there' : 'unknown'
  }
}

/** `servers`: addresses of resolvers, with a port where it is not 53; none: those of the machine. */
export function createRecordLookup({ servers }: { servers: readonly string[] }): RecordLookup {
  const running: string[] = []

  return {
    async look({ name, value }, owner) {
      if (running.length >= MOST_AT_ONCE || running.filter((one) => one === owner).length >= MOST_OF_ONE) throw problem('server.busy', { retryAfterSeconds: 1 })
      running.push(owner)
      try {
        return await withResolver({ servers, ...WITHIN }, (resolver) => ask(resolver, name, value))
      } finally {
        running.splice(running.indexOf(owner), 1)
      }
    },
  }
}
