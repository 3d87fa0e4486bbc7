// What this program asks of others: every address that somebody stored or sent is asked by way of this folder and of nothing else.
import { lookup } from 'node:dns/promises'
import type { Metric } from '../telemetry/index.js'
import { createAddressJudge } from './address-rules.js'
import { OutboundError, type OutboundFailure } from './outbound-error.js'
import type { Lookup } from './pinned-connection.js'
import type { SafeFetch } from './safe-fetch.js'
import { requireAllowed, targetOf } from './target-rules.js'

export { OutboundError, type OutboundFailure } from './outbound-error.js'
export type { Lookup } from './pinned-connection.js'
export type { OutboundRequest, SafeFetch } from './safe-fetch.js'

export interface Outbound {
  fetch: SafeFetch
  /** What can be said of a URL before it is asked, for whoever stores it. Throws OutboundError('refused'). */
  check: (url: string) => void
}

export interface OutboundNeeds {
  /** `outboundAllow`: addresses and networks of special use that may be asked, also over plain http */
  config: { outboundAllow: readonly string[] }
  lookup?: Lookup
}

const LOOKUP_TIMEOUT_MS = 3_000
const CONNECT_TIMEOUT_MS = 3_000

const systemLookup: Lookup = (name) => lookup(name, { all: true, verbatim: true })

export function createOutbound({ config, lookup: find = systemLookup }: OutboundNeeds): { outbound: Outbound; metrics: Metric[]; close: () => Promise<void> } {
  const judge = createAddressJudge(config.outboundAllow)
  // what asks is loaded when something is asked: most installations ask nobody, and a start is the shorter
  let asking: Promise<{ fetch: SafeFetch; close: () => Promise<void> }> | undefined
  const load = async () => (await import('./safe-fetch.js')).createSafeFetch({ lookup: find, judge, lookupTimeoutMs: LOOKUP_TIMEOUT_MS, connectTimeoutMs: CONNECT_TIMEOUT_MS })
  const counts = new Map<OutboundFailure | 'answered', number>()
  const count = (outcome: OutboundFailure | 'answered'): void => void counts.set(outcome, (counts.get(outcome) ?? 0) + 1)

  const outbound: Outbound = {
    async fetch(url, options) {
      try {
        const { fetch } = await (asking ??= load())
        const answer = await fetch(url, options)
        count('answered')
        return answer
      } catch (error) {
        if (error instanceof OutboundError) count(error.reason)
        throw error
      }
    },
    check(text) {
      const target = targetOf(text)
      if (target.address !== null) requireAllowed(target, judge(target.address))
      else if (!target.isTls && config.outboundAllow.length === 0) requireAllowed(target, 'public')
    },
  }
  return {
    outbound,
    metrics: [{
      name: 'gatehouse_outbound_requests_total', type: 'counter', help: 'Requests of this node to others, by what came of them', labels: ['outcome'],
      read: () => [...counts].map(([outcome, value]) => [{ outcome }, value] as const),
    }],
    close: async () => (await asking)?.close(),
  }
}
