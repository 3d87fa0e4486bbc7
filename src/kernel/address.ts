// Network addresses: how one is read from what a proxy tells, its one spelling, and by how much of it a client is counted.
// Nothing here believes a header: who may tell addresses is the caller's to say.
import { BlockList } from 'node:net'
import ipaddr from 'ipaddr.js'
import { LRUCache } from 'lru-cache'

const LOOPBACK = new BlockList()
LOOPBACK.addSubnet('127.0.0.0', 8)
LOOPBACK.addAddress('::1', 'ipv6')

/** Is the host of a URL, as it stands in `hostname`, this very machine? */
export function isLoopbackHost(hostname: string): boolean {
  const name = hostname.replace(/^\[|\]$/g, '')
  return name === 'localhost' || LOOPBACK.check(name) || LOOPBACK.check(name, 'ipv6')
}

// a port, or an obfuscated one (RFC 7239 6.3): both say nothing of the address
const PORT = /^:(?:\d{1,5}|_[A-Za-z0-9._-]+)$/
const FOUR_PARTS = /^\d{1,3}(?:\.\d{1,3}){3}$/

function readIpv4(text: string): string | null {
  if (!FOUR_PARTS.test(text)) return null
  // zeros in front are filling: read as octal, 010 would be another address than the proxy meant
  const decimal = text.split('.').map(Number).join('.')
  return ipaddr.IPv4.isValidFourPartDecimal(decimal) ? decimal : null
}

function readIpv6(text: string): string | null {
  // a zone (RFC 4007) names an interface of the machine that says it, not a part of the address
  const address = text.replace(/%.*$/, '')
  return ipaddr.IPv6.isValid(address) ? ipaddr.process(address).toString() : null
}

// the same clients ask again and again: reading an address anew was a twenty-fifth of what a decision costs
const REMEMBERED = 2_000
const LONGEST = 100
const remembered = new LRUCache<string, { address: string | null }>({ max: REMEMBERED })

/**
 * The one spelling of an address (RFC 5952; IPv4 inside IPv6 as IPv4), however a proxy wrote it: with a port, quoted, in brackets,
 * with zeros in front, with a zone (RFC 7239 6). Null for what is no address: `unknown`, `_hidden`, garbage.
 */
export function readAddress(text: string): string | null {
  if (text.length > LONGEST) return readNode(text.trim())
  let known = remembered.get(text)
  if (known === undefined) remembered.set(text, known = { address: readNode(text.trim()) })
  return known.address
}

function readNode(text: string): string | null {
  let node = text
  if (node.length > LONGEST) return null
  if (node.length > 1 && node.startsWith('"') && node.endsWith('"')) node = node.slice(1, -1).trim()
  if (node.startsWith('[')) {
    const end = node.indexOf(']')
    const port = node.slice(end + 1)
    return end > 0 && (port === '' || PORT.test(port)) ? readIpv6(node.slice(1, end)) : null
  }
  const colon = node.indexOf(':')
  if (colon === -1) return readIpv4(node)
  // IPv6 has two colons at least: with one, it stands before a port
  if (node.indexOf(':', colon + 1) !== -1) return readIpv6(node)
  return PORT.test(node.slice(colon)) ? readIpv4(node.slice(0, colon)) : null
}

/** Is an address in its one spelling among these addresses and ranges (CIDR)? */
export function addressMatcher(ranges: readonly string[]): (address: string) => boolean {
  const list = new BlockList()
  for (const range of ranges) {
    const [address = '', bits] = range.split('/')
    const family = address.includes(':') ? 'ipv6' : 'ipv4'
    list.addSubnet(address, Number(bits ?? (family === 'ipv6' ? 128 : 32)), family)
  }
  return (address) => list.check(address, address.includes(':') ? 'ipv6' : 'ipv4')
}

/**
 * Whose request it is, by the chain that proxies wrote: the last one that is not a trusted proxy's. What stands before it is that
 * one's own word, and where a proxy tells what is no address, the proxy itself is who is known.
 */
export function clientAddress(remote: string, chain: string | undefined, isTrusted: (address: string) => boolean): string {
  let client = readAddress(remote) ?? remote
  if (chain === undefined) return client
  let end = chain.length
  while (end >= 0 && isTrusted(client)) {
    const start = end === 0 ? -1 : chain.lastIndexOf(',', end - 1)
    const told = chain.slice(start + 1, end)
    end = start
    if (told.trim() === '') continue // an empty member of a list says nothing (RFC 9110 5.6.1)
    const next = readAddress(told)
    if (next === null) return client
    client = next
  }
  return client
}

function prefixOf(address: string, bits: number): string | null {
  if (!address.includes(':') || !ipaddr.IPv6.isValid(address)) return null
  const bytes = ipaddr.IPv6.parse(address).toByteArray().map((byte, at) => (at * 8 < bits ? byte : 0))
  return `${ipaddr.fromByteArray(bytes).toString()}/${bits}`
}

/** What a client is counted by: an IPv4 address whole, an IPv6 one by its /56, which is what one household is given. */
export function countedAddress(address: string): string {
  const one = readAddress(address)
  if (one === null) return address.toLowerCase()
  return prefixOf(one, 56) ?? one
}

/** The wider net of an IPv6 address, which one customer of a network may hold: its /48. Null for IPv4, which is scarce. */
export function countedNetwork(address: string): string | null {
  const one = readAddress(address)
  return one === null ? null : prefixOf(one, 48)
}
