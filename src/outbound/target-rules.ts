// What a URL that somebody stored or sent may say before anything is resolved. What two readers could take for two places is refused, so that
// what was checked is what is asked. Pure.
import { isIP } from 'node:net'
import { type AddressVerdict, plainAddress } from './address-rules.js'
import { OutboundError } from './outbound-error.js'

export interface Target {
  url: URL
  isTls: boolean
  /** as a resolver takes it: a name, or an address in its one spelling */
  host: string
  /** the host is an address: there is nothing to resolve */
  address: string | null
}

const LONGEST = 2_048
const WELL_KNOWN = new Set([80, 443])
const FIRST_FREE_PORT = 1_024
// what the Fetch standard calls bad ports above 1023: other protocols that can be made to act on a request (nfs, X11, sip, irc)
const BAD_PORTS = new Set([1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080])
// by which clouds' machines ask for their own credentials: their addresses are refused anyway
const METADATA_NAMES = new Set(['metadata', 'metadata.google.internal', 'metadata.goog', 'metadata.azure.internal', 'instance-data', 'instance-data.ec2.internal'])

function refuse(why: string): never {
  throw new OutboundError('refused', why)
}

function portOf(url: URL, isTls: boolean): number {
  return url.port === '' ? (isTls ? 443 : 80) : Number(url.port)
}

/** The host as it stands in the text, which the parser of URLs would have folded, decoded and counted anew. */
function writtenHost(text: string): string {
  const [, authority = ''] = /^[a-z]+:\/\/([^/?#]*)/i.exec(text) ?? []
  return authority.replace(/:\d*$/, '').toLowerCase()
}

/**
 * Reads a URL. Throws OutboundError('refused'): no http(s) URL, user information, a fragment, a port of another protocol, a host in another spelling
 * than its own (`127.1`, `0x7f.1`, `%31`), a name with a closing dot, a name of a cloud's metadata.
 */
export function targetOf(text: string): Target {
  if (text.length > LONGEST) refuse('the URL is too long')
  // the parser drops or turns around what it does not like: here it is not liked
  if (/[\s\\\p{Cc}]/u.test(text) || !/^https?:\/\/[^/]/i.test(text) || !URL.canParse(text)) refuse('not an http or https URL')
  const url = new URL(text)
  const isTls = url.protocol === 'https:'
  if (url.username !== '' || url.password !== '' || /^[a-z]+:\/\/[^/?#]*@/i.test(text)) refuse('user information in the URL')
  if (url.hash !== '' || text.includes('#')) refuse('a fragment in the URL')
  const port = portOf(url, isTls)
  if (BAD_PORTS.has(port) || (port < FIRST_FREE_PORT && !WELL_KNOWN.has(port))) refuse('a port that is no web server\'s')
  const host = url.hostname.replace(/^\[|\]$/g, '')
  if (host.endsWith('.')) refuse('a closing dot in the name')
  if (METADATA_NAMES.has(host)) refuse('a name of a machine\'s own metadata')
  const isAddress = isIP(host) !== 0
  if (isAddress && isIP(host) === 4 && writtenHost(text) !== host) refuse('an address in another spelling than its own')
  const address = isAddress ? plainAddress(host) : null
  if (isAddress && address === null) refuse('no address')
  return { url, isTls, host, address }
}

/** May this target be asked at an address that was judged so? Plain http goes only where the operator allowed it, in the variable that `by` names. Throws OutboundError('refused'). */
export function requireAllowed(target: Target, verdict: AddressVerdict, by = 'OUTBOUND_ALLOW'): void {
  if (verdict === 'refused') refuse(`an address of special use that ${by} does not name`)
  if (!target.isTls && verdict !== 'allowed') refuse(`plain http to an address that ${by} does not name`)
}
