// Lists of networks that a key may be used from: `192.0.2.7`, `10.0.0.0/8`, `2001:db8::/32`. Pure; the arithmetic is ipaddr.js's.
import ipaddr from 'ipaddr.js'
import { readAddress } from './address.js'

type Network = [ipaddr.IPv4 | ipaddr.IPv6, number]

function read(text: string): Network | null {
  try {
    if (text.includes('/')) {
      const [address, bits] = ipaddr.parseCIDR(text)
      const mapped = address instanceof ipaddr.IPv6 && address.isIPv4MappedAddress()
      if (!mapped) return [address, bits]
      return bits < 96 ? null : [address.toIPv4Address(), bits - 96]
    }
    const address = ipaddr.process(text)
    return [address, address.kind() === 'ipv4' ? 32 : 128]
  } catch {
    return null // no address
  }
}

/** The one spelling of an address or network, with the bits beyond its prefix at zero; null for what is none. */
export function canonicalNetwork(text: string): string | null {
  // ipaddr.js also reads 10.1 and 0x7f.1, which people do not mean
  if (!/^(\d{1,3}(\.\d{1,3}){3}|[0-9a-f:.]*:[0-9a-f:.]*)(\/\d{1,3})?$/i.test(text) || /(^|\.)0\d/.test(text)) return null
  const network = read(text)
  if (!network) return null
  const [address, bits] = network
  const kind = address.kind() === 'ipv4' ? ipaddr.IPv4 : ipaddr.IPv6
  const base = kind.networkAddressFromCIDR(`${address.toString()}/${bits}`).toString()
  return `${base}/${bits}`
}

function lies([address, bits]: Network, around: Network | null): boolean {
  return around !== null && around[0].kind() === address.kind() && around[1] <= bits && address.match(around[0], around[1])
}

/** Does each network of `inner` lie in one of `outer`? Canonical networks. An empty list is everywhere. */
export function networksWithin(inner: readonly string[], outer: readonly string[]): boolean {
  if (outer.length === 0) return true
  if (inner.length === 0) return false
  return inner.every((text) => {
    const network = read(text)
    return network !== null && outer.some((wide) => lies(network, read(wide)))
  })
}

/** A test whether an address, however a proxy spelt it, lies in one of the networks; what is no address does not. */
export function createNetworkTest(networks: readonly string[]): (address: string) => boolean {
  const known = networks.map(read)
  return (text) => {
    // one reading everywhere: ipaddr.js alone takes 010.0.0.1 for 8.0.0.1, and 10.1 for an address
    const address = readAddress(text)
    const found = address === null ? null : read(address)
    return found !== null && known.some((network) => lies(found, network))
  }
}
