// The token that proves who installed Gatehouse: derived from the secret, so every node prints and accepts the same one.
import type { Secrets } from '../kernel/secrets.js'

/** `gs_` and 256 bits; worth something only until the installation is set up. */
export function setupToken(secrets: Secrets): string {
  return `gs_${secrets.mac('setup-token', 'the first administrator').toString('base64url')}`
}
