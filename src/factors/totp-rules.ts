// Codes of an authenticator app (RFC 6238): six digits of HMAC-SHA-1 over the half minute, one of which either way is let pass for clocks that
// differ. Which half minute a code is of is told, so that whoever keeps it lets no code count twice. Pure.
import { Secret, TOTP } from 'otpauth'

/** What secrets are encrypted for; the context is the row's id. */
export const SECRET_PURPOSE = 'totp-secret'

const PERIOD_SECONDS = 30
const DRIFT_STEPS = 1
// RFC 4226 4: at least 128 bits, 160 recommended
const SECRET_BYTES = 20
const FORM = /^\d{6}$/

/** A new secret in base32, as apps take it. */
export function newTotpSecret(): string {
  return new Secret({ size: SECRET_BYTES }).base32
}

function totpOf(secret: string, names: { issuer?: string; label?: string } = {}): TOTP {
  return new TOTP({ ...names, secret: Secret.fromBase32(secret), algorithm: 'SHA1', digits: 6, period: PERIOD_SECONDS })
}

// a colon parts the issuer from the account in an otpauth URI
const plain = (text: string): string => text.replaceAll(':', ' ').trim()

/** What an app reads from a QR code: `otpauth://totp/...`. */
export function totpUri(secret: string, { issuer, account }: { issuer: string; account: string }): string {
  return totpOf(secret, { issuer: plain(issuer), label: plain(account) }).toString()
}

/** A code as it was typed: apps show it in groups. */
export function readCode(typed: string): string {
  return typed.replace(/[\s-]/g, '')
}

/** Of which half minute since 1970 is the code? Null: of none near this time. In constant time. */
export function stepOfCode(secret: string, code: string, nowMs: number): number | null {
  if (!FORM.test(code)) return null
  const delta = totpOf(secret).validate({ token: code, timestamp: nowMs, window: DRIFT_STEPS })
  return delta === null ? null : Math.floor(nowMs / 1_000 / PERIOD_SECONDS) + delta
}
