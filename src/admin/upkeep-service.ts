// What whoever holds the host does to keys and secrets: rotate what signs, and ask what is still under the secret before this one.
import type { AuditStore } from '../audit/index.js'
import type { Transact } from '../database/transaction.js'
import type { Clock } from '../kernel/clock.js'
import { planRotation, type SigningKeyStore } from '../tokens/index.js'
import type { SecretStatus, SecretStatusStore } from './secret-status-store.js'
import { HOST } from './host-caller.js'

export interface UpkeepService {
  /** Makes a signing key; null when one waits already. `atOnce`: those before it are in wrong hands. */
  rotateSigningKeys: (options: { atOnce: boolean }) => Promise<{ kid: string; activatesAt: Date; othersRetireAt: Date } | null>
  secretStatus: () => Promise<SecretStatus>
}

export interface UpkeepServiceDeps {
  signingKeys: SigningKeyStore
  status: SecretStatusStore
  audit: AuditStore
  transact: Transact
  clock: Clock
  accessTokenSeconds: number
  /** of tokens of OAuth resources, which the same keys sign */
  longestTokenSeconds: () => Promise<number>
}


export function createUpkeepService({ signingKeys, status, audit, transact, clock, accessTokenSeconds, longestTokenSeconds }: UpkeepServiceDeps): UpkeepService {
  return {
    async rotateSigningKeys({ atOnce }) {
      const plan = planRotation(clock.now(), { accessTokenSeconds: Math.max(accessTokenSeconds, await longestTokenSeconds()), atOnce })
      await signingKeys.list() // a wrong secret is found before a key is made under it
      const made = await transact(async (tx) => {
        const key = await signingKeys.rotate(tx, plan)
        if (key) await audit.record(tx, HOST, { action: 'signing_key.rotated', targetType: 'signing_key', targetId: key.kid, details: { atOnce } })
        return key
      })
      return made && { kid: made.kid, activatesAt: new Date(plan.activatesAtMs), othersRetireAt: new Date(plan.othersRetireAtMs) }
    },
    secretStatus: () => status.read(),
  }
}
