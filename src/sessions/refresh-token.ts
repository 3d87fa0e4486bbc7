// The refresh token's form: `gr_` (of a session) or `gor_` (of an OAuth client's grant) + base64url(session id | generation | mac). The mac is taken over the session's random
// seed and the generation, so a successor can be made again for a retry while nothing usable is at rest. Pure.
import type { Secrets } from '../kernel/secrets.js'

export interface RefreshToken {
  sessionId: string
  /** how many rotations came before it; 0 is the token of the sign-in */
  generation: number
  mac: Buffer
}

/** The reach of the same-successor rule: a client that lost the answer of a refresh may ask again for this long. */
export const RETRY_WINDOW_MS = 10_000

/** Two kinds that are never taken for one another: what opens one is not a mac of the other. */
export interface RefreshKind {
  prefix: string
  purpose: string
}

export const OF_SESSION: RefreshKind = { prefix: 'gr_', purpose: 'refresh-token' }
export const OF_GRANT: RefreshKind = { prefix: 'gor_', purpose: 'oauth-refresh-token' }

const FORM = /^[A-Za-z0-9_-]{70}$/ // 16 + 4 + 32 bytes
const MAC_AT = 20

function generationBytes(generation: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(generation)
  return bytes
}

function dataOf(seed: Uint8Array, generation: number): Buffer {
  return Buffer.concat([seed, generationBytes(generation)])
}

/** The refresh token of a session's generation; the same arguments always give the same token. */
export function formatRefreshToken(secrets: Secrets, { sessionId, seed, generation }: { sessionId: string; seed: Uint8Array; generation: number }, { prefix, purpose }: RefreshKind = OF_SESSION): string {
  const id = Buffer.from(sessionId.replaceAll('-', ''), 'hex')
  return prefix + Buffer.concat([id, generationBytes(generation), secrets.mac(purpose, dataOf(seed, generation))]).toString('base64url')
}

/** Takes a token apart, or null when it has another form. Proves nothing: see `isGenuine`. */
export function parseRefreshToken(text: string, { prefix }: RefreshKind = OF_SESSION): RefreshToken | null {
  const rest = text.slice(prefix.length)
  if (!text.startsWith(prefix) || !FORM.test(rest)) return null
  const bytes = Buffer.from(rest, 'base64url')
  // the last character carries four spare bits: only one spelling of a token is a token
  if (bytes.toString('base64url') !== rest) return null
  const sessionId = bytes.toString('hex', 0, 16).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
  return { sessionId, generation: bytes.readUInt32BE(16), mac: bytes.subarray(MAC_AT) }
}

/** Was the token made here for the session with this seed? In constant time. */
export function isGenuine(secrets: Secrets, seed: Uint8Array, token: RefreshToken, { purpose }: RefreshKind = OF_SESSION): boolean {
  return secrets.isMac(purpose, dataOf(seed, token.generation), token.mac)
}

export type RefreshVerdict = 'rotate' | 'repeat' | 'reuse'

/**
 * What a genuine token of a live session deserves. `rotate`: it is the newest. `repeat`: its successor was made at most
 * RETRY_WINDOW_MS ago and is unused, so the caller gets that same successor. `reuse`: a copy is in other hands
 * (RFC 9700 4.14.2), and the session has to end.
 */
export function judgeRefresh(token: RefreshToken, session: { generation: number; refreshedAt: Date | null }, nowMs: number): RefreshVerdict {
  if (token.generation === session.generation) return 'rotate'
  const isPredecessor = token.generation === session.generation - 1
  return isPredecessor && session.refreshedAt !== null && nowMs - session.refreshedAt.getTime() <= RETRY_WINDOW_MS ? 'repeat' : 'reuse'
}
