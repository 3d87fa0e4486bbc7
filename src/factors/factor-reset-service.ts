// For who has lost every factor, the recovery codes included: an administrator plans that they go. The owner is told at once, and has a day to call it
// off by signing in with one of them, which whoever has lost them cannot. Whoever planned it is judged again when it happens: who may no longer
// set this account's password takes nothing from it either.
import type { AuditStore } from '../audit/index.js'
import { type AuthorityService, refuseGain, refuseWithout } from '../authority/index.js'
import type { Transact, Tx } from '../database/transaction.js'
import type { Clock } from '../kernel/clock.js'
import { AppError, problem } from '../kernel/errors.js'
import { isUuid, newId } from '../kernel/ids.js'
import type { Caller } from '../kernel/principal.js'
import type { MailService } from '../mail/index.js'
import type { SessionService } from '../sessions/index.js'
import type { FactorReset, FactorResetStore } from './factor-reset-store.js'
import type { FactorStore } from './factor-store.js'

export interface FactorResetView {
  userId: string
  plannedAt: string
  /** when it happens */
  dueAt: string
  givenBy: string
}

export interface FactorResetService {
  /** Plans it for a day later, in the place of one that is planned already. Throws user.not_found, access.denied (also for oneself), permission.not_held, factor.none. */
  plan: (caller: Caller, userId: string) => Promise<FactorResetView>
  /** Throws factor_reset.not_found. */
  find: (userId: string) => Promise<FactorResetView>
  /** Calls it off. Throws user.not_found, access.denied, factor_reset.not_found. */
  cancel: (caller: Caller, userId: string) => Promise<void>
  /** The owner has just proven a factor: they have not lost them all. In the transaction of the proof, which holds the account's row. */
  noteProof: (tx: Tx, caller: Caller, userId: string) => Promise<void>
  /** Does what is due, at most `most` of them. Throws, at the end, what kept any of them from it. */
  runDue: (most: number) => Promise<void>
}

export interface FactorResetDependencies {
  resets: FactorResetStore
  store: FactorStore
  sessions: SessionService
  authority: AuthorityService
  mail: MailService
  audit: AuditStore
  transact: Transact
  clock: Clock
}

const WRITE = 'gatehouse:users.write'
const WAIT_MS = 24 * 3_600_000
const WHEN_DUE: Caller = { principal: null, host: true, address: '', userAgent: '', requestId: 'factor-reset' }

const viewOf = ({ userId, createdAt, dueAt, givenBy }: FactorReset): FactorResetView => ({ userId, plannedAt: createdAt.toISOString(), dueAt: dueAt.toISOString(), givenBy })

export function createFactorResetService({ resets, store, sessions, authority, mail, audit, transact, clock }: FactorResetDependencies): FactorResetService {
  const now = (): Date => new Date(clock.now())

  async function plan(tx: Tx, caller: Caller, userId: string): Promise<FactorResetView> {
    const { principal } = caller
    if (!principal || !isUuid(userId)) throw problem('user.not_found')
    const held = await authority.hold(tx, caller, { narrowedUsers: [userId] })
    await store.lockUser(tx, userId)
    const target = await authority.target(tx, userId)
    refuseWithout(held, WRITE)
    // with the factors goes what keeps somebody who has the password out
    refuseGain(held, target)
    // whoever stole a session, or a key, would take their time
    if (principal.id === userId) throw problem('access.denied', { detail: 'Somebody else must do it: remove your own at /me/factors' })
    if ((await store.methods(tx, userId)).length === 0) throw problem('factor.none')
    const createdAt = now()
    const reset: FactorReset = { id: newId(), userId, givenBy: principal.id, givenWithKey: principal.keyId ?? null, createdAt, dueAt: new Date(createdAt.getTime() + WAIT_MS) }
    await resets.replace(tx, reset)
    const view = viewOf(reset)
    await audit.record(tx, caller, { action: 'factors.reset_planned', targetType: 'user', targetId: userId, details: { dueAt: view.dueAt } })
    await mail.tell(tx, userId, { kind: 'factors.reset_planned', facts: { at: view.dueAt, path: '/ui/sign-in' } })
    return view
  }

  async function mayStill(tx: Tx, held: Awaited<ReturnType<AuthorityService['holdOf']>>, userId: string): Promise<boolean> {
    try {
      refuseWithout(held, WRITE)
      refuseGain(held, await authority.target(tx, userId))
      return true
    } catch (error) {
      if (error instanceof AppError) return false
      throw error
    }
  }

  async function happen(tx: Tx, { id, userId, givenBy, givenWithKey }: FactorReset): Promise<void> {
    const held = await authority.holdOf(tx, { userId: givenBy, keyId: givenWithKey }, { narrowedUsers: [userId] })
    await store.lockUser(tx, userId)
    if (!(await resets.take(tx, id, now()))) return
    const target = { targetType: 'user', targetId: userId, details: { givenBy, ...(givenWithKey === null ? {} : { givenWithKey }) } }
    if (!(await mayStill(tx, held, userId))) {
      // committed with the plan gone: it is not judged a second time
      await audit.record(tx, WHEN_DUE, { action: 'factors.reset_refused', ...target })
      return
    }
    await store.trimPending(tx, userId, 0)
    await store.removeAll(tx, userId)
    await sessions.endAll(tx, userId)
    await audit.record(tx, WHEN_DUE, { action: 'factors.reset', ...target })
    await mail.tell(tx, userId, { kind: 'factors.reset', facts: { at: now().toISOString(), path: '/ui/sign-in' } })
  }

  return {
    plan: (caller, userId) => audit.recordingRefusal(caller, { targetType: 'user', targetId: userId }, () => transact((tx) => plan(tx, caller, userId))),
    async find(userId) {
      const reset = isUuid(userId) ? await resets.find(userId) : null
      if (!reset) throw problem('factor_reset.not_found')
      return viewOf(reset)
    },
    async cancel(caller, userId) {
      if (!isUuid(userId)) throw problem('user.not_found')
      await audit.recordingRefusal(caller, { targetType: 'user', targetId: userId }, () => transact(async (tx) => {
        // it takes nothing from anybody: it needs no reach
        await authority.require(tx, caller, WRITE)
        await store.lockUser(tx, userId)
        if (!(await resets.cancel(tx, userId))) throw problem('factor_reset.not_found')
        await audit.record(tx, caller, { action: 'factors.reset_cancelled', targetType: 'user', targetId: userId })
      }))
    },
    async noteProof(tx, caller, userId) {
      if (await resets.cancel(tx, userId)) await audit.record(tx, caller, { action: 'factors.reset_cancelled', targetType: 'user', targetId: userId, actorUserId: userId })
    },
    async runDue(most) {
      const failures: unknown[] = []
      for (const reset of await resets.listDue(now(), most)) {
        await transact((tx) => happen(tx, reset)).catch((error: unknown) => void failures.push(error)) // oxlint-disable-line no-await-in-loop
      }
      if (failures.length > 0) throw failures[0]
    },
  }
}
