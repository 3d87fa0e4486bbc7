// Addresses and ranges of them as an operator writes them. Pure.
import { BlockList, isIP } from 'node:net'

/** An address, or a range of them in CIDR notation. */
export function isAddressRange(text: string): boolean {
  const [address = '', bits, ...rest] = text.split('/')
  const version = isIP(address)
  if (version === 0 || rest.length > 0 || address.includes('%')) return false
  return bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (version === 4 ? 32 : 128))
}

/** An address, with or without a port: 192.0.2.53:5353, [2001:db8::53]:5353. */
export function isResolver(text: string): boolean {
  const { address = '', port } = /^\[(?<address>[^\]]*)\](?::(?<port>\d{1,5}))?$/.exec(text)?.groups ?? /^(?<address>[^:]*):(?<port>\d{1,5})$/.exec(text)?.groups ?? { address: text }
  return isIP(address) !== 0 && (port === undefined || (Number(port) > 0 && Number(port) < 65_536))
}

// 10.0.0.0/8 and fc00::/7 are the largest ranges that are anybody's own
export const WIDEST_IPV4 = 8
export const WIDEST_IPV6 = 7
const MAPPED_BITS = 96 // of ::ffff:0:0/96, which holds all of IPv4

/** Does this range hold so much of the internet that to trust it is to trust everybody? */
export function isEverybody(text: string): boolean {
  const [address = '', bits] = text.split('/')
  if (bits === undefined) return false
  if (isIP(address) === 4) return Number(bits) < WIDEST_IPV4
  const range = new BlockList()
  range.addSubnet(address, Number(bits), 'ipv6')
  const holdsIpv4 = range.check('::ffff:0:0', 'ipv6') || range.check('::ffff:8000:0', 'ipv6')
  return Number(bits) < WIDEST_IPV6 || (Number(bits) < MAPPED_BITS + WIDEST_IPV4 && holdsIpv4)
}
