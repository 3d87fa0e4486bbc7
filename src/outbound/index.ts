// What this program asks of others: every address that somebody stored or sent is asked by way of this folder and of nothing else.
import type { Metric } from '../telemetry/index.js'
import { createAddressJudge } from './address-rules.js'
import { createDnsLookup, createNameLookup, type Lookup, systemLookup, type Way } from './name-lookup.js'
import { OutboundError, type OutboundFailure } from './outbound-error.js'
import type { SafeFetch } from './safe-fetch.js'
import { requireAllowed, targetOf } from './target-rules.js'

export type { Lookup, Way } from './name-lookup.js'
export { OutboundError, type OutboundFailure } from './outbound-error.js'
export type { OutboundRequest, SafeFetch } from './safe-fetch.js'

export interface Outbound {
  fetch: SafeFetch
  /** What can be said of a URL before it is asked, for whoever stores it. Throws OutboundError('refused'). `way`: on whose account it will be asked; without it `endpoints`. */
  check: (url: string, way?: Way) => void
}

/** On whose account an address is asked that an operator has stored, or an organization's people. */
export const wayOfOwner = (organizationId: string | null): Way => (organizationId === null ? 'endpoints' : 'organizations')

export interface OutboundNeeds {
  /**
   * `outboundAllow`: addresses and networks of special use that may be asked, also over plain http. `outboundAllowOrganizations`: the same for what organizations name, who are
   * strangers to the operator's networks
   */
  config: { outboundAllow: readonly string[]; outboundAllowOrganizations?: readonly string[] }
  /** as the system finds names */
  lookup?: Lookup
  /** as the DNS does; without it like the other, where that is given */
  dns?: Lookup
}

const LOOKUP_TIMEOUT_MS = 3_000
const CONNECT_TIMEOUT_MS = 3_000

export interface OutboundFeature {
  outbound: Outbound
  metrics: Metric[]
  close: () => Promise<void>
}

type Outcome = OutboundFailure | 'answered'

/** Which addresses of special use may be asked, and by which setting. */
interface Reach {
  judge: ReturnType<typeof createAddressJudge>
  hasInside: boolean
  by: string
}

const reachOf = (allow: readonly string[], by: string): Reach => ({ judge: createAddressJudge(allow), hasInside: allow.length > 0, by })

export function createOutbound({ config, lookup, dns = lookup ?? createDnsLookup() }: OutboundNeeds): OutboundFeature {
  const counts = new Map<Outcome, number>()
  const count = (outcome: Outcome): void => void counts.set(outcome, (counts.get(outcome) ?? 0) + 1)
  const find = createNameLookup({ system: lookup ?? systemLookup, dns })
  const operators = reachOf(config.outboundAllow, 'OUTBOUND_ALLOW')
  const organizations = reachOf(config.outboundAllowOrganizations ?? [], 'OUTBOUND_ALLOW_ORGANIZATIONS')
  const reachBy = (way: Way): Reach => (way === 'organizations' ? organizations : operators)
  // what asks is loaded when something is asked: most installations ask nobody, and a start is the shorter
  const asking = new Map<Way, Promise<{ fetch: SafeFetch; close: () => Promise<void> }>>()

  async function load(way: Way): Promise<{ fetch: SafeFetch; close: () => Promise<void> }> {
    const { judge, hasInside } = reachBy(way)
    const { createSafeFetch } = await import('./safe-fetch.js')
    return createSafeFetch({ find: (name) => find(name, { way, hasInside }), judge, lookupTimeoutMs: LOOKUP_TIMEOUT_MS, connectTimeoutMs: CONNECT_TIMEOUT_MS })
  }

  /** Each way has connections of its own. */
  function asker(way: Way): ReturnType<typeof load> {
    const known = asking.get(way) ?? load(way)
    asking.set(way, known)
    return known
  }

  return {
    outbound: {
      async fetch(url, options) {
        try {
          const { fetch } = await asker(options?.way ?? 'endpoints')
          const answer = await fetch(url, options)
          count('answered')
          return answer
        } catch (error) {
          if (error instanceof OutboundError) count(error.reason)
          throw error
        }
      },
      check(text, way = 'endpoints') {
        const { judge, hasInside, by } = reachBy(way)
        const target = targetOf(text)
        if (target.address !== null) requireAllowed(target, judge(target.address), by)
        else if (!target.isTls && !hasInside) requireAllowed(target, 'public', by)
      },
    },
    metrics: [{
      name: 'gatehouse_outbound_requests_total', type: 'counter', help: 'Requests of this node to others, by what came of them', labels: ['outcome'],
      read: () => [...counts].map(([outcome, value]) => [{ outcome }, value] as const),
    }],
    close: async () => void (await Promise.all([...asking.values()].map(async (one) => (await one).close()))),
  }
}
