// What an API key looks like: `<prefix>_` + 30 random base62 + 6 base62 of the CRC-32 of all before it. Pure but for the
// random source. The checksum catches typing errors and scanners' guesses without a look-up; it proves nothing.
import { crc32 } from 'node:zlib'
import { randomBase62, toBase62 } from '../kernel/ids.js'

const FORM = /^[a-z][a-z0-9]{0,15}_[0-9A-Za-z]{36}$/
const CHECKSUM = 6
const SHOWN = 4

export interface NewKey {
  /** the whole key: shown once, kept only as its SHA-256 */
  key: string
  /** its first characters, by which people tell keys apart */
  start: string
}

function checksum(body: string): string {
  return toBase62(crc32(body), CHECKSUM)
}

/** A new key of 178 random bits. */
export function formatKey(prefix: string): NewKey {
  const body = `${prefix}_${randomBase62(30)}`
  return { key: `${body}${checksum(body)}`, start: body.slice(0, prefix.length + 1 + SHOWN) }
}

/** Could this be a key of ours, under any prefix? False for a mistyped one. */
export function checksumOk(key: string): boolean {
  return FORM.test(key) && key.endsWith(checksum(key.slice(0, -CHECKSUM)))
}
