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
  /**
   * `outboundAllow`: addresses and networks of special use that may be asked, also over plain http. `outboundAllowOrganizations`: the same for what organizations name, who are
   * strangers to the operator's networks
   */
  config: { outboundAllow: readonly string[]; outboundAllowOrganizations?: readonly string[] }
  lookup?: Lookup
}

const LOOKUP_TIMEOUT_MS = 3_000
const CONNECT_TIMEOUT_MS = 3_000

const systemLookup: Lookup = (name) => lookup(name, { all: true, verbatim: true })

export interface OutboundFeature {
  outbound: Outbound
  /** for what an organization's people named: other connections, and addresses of special use of their own */
  outboundOfOrganizations: Outbound
  metrics: Metric[]
  close: () => Promise<void>
}

type Outcome = OutboundFailure | 'answered'

function createWay(allow: readonly string[], by: string, find: Lookup, count: (outcome: Outcome) => void): { outbound: Outbound; close: () => Promise<void> } {
  const judge = createAddressJudge(allow)
  // what asks is loaded when something is asked: most installations ask nobody, and a start is the shorter
  let asking: Promise<{ fetch: SafeFetch; close: () => Promise<void> }> | undefined
  const load = async () => (await import('./safe-fetch.js')).createSafeFetch({ lookup: find, judge, lookupTimeoutMs: LOOKUP_TIMEOUT_MS, connectTimeoutMs: CONNECT_TIMEOUT_MS })
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
      if (target.address !== null) requireAllowed(target, judge(target.address), by)
      else if (!target.isTls && allow.length === 0) requireAllowed(target, 'public', by)
    },
  }
  return { outbound, close: async () => (await asking)?.close() }
}

export function createOutbound({ config, lookup: find = systemLookup }: OutboundNeeds): OutboundFeature {
  const counts = new Map<Outcome, number>()
  const count = (outcome: Outcome): void => void counts.set(outcome, (counts.get(outcome) ?? 0) + 1)
  const operators = createWay(config.outboundAllow, 'OUTBOUND_ALLOW', find, count)
  const organizations = createWay(config.outboundAllowOrganizations ?? [], 'OUTBOUND_ALLOW_ORGANIZATIONS', find, count)
  return {
    outbound: operators.outbound,
    outboundOfOrganizations: organizations.outbound,
    metrics: [{
      name: 'gatehouse_outbound_requests_total', type: 'counter', help: 'Requests of this node to others, by what came of them', labels: ['outcome'],
      read: () => [...counts].map(([outcome, value]) => [{ outcome }, value] as const),
    }],
    close: async () => {
      await Promise.all([operators.close(), organizations.close()])
    },
  }
}
