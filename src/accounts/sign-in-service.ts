// The one way by which every way of signing in ends, whatever was proven first: the account is locked, looked at once more, and either a session
// is opened or, where the account has a second factor that was not proven, a challenge is left that waits for it. In one transaction, so that no
// change of the account, of its factors or of its password comes in between; and nobody has to remember to ask for the second factor.
import { type Acr, assuranceOf, type Proof } from '../kernel/assurance.js'
import type { Caller } from '../kernel/principal.js'
import type { AuditStore } from '../audit/index.js'
import type { Along, Transact, Tx } from '../database/transaction.js'
import type { Clock } from '../kernel/clock.js'
import { problem } from '../kernel/errors.js'
import type { ChallengeService, Opening, SessionService, SessionView, TokenPair } from '../sessions/index.js'
import { type UserView, viewOf } from './account-view.js'
import { deviceHash, type Recognised } from './device-rules.js'
import type { DeviceService } from './device-service.js'
import type { SignInStore } from './sign-in-store.js'

/** What is to be opened; `endOldest`: at the cap of sessions, end the oldest instead of refusing. */
export type OpenToken = { kind: 'token'; endOldest?: boolean | undefined }
export type OpenCookie = { kind: 'cookie'; cookieSecret: string; endOldest?: boolean | undefined }
export type Open = OpenToken | OpenCookie

/** A second factor is asked for: nothing is open yet. */
export interface MfaRequired {
  status: 'mfa_required'
  /** opens nothing but POST /auth/mfa and its like */
  challenge: string
  /** what it can be answered with: `totp`, `passkey`, `recovery_code` */
  methods: string[]
  /** seconds */
  expiresIn: number
}

type Done<T> = { status: 'signed_in'; user: UserView; deviceToken: string } & T
export type OpenedTokens = Done<{ tokens: TokenPair }>
export type OpenedCookie = Done<{ session: SessionView }>

export interface Completion extends Proof {
  userId: string
  /** what an earlier sign-in gave to this device */
  deviceToken?: string | undefined
  /**
   * Runs in the transaction, behind the locks of the account and before it is looked at: what may be used once is used up here, by one conditional
   * statement. False, or an error thrown, refuses the sign-in; whatever is refused here or later is rolled back.
   */
  within?: (tx: Tx) => Promise<boolean>
  /** guesses that were counted and are forgiven: counters to lock, in their order, and what to write */
  forgiven?: { counters: readonly string[]; along: Along }
  /** by what the account knows who asks, where that has been looked up already */
  recognised?: Recognised
}

export interface SignIns {
  /** Is it a device of the account's own that asks? */
  recognise: (userId: string, deviceToken: string | undefined) => Promise<Recognised>
  /** Throws credentials.invalid (also for an account that is not an active person's), session.cap_reached. */
  complete: {
    (caller: Caller, input: Completion & { open: OpenToken }): Promise<OpenedTokens | MfaRequired>
    (caller: Caller, input: Completion & { open: OpenCookie }): Promise<OpenedCookie | MfaRequired>
    (caller: Caller, input: Completion & { open: Open }): Promise<OpenedTokens | OpenedCookie | MfaRequired>
  }
}

/** A sign-in by password brings what it has looked at before, and what is to be written with it. */
export interface Finish extends Completion {
  open: Open
  recognised: Recognised
  /** the hash that was found right, and a newer one of the same password */
  password?: { checkedHash: string; renewedHash: string | undefined }
}

export interface SignInFinisher extends SignIns {
  /** The same for `logIn`; null: refused. */
  finish: (tx: Tx, caller: Caller, input: Finish) => Promise<OpenedTokens | OpenedCookie | MfaRequired | null>
}

export interface SignInServiceDependencies {
  store: SignInStore
  devices: DeviceService
  sessions: SessionService
  challenges: ChallengeService
  audit: AuditStore
  transact: Transact
  clock: Clock
}

const NOTHING: Along = () => ({})

export function createSignInService({ store, devices, sessions, challenges, audit, transact, clock }: SignInServiceDependencies): SignInFinisher {
  function opener(caller: Caller, { userId, open, amr, isMultiFactor = false }: Finish): Opening<{ tokens: TokenPair } | { session: SessionView }> {
    const options = { amr, isMultiFactor, endOldest: open.endOldest ?? false }
    if (open.kind === 'token') {
      const opening = sessions.newToken(userId, caller, options)
      return { ...opening, opened: { tokens: opening.opened } }
    }
    const opening = sessions.newCookie(userId, open.cookieSecret, caller, options)
    return { ...opening, opened: { session: opening.opened } }
  }

  async function finish(tx: Tx, caller: Caller, input: Finish): Promise<OpenedTokens | OpenedCookie | MfaRequired | null> {
    const { userId, open, amr, isMultiFactor = false, recognised, deviceToken, password, forgiven, within } = input
    await store.lock(tx, userId, forgiven?.counters ?? [])
    if (within && !(await within(tx))) return null
    const opening = opener(caller, input)
    const device = devices.remembering(caller, userId, recognised, deviceToken)
    const challenge = challenges.begin(userId, open.kind, { amr })
    const target = { targetType: 'user', targetId: userId, actorUserId: userId }
    const proven: { amr: string[]; acr: Acr } = { amr: [...amr], acr: assuranceOf({ amr, isMultiFactor }, new Date(clock.now())).acr }
    const note = () => store.note(tx, {
      id: userId, at: new Date(clock.now()), isMultiFactor, room: opening.room, checkedHash: password?.checkedHash ?? null, renewedHash: password?.renewedHash,
      whenOpened: [opening.along, device.along, audit.along(caller, { action: 'login.succeeded', ...target, details: proven })],
      whenChallenged: [challenge.along, audit.along(caller, { action: 'login.challenged', ...target, details: { amr: proven.amr } })],
      whenEither: [forgiven?.along ?? NOTHING],
    })
    let noted = await note()
    if (noted === 'full') {
      await opening.makeRoom(tx)
      noted = await note()
    }
    if (noted === 'refused' || noted === 'full') return null
    if ('methods' in noted) return { status: 'mfa_required', challenge: challenge.token, methods: noted.methods, expiresIn: challenge.expiresIn }
    return { status: 'signed_in', user: viewOf(noted.account), deviceToken: device.tokenOf(noted.isDeviceRenewed), ...opening.opened }
  }

  async function recognise(userId: string, deviceToken: string | undefined): Promise<Recognised> {
    const hash = deviceHash(deviceToken)
    const id = hash && (await store.findDevice(userId, hash, new Date(clock.now())))
    return id === null ? null : { by: 'device', id }
  }

  async function complete(caller: Caller, input: Completion & { open: Open }): Promise<OpenedTokens | OpenedCookie | MfaRequired> {
    const recognised = input.recognised ?? (await recognise(input.userId, input.deviceToken))
    return transact(async (tx) => {
      const done = await finish(tx, caller, { ...input, recognised })
      if (!done) throw problem('credentials.invalid')
      return done
    })
  }

  return { finish, recognise, complete: complete as SignIns['complete'] }
}
