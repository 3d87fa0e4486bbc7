// Which addresses a request of ours may go to: the public Internet, and of special-use ones (IANA's registries, RFC 6890) those that the
// operator named. Some are nobody's business whatever the operator says. Pure; the ranges are ipaddr.js's.
import ipaddr from 'ipaddr.js'
import { createNetworkTest } from '../kernel/networks.js'

// where clouds tell a machine who it is and what it may do; not all of them lie in special-use ranges
const METADATA = ['169.254.169.254', '100.100.100.200', '168.63.129.16', '192.0.0.192', 'fd00:ec2::254', 'fd20:ce::254']
// a network's own words, and what is sent to many: no server that anybody means
const NEVER = ['0.0.0.0/8', '169.254.0.0/16', '224.0.0.0/4', '255.255.255.255/32', '::/128', 'fe80::/10', 'ff00::/8', ...METADATA]

/** The IPv4 address that an IPv6 one stands for: mapped (RFC 4291 2.5.5.2) and behind the well-known NAT64 (RFC 6052). */
function embedded(address: ipaddr.IPv6): ipaddr.IPv4 | null {
  if (address.isIPv4MappedAddress()) return address.toIPv4Address()
  const isNat64 = address.match(ipaddr.IPv6.parse('64:ff9b::'), 96)
  return isNat64 ? new ipaddr.IPv4(address.toByteArray().slice(12)) : null
}

// ::8.8.8.8 is an IPv4-compatible address (RFC 4291 2.5.5.1, gone since); ipaddr.js takes it for the mapped one
const COMPATIBLE = /^[0:]*::[0:]*\d+\.\d/

/** The one spelling of an address that a resolver or a URL parser gave, an IPv4 one inside IPv6 as IPv4; null for what is none, or has a zone. */
export function plainAddress(text: string): string | null {
  if (text.includes('%') || COMPATIBLE.test(text) || !ipaddr.isValid(text)) return null
  const address = ipaddr.parse(text)
  const inner = address instanceof ipaddr.IPv6 ? embedded(address) : null
  return (inner ?? address).toString()
}

/** Is it an address that anybody may be at: unicast, global, of no special use? */
function isPublic(address: ipaddr.IPv4 | ipaddr.IPv6): boolean {
  if (address.range() !== 'unicast') return false
  // all else is unassigned, or stands for IPv4 in ways that are gone (compatible, translated)
  return address instanceof ipaddr.IPv4 || address.match(ipaddr.IPv6.parse('2000::'), 3)
}

/** `public`: of the Internet; `allowed`: named by the operator, also over plain http; `refused`: neither. */
export type AddressVerdict = 'public' | 'allowed' | 'refused'

/** A judge of addresses that `plainAddress` gave. `allow`: networks (CIDR) or addresses. */
export function createAddressJudge(allow: readonly string[]): (address: string) => AddressVerdict {
  const isNever = createNetworkTest(NEVER)
  const isAllowed = createNetworkTest(allow)
  return (address) => {
    if (isNever(address) || !ipaddr.isValid(address)) return 'refused'
    if (isAllowed(address)) return 'allowed'
    return isPublic(ipaddr.parse(address)) ? 'public' : 'refused'
  }
}
