// The way back from our own pages to an authorization request: the request itself, and a mark that this browser was sent away for this very request, and
// when. Nothing is kept for it; a mark from another browser or for another request is none. Pure.
import type { Secrets } from '../../kernel/secrets.js'

/** The parameter that carries the mark; no standard's. */
export const RESUME = 'gatehouse_resume'

const PURPOSE = 'oauth-resume'
const LIFE_MS = 3_600_000
const MAC_BYTES = 16
const FORM = /^[A-Za-z0-9_-]{32}$/

const dataOf = (browser: Uint8Array, request: string, sinceMs: number): Buffer => Buffer.concat([browser, Buffer.from(`${sinceMs} ${request}`)])

/** `browser`: of the browser binding. `request`: the parameters as they are sent again. */
export function resumeMark(secrets: Secrets, browser: Uint8Array, request: string, sinceMs: number): string {
  const time = Buffer.alloc(8)
  time.writeBigUInt64BE(BigInt(sinceMs))
  return Buffer.concat([time, secrets.mac(PURPOSE, dataOf(browser, request, sinceMs)).subarray(0, MAC_BYTES)]).toString('base64url')
}

/** When the browser was sent away, ms; null: it was not, or too long ago. */
export function readResumeMark(secrets: Secrets, browser: Uint8Array | null, request: string, mark: string, nowMs: number): number | null {
  if (browser === null || !FORM.test(mark)) return null
  const bytes = Buffer.from(mark, 'base64url')
  const sinceMs = Number(bytes.readBigUInt64BE(0))
  if (sinceMs > nowMs || nowMs - sinceMs > LIFE_MS) return null
  return secrets.isMac(PURPOSE, dataOf(browser, request, sinceMs), bytes.subarray(8), MAC_BYTES) ? sinceMs : null
}
