// Network addresses as counters see them.
import { isIPv6 } from 'node:net'

/** The eight groups of an IPv6 address, without leading zeros; `::` is spelled out. */
function groupsOf(address: string): string[] {
  // the last 32 bits may be written as IPv4
  const hex = address.replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/, (_all, ...bytes: string[]) => {
    const [a = 0, b = 0, c = 0, d = 0] = bytes.slice(0, 4).map(Number)
    return `${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`
  })
  const [head = '', tail] = hex.split('::')
  const front = head === '' ? [] : head.split(':')
  const back = tail === undefined || tail === '' ? [] : tail.split(':')
  const zeros = tail === undefined ? 0 : Math.max(0, 8 - front.length - back.length)
  return [...front, ...Array<string>(zeros).fill('0'), ...back].map((group) => group.replace(/^0+(?=.)/, ''))
}

/** The address a client is counted by: an IPv4 address whole (also inside IPv6), an IPv6 one by its /64, which one household or host holds. */
export function countedAddress(address: string): string {
  if (!isIPv6(address)) return address.toLowerCase()
  const groups = groupsOf((address.split('%')[0] ?? '').toLowerCase())
  if (groups.slice(0, 5).every((group) => group === '0') && groups[5] === 'ffff') {
    return groups.slice(6).map((group) => Number.parseInt(group, 16)).map((word) => `${word >> 8}.${word & 255}`).join('.')
  }
  return `${groups.slice(0, 4).join(':')}::/64`
}
