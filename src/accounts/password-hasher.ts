// How a password is kept and checked: bcrypt over base64(HMAC-SHA-256(pepper, password)), so that byte 73 counts (bcrypt
// reads 72) and a stolen table alone cannot be searched; or, until the next right password, a hash of another system, encrypted.
// Work waits its turn in the hash queue; a new password has its price, taken before it is hashed. A wrong password costs what the dearest
// hash in use costs, whatever it was compared with, and where hashes of other systems are about, it is answered no sooner than the slowest of the latest.
import { createHmac } from 'node:crypto'
import { genSaltSync, hash as bcryptHash, verify as bcryptVerify } from '@node-rs/bcrypt'
import type { Clock } from '../kernel/clock.js'
import { problem } from '../kernel/errors.js'
import type { Secrets } from '../kernel/secrets.js'
import { sleep } from '../kernel/timers.js'
import type { LimitStore } from '../shared-store/shared-store.js'
import { createForeignChecker, isWholly } from './foreign-check.js'
import { type GivenHash, readForeign, type ReadHash } from './foreign-hash.js'
import type { HashOrigin, HashQueue } from './hash-queue.js'
import { preparePassword } from './password-rules.js'
import { createRefusalFloor } from './refusal-floor.js'
import { createWorkRatios } from './work-ratios.js'

// hmac1$ID$2b$...: the ID names the pepper. Without one it was made before peppers had names: any that is known may be its own
const SCHEME = 'hmac1$'
// a row that somebody wrote by hand must not make every sign-in take minutes
const MOST_COST = 16
const MOST_WORK = 2 ** MOST_COST
// sealed1$ID$WORK$...: a hash of another system. ID as above; WORK is in the clear, so that the dearest is found without a key, and proves nothing
const SEALED = /^sealed1\$[0-9a-f]{8}\$(\d{1,5})\$([A-Za-z0-9_-]+)$/
const SEALED_FOR = 'foreign-password'
const KEPT = /^hmac1\$([0-9a-f]{8})?(\$2[aby]\$(\d\d)\$.*)$/

export interface PasswordHasher {
  /** The string to store. Throws rate.limited when the origin's budget for new passwords is used up, server.busy when too many wait. */
  hash: (password: string, origin: HashOrigin) => Promise<string>
  /** The same string with today's cost, for a password that has just been right: no price. Throws server.busy. */
  renew: (password: string, origin: HashOrigin) => Promise<string>
  /** Is it the password? With null (no such account, or one without a password) the same work is done and the answer is no. Throws server.busy. */
  verify: (password: string, stored: string | null, origin: HashOrigin) => Promise<boolean>
  /** Was it made with another cost than today's, another pepper, or by another system? Not where less than this password was proven: bcrypt reads 72 bytes of it. */
  isOutdated: (stored: string, password: string) => boolean
  /** The string to store for a hash that another system made. Throws request.invalid: unreadable, or too dear. */
  takeOver: (given: GivenHash) => string
  /** Tells of the dearest work that is in use, in rounds of bcrypt, so that a wrong password for a cheaper hash takes as long. */
  noteWork: (rounds: number) => void
}

export interface PasswordHasherOptions {
  secrets: Secrets
  /** bcrypt's work factor */
  cost: number
  queue: HashQueue
  /** counts new passwords, by who wants them */
  limits: Pick<LimitStore, 'take'>
  /** compares what hashes take on this machine */
  clock: Pick<Clock, 'monotonic'>
  /** resolves after so many milliseconds */
  wait?: (ms: number) => Promise<void>
  /** the algorithm itself; tests count its rounds */
  bcrypt?: { hash: (text: string, options: { cost: number }) => Promise<string>; verify: (text: string, stored: string) => Promise<boolean> }
}

// a household or an office opens that many accounts; an administrator, or a program that imports users
const NEW_PASSWORDS = { windowMs: 600_000, stranger: 60, signed_in: 1_200, device: 60 }

const BCRYPT = { hash: (text: string, options: { cost: number }) => bcryptHash(text, options), verify: (text: string, stored: string) => bcryptVerify(text, stored) }

interface Kept {
  pepperId: string | undefined
  bcryptHash: string
  cost: number
}

/** A stored hash taken apart; null for another scheme. */
function keptOf(stored: string): Kept | null {
  const [, pepperId, bcryptHash, digits] = KEPT.exec(stored) ?? []
  const cost = Number(digits ?? Number.NaN)
  return bcryptHash !== undefined && cost >= 4 && cost <= MOST_COST ? { pepperId, bcryptHash, cost } : null
}

/** The name of a secret's pepper, in the hashes that were made with it. */
export function pepperIdOf(secrets: Secrets): string {
  return secrets.derive('password-pepper-id').toString('hex', 0, 4)
}

/** Well-formed, and no password's: bcrypt works through it like through any other. */
function nobodyAt(cost: number): string {
  return `${genSaltSync({ cost })}${'.'.repeat(31)}`
}

export function createPasswordHasher({ secrets, cost, queue, limits, clock, wait = sleep, bcrypt = BCRYPT }: PasswordHasherOptions): PasswordHasher {
  const peppers = [secrets, ...(secrets.previous ? [secrets.previous] : [])].map((one) => ({ id: pepperIdOf(one), key: one.derive('password') }))
  const [newest = { id: '', key: secrets.derive('password') }] = peppers
  const nobodies = new Map<number, string>()
  const foreign = createForeignChecker()
  const ratios = createWorkRatios()
  const floor = createRefusalFloor()
  // our own hashes take what they take to the round: nothing is to be waited for
  let isMixed = false
  let dearest = 2 ** cost

  const peppered = (password: string, { key } = newest): string => createHmac('sha256', key).update(preparePassword(password)).digest('base64')
  /** With which peppers it may have been made: one, as a rule. */
  const peppersOf = ({ pepperId }: Kept): typeof peppers => (pepperId === undefined ? peppers : peppers.filter(({ id }) => id === pepperId))

  function nobody(at: number): string {
    const known = nobodies.get(at) ?? nobodyAt(at)
    nobodies.set(at, known)
    return known
  }

  /** That many rounds of bcrypt, to the sixteen: one hash for each power of two in them. How many it were. */
  async function spend(text: string, rounds: number): Promise<number> {
    const whole = Math.max(0, Math.min(MOST_WORK, Math.round(rounds / 16) * 16))
    for (let at = 4; at <= MOST_COST; at += 1) if (Math.floor(whole / 2 ** at) % 2 === 1) await bcrypt.verify(text, nobody(at))
    return whole
  }

  /** The hash of another system in a stored string; null: it is none, or cannot be read under the secrets that are known. */
  function sealedOf(stored: string): ReadHash | null {
    const [, work, sealed] = SEALED.exec(stored) ?? []
    if (work === undefined || sealed === undefined) return null
    try {
      const read = readForeign(JSON.parse(secrets.decrypt(SEALED_FOR, work, Buffer.from(sealed, 'base64url'))) as GivenHash)
      return 'mistake' in read ? null : read
    } catch {
      // of a secret that is gone, or changed by hand: nobody's password, and it must cost the same
      return null
    }
  }

  async function isForeign(password: string, text: string, read: ReadHash): Promise<boolean> {
    const startedMs = clock.monotonic()
    if (await foreign.check(password, read)) return true
    const checkedMs = clock.monotonic()
    const work = ratios.workOf(read)
    hasher.noteWork(work)
    const rounds = await spend(text, dearest - work)
    ratios.learn(read, checkedMs - startedMs, rounds, clock.monotonic() - checkedMs)
    return false
  }

  async function isOurs(password: string, text: string, kept: Kept, pepper: (typeof peppers)[number]): Promise<boolean> {
    if (await bcrypt.verify(peppered(password, pepper), kept.bcryptHash)) return true
    await spend(text, dearest - 2 ** kept.cost)
    return false
  }

  async function pay({ lane, names: [asking] }: HashOrigin): Promise<void> {
    const charge = { key: `new-password:{${asking?.name ?? ''}}`, quota: NEW_PASSWORDS[lane], windowMs: NEW_PASSWORDS.windowMs, cost: 1 }
    const { allowed, retryAfterMs } = await limits.take([charge])
    if (!allowed) throw problem('rate.limited', { retryAfterSeconds: Math.max(1, Math.ceil(retryAfterMs / 1000)) })
  }

  async function make(password: string, origin: HashOrigin): Promise<string> {
    const text = peppered(password)
    return `${SCHEME}${newest.id}${await queue.run(origin, () => bcrypt.hash(text, { cost }))}`
  }

  const hasher: PasswordHasher = {
    async hash(password, origin) {
      await pay(origin)
      return make(password, origin)
    },
    async renew(password, origin) {
      const made = await make(password, origin)
      queue.forgive(origin)
      return made
    },
    async verify(password, stored, origin) {
      const text = peppered(password)
      const kept = stored === null ? null : keptOf(stored)
      const sealed = stored === null || kept !== null ? null : sealedOf(stored)
      const tries = [
        ...(kept === null ? [] : peppersOf(kept).map((pepper) => () => isOurs(password, text, kept, pepper))),
        ...(sealed === null ? [] : [() => isForeign(password, text, sealed)]),
      ]
      if (kept !== null) hasher.noteWork(2 ** kept.cost)
      isMixed ||= sealed !== null
      const tookMs = await queue.run(origin, async () => {
        const startedMs = clock.monotonic()
        for (const attempt of tries) if (await attempt()) return null
        // a wrong password takes as long whichever peppers its hash may have
        for (let at = tries.length; at < peppers.length; at += 1) await spend(text, dearest)
        return clock.monotonic() - startedMs
      })
      if (tookMs === null) queue.forgive(origin)
      else {
        // when its turn in the queue is over: nobody waits for it but who was wrong
        const restMs = floor.restOf(tookMs)
        if (isMixed && restMs > 0) await wait(Math.ceil(restMs))
      }
      return tookMs === null
    },
    isOutdated(stored, password) {
      const kept = keptOf(stored)
      if (kept === null) {
        const sealed = sealedOf(stored)
        return sealed === null || isWholly(password, sealed.hash)
      }
      if (kept.cost !== cost) return true
      return kept.pepperId === undefined ? peppers.length > 1 : kept.pepperId !== newest.id
    },
    takeOver(given) {
      const read = readForeign(given)
      if ('mistake' in read) throw problem('request.invalid', { errors: [{ path: '/passwordHash', message: read.mistake }] })
      isMixed = true
      const work = String(Math.ceil(read.work))
      return `sealed1$${newest.id}$${work}$${secrets.encrypt(SEALED_FOR, work, JSON.stringify(given)).toString('base64url')}`
    },
    noteWork(rounds) {
      if (rounds > dearest && rounds <= MOST_WORK) dearest = rounds
    },
  }
  return hasher
}
