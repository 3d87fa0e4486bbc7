// Ids and random strings. Ids are UUIDv7 (RFC 9562 5.7): they sort by creation and say nothing secret.
import { randomBytes } from 'node:crypto'
import { v7 } from 'uuid'

const BASE62 = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i

/** The id of nobody and nothing (RFC 9562 5.9): looked up where something else would be, so that it takes as long. */
export const NOBODY = '00000000-0000-0000-0000-000000000000'

/** A new UUIDv7. */
export function newId(): string {
  return v7()
}

export function isUuid(text: string): boolean {
  return UUID.test(text)
}

/** `length` characters of base62 from the system's random source, without modulo bias (5.95 bits each). */
export function randomBase62(length: number): string {
  let text = ''
  while (text.length < length) {
    for (const byte of randomBytes(length)) {
      // 248 = 4 * 62: bytes above it are thrown away, or the first 8 characters would come up more often
      if (byte < 248 && text.length < length) text += BASE62[byte % 62]
    }
  }
  return text
}

/** A non-negative integer in base62, padded on the left to `length`. */
export function toBase62(value: number, length: number): string {
  let text = ''
  for (let rest = value; rest > 0; rest = Math.floor(rest / 62)) text = `${BASE62[rest % 62]}${text}`
  return text.padStart(length, '0')
}
