// Signing in by mail, without a password: a link and a code, bound to the browser that asked. Switched on by MAGIC_LINK.
import { createMagicLinkService, type MagicLinkDependencies, type MagicLinkService } from './magic-link-service.js'

export type { MagicLinkService } from './magic-link-service.js'

export function createMagicLinks(needs: MagicLinkDependencies): { magicLinks: MagicLinkService } {
  return { magicLinks: createMagicLinkService(needs) }
}
