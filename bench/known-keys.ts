// The keys of the latency rows: the i-th is the same in every run, so that who makes them and who asks about them need not
// tell each other. They open a database that is thrown away.
import { hash } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { toBase62 } from '../src/kernel/ids.js'
import { checksumOk } from '../src/keys/key-format.js'

const BASE62 = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
const RANDOM_PART = 30
const CHECKSUM = 6

/** Made as src/keys/key-format.ts makes them, from the SHA-256 of a number instead of the random source. */
export function knownKey(at: number): string {
  const digest = hash('sha256', `gatehouse bench key ${at}`, 'buffer')
  let body = 'gk_'
  for (let index = 0; index < RANDOM_PART; index += 1) body += BASE62[(digest[index] ?? 0) % BASE62.length]
  return `${body}${toBase62(crc32(body), CHECKSUM)}`
}

/** By which an answer shows which key it is about. */
export function knownName(at: number): string {
  return `seed key ${String(at).padStart(8, '0')}`
}

/** Throws when the program would not take these for keys any more. */
export function checkKnownKeys(): void {
  if (!checksumOk(knownKey(1))) throw new Error('bench/known-keys.ts makes keys of another form than src/keys/key-format.ts')
}
