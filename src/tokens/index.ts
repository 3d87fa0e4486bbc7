// Access tokens: the signing keys in the database, the ring of those that count now, and what a token says.
import type { PrismaClient } from '../database/generated/client.js'
import type { Job } from '../jobs/index.js'
import type { Clock } from '../kernel/clock.js'
import type { Secrets } from '../kernel/secrets.js'
import { createKeyRing, type KeyRing } from './key-ring.js'
import { createSigningKeyStore } from './signing-key-store.js'

export type { TokenType } from './jws.js'
export { planRotation } from './rotation.js'
export { createSigningKeyStore, isKeyUnder, type SigningAlgorithm, type SigningKeyStore, WrongSecretError } from './signing-key-store.js'
export { type AccessToken, type ClientToken, createTokenService, type PublishedKey, type TokenService, type TokenSigner } from './token-service.js'

// well below the ten minutes between the making of a key and its first signature
const RELOAD_EVERY_MS = 30_000

export function createSigningKeys({ prisma, secrets, clock }: { prisma: PrismaClient; secrets: Secrets; clock: Clock }): { ring: KeyRing; jobs: Job[] } {
  const ring = createKeyRing({ store: createSigningKeyStore({ prisma, secrets, clock }), clock })
  return { ring, jobs: [{ name: 'reading the signing keys anew', everyMs: RELOAD_EVERY_MS, work: ring.load }] }
}
