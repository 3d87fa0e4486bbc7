// How well somebody has proven who they are: `amr` says by what (RFC 8176), `acr` how well, and when is the session's business. Pure.

/** One factor: a password, a code sent by mail, somebody else's word. */
export const ONE_FACTOR = 'urn:gatehouse:1fa'
/** Two factors of different kinds: a password and a code, or a passkey that asked for its owner's finger or PIN. */
export const MULTI_FACTOR = 'urn:gatehouse:mfa'

export type Acr = typeof ONE_FACTOR | typeof MULTI_FACTOR

/** What was proven at a sign-in: RFC 8176's words where it has one (`pwd`, `otp`, `hwk`, `swk`, `user`), else ours (`fed`, `recovery_code`). */
export interface Proof {
  amr: readonly string[]
  /** were it two factors? */
  isMultiFactor?: boolean
}

/** What a session keeps of it. */
export interface Assurance {
  amr: readonly string[]
  acr: Acr
  /** when it was proven last */
  authTime: Date
}

export function assuranceOf({ amr, isMultiFactor = false }: Proof, authTime: Date): Assurance {
  const all = isMultiFactor ? [...amr, 'mfa'] : amr
  return { amr: [...new Set(all)], acr: isMultiFactor ? MULTI_FACTOR : ONE_FACTOR, authTime }
}

/** What an act asks for of a session: proven no longer ago than that, and no worse than that. */
export interface StepUp {
  maxAgeSeconds?: number
  acr?: Acr
}

/** Of acts that change who may get into an account: proven within ten minutes. */
export const RECENT: StepUp = { maxAgeSeconds: 600 }

/** Is it met? What stands behind no session (an API key) meets nothing. */
export function isMet({ maxAgeSeconds, acr }: StepUp, { acr: given, authTimeMs }: { acr?: string; authTimeMs?: number }, nowMs: number): boolean {
  if (given === undefined || authTimeMs === undefined) return false
  if (maxAgeSeconds !== undefined && nowMs - authTimeMs > maxAgeSeconds * 1_000) return false
  return acr === undefined || acr === ONE_FACTOR || given === MULTI_FACTOR
}

/** What is missing, as RFC 9470 3 puts it into WWW-Authenticate. */
export function stepUpChallenge({ maxAgeSeconds, acr }: StepUp): string {
  return ['error="insufficient_user_authentication"', 'error_description="Prove once more who you are: POST /api/v1/auth/stepup"',
    ...(acr === undefined ? [] : [`acr_values="${acr}"`]), ...(maxAgeSeconds === undefined ? [] : [`max_age="${maxAgeSeconds}"`])].join(', ')
}
