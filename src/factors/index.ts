// Second factors: authenticator apps, passkeys and recovery codes, signing in by them, and proving once more who one is.
import type pg from 'pg'
import { tableExpiry } from '../database/expiry.js'
import type { PrismaClient } from '../database/generated/client.js'
import type { Job } from '../jobs/index.js'
import { createFactorResetService, type FactorResetDependencies, type FactorResetService } from './factor-reset-service.js'
import { createFactorResetStore } from './factor-reset-store.js'
import { createFactorService, type FactorService, type FactorServiceDependencies } from './factor-service.js'
import { createFactorStore } from './factor-store.js'
import { createMfaService, type MfaService, type MfaServiceDependencies } from './mfa-service.js'
import { createPasskeyChallenges } from './passkey-challenges.js'
import { createPasskeyService } from './passkey-service.js'
import { createPasskeyStore } from './passkey-store.js'
import { createProofs } from './proof-service.js'
import { createStepUpService, type StepUpService, type StepUpServiceDependencies } from './step-up-service.js'

export type { AddedFactor, BegunTotp, FactorService, FactorsView, FactorView } from './factor-service.js'
export type { FactorResetService } from './factor-reset-service.js'
export type { MfaService } from './mfa-service.js'
export type { Assertion, CreationOptions, Registration, RequestOptions } from './passkey-service.js'
export type { Answer } from './proof-service.js'
export type { StepUpService } from './step-up-service.js'

/** The name of the job that does what is due: a test runs it. */
export const RESETTING_FACTORS = 'resetting factors'
const RESET_EVERY_MS = 60_000
const MOST_RESETS = 100

type Made = 'store' | 'resets' | 'noteProof' | 'passkeyStore' | 'passkeys' | 'passkeyChallenges' | 'proofs'

export interface FactorNeeds extends Omit<FactorServiceDependencies & FactorResetDependencies & MfaServiceDependencies & StepUpServiceDependencies, Made | 'issuer'> {
  prisma: PrismaClient
  pool: pg.Pool
  /** the origin of PUBLIC_URL */
  origin: () => string
}

export interface FactorFeature {
  factors: FactorService
  factorResets: FactorResetService
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
  const factorResets = createFactorResetService({ ...all, store, resets: createFactorResetStore({ prisma }) })
  const { noteProof } = factorResets
  const proofs = createProofs({ ...all, store, passkeys })
  return {
    factors: createFactorService({ ...all, store, passkeyStore, passkeys, passkeyChallenges, issuer: () => new URL(origin()).host }),
    factorResets,
    mfa: createMfaService({ ...all, proofs, passkeys, noteProof }),
    stepUps: createStepUpService({ ...all, store, proofs, passkeys, noteProof }),
    jobs: [
      { name: RESETTING_FACTORS, everyMs: RESET_EVERY_MS, work: () => factorResets.runDue(MOST_RESETS) },
      ...['totp_factors', 'used_passkey_challenges'].map((table) => tableExpiry(pool, { table, where: 'expires_at <= $1', before: clock.now })),
    ],
  }
}
