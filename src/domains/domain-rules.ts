// What of a domain may be said to be an organization's own, what proves it, and when it counts no longer. Pure but for chance. A domain is itself and nothing below it: whoever has
// example.com has not proven mail.example.com, which may be in other hands.
import { emailDomain } from '../accounts/index.js'
import { randomBase62 } from '../kernel/ids.js'

/** A domain of an organization, as it counts at a time. */
export interface DomainState {
  verifiedAt: Date | null
  seenAt: Date | null
  missingSince: Date | null
}

/** What a look-up came to: the record is there, is not there, or nobody could say. */
export type Sight = 'there' | 'gone' | 'unknown'

const LABEL = '_gatehouse'
const VALUE = 'gatehouse-domain='
const MOST_NAME = 253 // RFC 1035 2.3.4
const MOST_DOMAIN = MOST_NAME - LABEL.length - 1
const HOST = /^(?!-)[a-z0-9-]{1,63}(?<!-)(\.(?!-)[a-z0-9-]{1,63}(?<!-))+$/

const TOKEN_LENGTH = 32
/** People that are looked at when a domain begins to let in, and each day. */
export const MOST_ENLISTED = 10_000

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
/** How long one that nobody has proven is kept. */
export const UNPROVEN_MS = 7 * DAY_MS
/** How long after it was seen people come in by it without another look. */
export const FRESH_MS = HOUR_MS
const CHECK_MS = DAY_MS
const CHECK_MISSING_MS = HOUR_MS
const UNANSWERED_MS = 30 * DAY_MS

export const newToken = (): string => randomBase62(TOKEN_LENGTH)

/** Where the record is that proves a domain, and what it says (RFC 1464 is no more; draft-ietf-dnsop-domain-verification-techniques). */
export function recordOf({ domain, token }: { domain: string; token: string }): { name: string; type: 'TXT'; value: string } {
  return { name: `${LABEL}.${domain}`, type: 'TXT', value: `${VALUE}${token}` }
}

/** The one spelling of a domain, as addresses are kept with it. Null for what is none that can be proven. */
export function readDomain(text: string): string | null {
  const domain = emailDomain(text)
  return domain !== null && domain.length <= MOST_DOMAIN && HOST.test(domain) ? domain : null
}

export interface DomainLists {
  /** Is it one below which anybody may have their own: com, co.uk, github.io? */
  isSuffix: (domain: string) => boolean
  /** Does whoever runs it give anybody an address? */
  isProvider: (domain: string) => boolean
}

/** Why a domain can be nobody's own; null: it can. */
export function sharedFault(domain: string, { isSuffix, isProvider }: DomainLists): string | null {
  if (isSuffix(domain)) return 'is one below which anybody may have their own'
  return isProvider(domain) ? 'gives addresses to everybody' : null
}

/** What is known of a proven domain after one more look. */
export function seenAgain({ seenAt, missingSince, verifiedAt }: DomainState, sight: Sight, now: Date): Pick<DomainState, 'seenAt' | 'missingSince'> & { checkAt: Date } {
  if (sight === 'there') return { seenAt: now, missingSince: null, checkAt: new Date(now.getTime() + CHECK_MS) }
  const since = missingSince ?? (sight === 'gone' ? now : null)
  return { seenAt: seenAt ?? verifiedAt, missingSince: since, checkAt: new Date(now.getTime() + CHECK_MISSING_MS) }
}

/** Is it over with a domain? Its record has been gone for so many days; or nobody could say anything for a month, which the owner of a domain that is kept would have seen to. */
export function isLost({ seenAt, missingSince }: DomainState, keptDays: number, now: Date): boolean {
  const nowMs = now.getTime()
  return (missingSince !== null && nowMs - missingSince.getTime() >= keptDays * DAY_MS) || (seenAt !== null && nowMs - seenAt.getTime() >= UNANSWERED_MS)
}

/** Was the record seen so lately that somebody may come in by it? */
export const isFresh = ({ seenAt, missingSince }: DomainState, now: Date): boolean => missingSince === null && seenAt !== null && now.getTime() - seenAt.getTime() < FRESH_MS
