// How a password is kept and checked: bcrypt over base64(HMAC-SHA-256(pepper, password)), so that byte 73 counts (bcrypt
// reads 72) and a stolen table alone cannot be searched. Work waits its turn in the hash queue; a new password has its price,
// taken before it is hashed. A wrong password costs what the dearest hash in use costs, whatever it was compared with.
import { createHmac } from 'node:crypto'
import { genSaltSync, hash as bcryptHash, verify as bcryptVerify } from '@node-rs/bcrypt'
import { problem } from '../kernel/errors.js'
import type { Secrets } from '../kernel/secrets.js'
import type { LimitStore } from '../redis/fast.js'
import type { HashOrigin, HashQueue } from './hash-queue.js'
import { preparePassword } from './password-rules.js'

const SCHEME = 'hmac1$'
// a row that somebody wrote by hand must not make every sign-in take minutes
const MOST_COST = 16
const KEPT = /^hmac1\$\$2[aby]\$(\d\d)\$/

export interface PasswordHasher {
  /** The string to store. Throws rate.limited when the origin's budget for new passwords is used up, server.busy when too many wait. */
  hash: (password: string, origin: HashOrigin) => Promise<string>
  /** The same string with today's cost, for a password that has just been right: no price. Throws server.busy. */
  renew: (password: string, origin: HashOrigin) => Promise<string>
  /** Is it the password? With null (no such account, or one without a password) the same work is done and the answer is no. Throws server.busy. */
  verify: (password: string, stored: string | null, origin: HashOrigin) => Promise<boolean>
  /** Was it made with another cost than today's? */
  isOutdated: (stored: string) => boolean
  /** Tells of the dearest cost that is in use, so that a wrong password for a cheaper one takes as long. */
  noteCost: (cost: number) => void
}

export interface PasswordHasherOptions {
  secrets: Secrets
  /** bcrypt's work factor */
  cost: number
  queue: HashQueue
  /** counts new passwords, by who wants them */
  limits: Pick<LimitStore, 'take'>
  /** the algorithm itself; tests count its rounds */
  bcrypt?: { hash: (text: string, options: { cost: number }) => Promise<string>; verify: (text: string, stored: string) => Promise<boolean> }
}

// a household or an office opens that many accounts; an administrator, or a program that imports users
const NEW_PASSWORDS = { windowMs: 600_000, stranger: 60, signed_in: 1_200, device: 60 }

const BCRYPT = { hash: (text: string, options: { cost: number }) => bcryptHash(text, options), verify: (text: string, stored: string) => bcryptVerify(text, stored) }

/** The cost a stored hash was made with; null for another scheme. */
function costOf(stored: string): number | null {
  const cost = Number(KEPT.exec(stored)?.[1] ?? Number.NaN)
  return cost >= 4 && cost <= MOST_COST ? cost : null
}

/** Well-formed, and no password's: bcrypt works through it like through any other. */
function nobodyAt(cost: number): string {
  return `${genSaltSync({ cost })}${'.'.repeat(31)}`
}

export function createPasswordHasher({ secrets, cost, queue, limits, bcrypt = BCRYPT }: PasswordHasherOptions): PasswordHasher {
  const pepper = secrets.derive('password')
  const nobodies = new Map<number, string>()
  let dearest = cost

  const peppered = (password: string): string => createHmac('sha256', pepper).update(preparePassword(password)).digest('base64')

  function nobody(at: number): string {
    const known = nobodies.get(at) ?? nobodyAt(at)
    nobodies.set(at, known)
    return known
  }

  /** The work between a cost and the dearest in use: 2^from + ... + 2^(dearest - 1) rounds are 2^dearest - 2^from. */
  async function workUpTo(text: string, from: number): Promise<void> {
    for (let at = from; at < dearest; at += 1) await bcrypt.verify(text, nobody(at))
  }

  async function pay({ lane, names: [asking] }: HashOrigin): Promise<void> {
    const charge = { key: `new-password:{${asking?.name ?? ''}}`, quota: NEW_PASSWORDS[lane], windowMs: NEW_PASSWORDS.windowMs, cost: 1 }
    const { allowed, retryAfterMs } = await limits.take([charge])
    if (!allowed) throw problem('rate.limited', { retryAfterSeconds: Math.max(1, Math.ceil(retryAfterMs / 1000)) })
  }

  async function make(password: string, origin: HashOrigin): Promise<string> {
    const text = peppered(password)
    return `${SCHEME}${await queue.run(origin, () => bcrypt.hash(text, { cost }))}`
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
      const storedCost = stored === null ? null : costOf(stored)
      if (storedCost !== null) hasher.noteCost(storedCost)
      const known = stored !== null && storedCost !== null ? stored.slice(SCHEME.length) : null
      const right = await queue.run(origin, async () => {
        if (await bcrypt.verify(text, known ?? nobody(dearest))) return known !== null
        if (storedCost !== null) await workUpTo(text, storedCost)
        return false
      })
      if (right) queue.forgive(origin)
      return right
    },
    isOutdated: (stored) => costOf(stored) !== cost,
    noteCost(used) {
      if (used > dearest && used <= MOST_COST) dearest = used
    },
  }
  return hasher
}
