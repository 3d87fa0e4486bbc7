// What an API key looks like: `<prefix>_` + 30 random base62 + 6 base62 of the CRC-32 of all before it. Pure but for the
// random source. The checksum catches typing errors and scanners' guesses without a look-up; it proves nothing.
import { crc32 } from 'node:zlib'
import { problem } from '../kernel/errors.js'
import { randomBase62, toBase62 } from '../kernel/ids.js'
import { sha256 } from '../kernel/secrets.js'

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

const START = /^[a-z][a-z0-9]{0,15}_[0-9A-Za-z]{4}$/
const HEX = /^[0-9a-f]{64}$/i
const BASE64 = /^[0-9A-Za-z+/_-]{43}=?$/
const HASH_BYTES = 32

function hashOf(text: string): Buffer | null {
  if (HEX.test(text)) return Buffer.from(text, 'hex')
  const bytes = BASE64.test(text) ? Buffer.from(text, 'base64') : null
  return bytes?.length === HASH_BYTES ? bytes : null
}

function wrong(path: string, message: string): never {
  throw problem('request.invalid', { errors: [{ path, message }] })
}

/** A key that somebody has already, from itself or from its SHA-256 and its first characters. Throws request.invalid: also for a key that is not of this form, for it would never be looked up. */
export function readSecret({ key, hash, start }: { key?: string | undefined; hash?: string | undefined; start?: string | undefined }): { start: string; keyHash: Buffer } {
  if ((key === undefined) === (hash === undefined)) return wrong('/key', 'either the key itself, or its hash with start')
  if (key !== undefined) {
    if (!checksumOk(key)) return wrong('/key', 'is not of the form of a key, or was mistyped')
    return { start: key.slice(0, key.indexOf('_') + 1 + SHOWN), keyHash: sha256(key) }
  }
  const keyHash = hashOf(hash ?? '') ?? wrong('/hash', 'must be a SHA-256, in hex or base64')
  return { start: START.test(start ?? '') ? start ?? '' : wrong('/start', 'must be the beginning of the key: its prefix, _ and four characters'), keyHash }
}
