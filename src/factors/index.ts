// Second factors: authenticator apps, passkeys and recovery codes, signing in by them, and proving once more who one is.
import type pg from 'pg'
import { tableExpiry } from '../database/expiry.js'
import type { PrismaClient } from '../database/generated/client.js'
import type { Job } from '../jobs/index.js'
import { createFactorService, type FactorService, type FactorServiceDependencies } from './factor-service.js'
import { createFactorStore } from './factor-store.js'
import { createMfaService, type MfaService, type MfaServiceDependencies } from './mfa-service.js'
import { createPasskeyChallenges } from './passkey-challenges.js'
import { createPasskeyService } from './passkey-service.js'
import { createPasskeyStore } from './passkey-store.js'
import { createProofs } from './proof-service.js'
import { createStepUpService, type StepUpService, type StepUpServiceDependencies } from './step-up-service.js'

export type { AddedFactor, BegunTotp, FactorService, FactorsView, FactorView } from './factor-service.js'
export type { MfaService } from './mfa-service.js'
export type { Assertion, CreationOptions, Registration, RequestOptions } from './passkey-service.js'
export type { Answer } from './proof-service.js'
export type { StepUpService } from './step-up-service.js'

type Made = 'store' | 'passkeyStore' | 'passkeys' | 'passkeyChallenges' | 'proofs'

export interface FactorNeeds extends Omit<FactorServiceDependencies & MfaServiceDependencies & StepUpServiceDependencies, Made | 'issuer'> {
  prisma: PrismaClient
  pool: pg.Pool
  /** the origin of PUBLIC_URL */
  origin: () => string
}

export interface FactorFeature {
  factors: FactorService
  mfa: MfaService
  stepUps: StepUpService
  jobs: Job[]
}

export function createFactors({ prisma, pool, origin, ...all }: FactorNeeds): FactorFeature {
  const { clock } = all
  const store = createFactorStore({ prisma })
  const passkeyStore = createPasskeyStore({ prisma })
  const passkeyChallenges = createPasskeyChallenges({ ...all, use: passkeyStore.useChallenge })
  const passkeys = createPasskeyService({ store: passkeyStore, challenges: passkeyChallenges, origin, clock })
  const proofs = createProofs({ ...all, store, passkeys })
  return {
    factors: createFactorService({ ...all, store, passkeyStore, passkeys, passkeyChallenges, issuer: () => new URL(origin()).host }),
    mfa: createMfaService({ ...all, proofs, passkeys }),
    stepUps: createStepUpService({ ...all, store, proofs, passkeys }),
    jobs: ['totp_factors', 'used_passkey_challenges'].map((table) => tableExpiry(pool, { table, where: 'expires_at <= $1', before: clock.now })),
  }
}
