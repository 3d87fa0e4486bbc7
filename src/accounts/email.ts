// E-mail addresses as account names: one spelling of each is kept, compared and counted. Pure; whether an address
// receives mail is not decided here.
import { isIP } from 'node:net'
import { domainToASCII } from 'node:url'
import { problem } from '../kernel/errors.js'
import { foldedText } from '../kernel/text.js'

const MAX_LENGTH = 254 // RFC 5321 4.5.3.1.3, less the angle brackets
const MAX_DOMAIN = 253 // RFC 1035 2.3.4
const MAX_LABEL = 63

// quoted local parts and address literals are left out on purpose; so is everything invisible, which makes two look alike
const ADDRESS = /^[^\s@<>()[\],;:\\"\p{C}]{1,64}@[^\s@<>()[\],;:\\"\p{C}]+$/u
// what the host parser of URLs would read as the end of a host, or undo
const NO_HOST = /[%/?#|^`{}]/

/** The ASCII form of a domain (IDNA, UTS 46), without the dot that may close it; null for what is none. */
function asciiDomain(text: string): string | null {
  if (NO_HOST.test(text)) return null
  const domain = domainToASCII(text.replace(/\.$/, ''))
  const isDomain = domain.length <= MAX_DOMAIN && domain.split('.').every((label) => label !== '' && label.length <= MAX_LABEL)
  // numbers alone are read as an IPv4 address, in many spellings
  return isDomain && isIP(domain) === 0 ? domain : null
}

function canonical(text: string): string | null {
  const [local = '', domain = '', ...more] = (foldedText(text.trim()) ?? '').split('@')
  if (more.length > 0) return null
  const ascii = asciiDomain(domain)
  const email = `${local}@${ascii ?? ''}`
  return ascii !== null && email.length <= MAX_LENGTH && ADDRESS.test(email) ? email : null
}

/** As accounts were kept at first: lower case and NFC alone. Null for what was none. */
function formerSpelling(text: string): string | null {
  const email = text.trim().toLowerCase().normalize('NFC')
  return email.length <= MAX_LENGTH && ADDRESS.test(email) ? email : null
}

function refuse(): never {
  throw problem('request.invalid', { errors: [{ path: '/email', message: 'must be an e-mail address of at most 254 characters, without invisible ones' }] })
}

/**
 * The one spelling of an address: trimmed, case, width and form folded, the domain in ASCII without a closing dot. Throws
 * request.invalid for what is no address, holds invisible characters, or is longer than 254.
 */
export function normaliseEmail(text: string): string {
  return canonical(text) ?? refuse()
}

/** The domain of addresses, in the spelling that they are kept with; null for what is none. */
export function emailDomain(text: string): string | null {
  return asciiDomain(foldedText(text.trim()) ?? '%')
}

/** Under which spellings an account may be kept, the one that was typed first: accounts of before keep theirs. Throws request.invalid. */
export function emailSpellings(text: string): [string, ...string[]] {
  const former = formerSpelling(text)
  const now = canonical(text)
  if (former === null) return [now ?? refuse()]
  return now === null || now === former ? [former] : [former, now]
}

/** The spelling an account of before would be kept under now; null when it has no other, or is no address any more. */
export function renewedEmail(stored: string): string | null {
  const now = canonical(stored)
  return now === stored ? null : now
}

/** The domain of the addresses that machines' accounts have in place of one: .invalid can never be one (RFC 2606). */
export const SERVICE_DOMAIN = 'service.invalid'

/** The domain of those of people who have none: whoever came from elsewhere, without an address that may be believed, or has not said theirs. */
export const NO_ADDRESS_DOMAIN = 'account.invalid'

/** What stands in place of an address that a person has not got. */
export function noAddress(userId: string): string {
  return `${userId}@${NO_ADDRESS_DOMAIN}`
}

/** The address of an account as it is shown: null for what only stands in its place. */
export function shownEmail(email: string): string | null {
  return email.endsWith(`@${SERVICE_DOMAIN}`) || email.endsWith(`@${NO_ADDRESS_DOMAIN}`) ? null : email
}

/** Throws request.invalid for what stands in place of an address. */
export function refuseServiceAddress(email: string): void {
  if (shownEmail(email) === null) throw problem('request.invalid', { errors: [{ path: '/email', message: 'is no address that a person has' }] })
}
