// When a new signing key takes over from those before it. Pure. In a planned rotation nobody notices: the new key is published ten
// minutes before it signs, and what the old ones signed is good until the last of it has expired. After a theft it is at once: what
// they signed is refused from now on, and clients get a new token for their refresh token.
import type { RotationPlan } from './signing-key-store.js'

// verifiers may keep the key set for five minutes (plugins/security/jwks.ts), and nodes read it every half a minute
const LEAD_MS = 600_000
const CLOCKS_DIFFER_MS = 300_000
const RETIRED_KEPT_MS = 90 * 86_400_000

/** The plan of a rotation that is asked for now. `atOnce`: the old keys are in wrong hands. */
export function planRotation(nowMs: number, { accessTokenSeconds, atOnce }: { accessTokenSeconds: number; atOnce: boolean }): RotationPlan {
  const activatesAtMs = atOnce ? nowMs : nowMs + LEAD_MS
  const othersRetireAtMs = atOnce ? nowMs : activatesAtMs + accessTokenSeconds * 1_000 + CLOCKS_DIFFER_MS
  return { nowMs, activatesAtMs, othersRetireAtMs, deleteBeforeMs: nowMs - RETIRED_KEPT_MS, evenIfOneWaits: atOnce }
}
