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

// hmac1$ID$2b$...: the ID names the pepper. Without one it was made before peppers had names: any that is known may be its own
const SCHEME = 'hmac1$'
// a row that somebody wrote by hand must not make every sign-in take minutes
const MOST_COST = 16
const KEPT = /^hmac1\$([0-9a-f]{8})?(\$2[aby]\$(\d\d)\$.*)$/

export interface PasswordHasher {
  /** The string to store. Throws rate.limited when the origin's budget for new passwords is used up, server.busy when too many wait. */
  hash: (password: string, origin: HashOrigin) => Promise<string>
  /** The same string with today's cost, for a password that has just been right: no price. Throws server.busy. */
  renew: (password: string, origin: HashOrigin) => Promise<string>
  /** Is it the password? With null (no such account, or one without a password) the same work is done and the answer is no. Throws server.busy. */
  verify: (password: string, stored: string | null, origin: HashOrigin) => Promise<boolean>
  /** Was it made with another cost than today's, or another pepper? */
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

export function createPasswordHasher({ secrets, cost, queue, limits, bcrypt = BCRYPT }: PasswordHasherOptions): PasswordHasher {
  const peppers = [secrets, ...(secrets.previous ? [secrets.previous] : [])].map((one) => ({ id: pepperIdOf(one), key: one.derive('password') }))
  const [newest = { id: '', key: secrets.derive('password') }] = peppers
  const nobodies = new Map<number, string>()
  let dearest = cost

  const peppered = (password: string, { key } = newest): string => createHmac('sha256', key).update(preparePassword(password)).digest('base64')
  /** With which peppers it may have been made: one, as a rule. */
  const peppersOf = ({ pepperId }: Kept): typeof peppers => (pepperId === undefined ? peppers : peppers.filter(({ id }) => id === pepperId))

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
      const tried = kept === null ? [] : peppersOf(kept)
      if (kept !== null) hasher.noteCost(kept.cost)
      const right = await queue.run(origin, async () => {
        for (const pepper of tried) {
          if (await bcrypt.verify(peppered(password, pepper), kept?.bcryptHash ?? '')) return true
          await workUpTo(text, kept?.cost ?? dearest)
        }
        // a wrong password takes as long whichever peppers its hash may have
        for (let at = tried.length; at < peppers.length; at += 1) await bcrypt.verify(text, nobody(dearest))
        return false
      })
      if (right) queue.forgive(origin)
      return right
    },
    isOutdated(stored) {
      const kept = keptOf(stored)
      if (kept === null || kept.cost !== cost) return true
      return kept.pepperId === undefined ? peppers.length > 1 : kept.pepperId !== newest.id
    },
    noteCost(used) {
      if (used > dearest && used <= MOST_COST) dearest = used
    },
  }
  return hasher
}
