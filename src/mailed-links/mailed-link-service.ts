// Makes mailed links and says of one whether it is good. A token is 32 random bytes; a code is eight digits, kept as a MAC under the installation's
// secret, for its digits alone could be tried out by whoever reads the table.
import { randomBytes, randomInt } from 'node:crypto'
import type { Tx } from '../database/transaction.js'
import type { Clock } from '../kernel/clock.js'
import { isUuid, newId } from '../kernel/ids.js'
import { type Secrets, sha256 } from '../kernel/secrets.js'
import type { LinkRow, MailedLinkStore } from './mailed-link-store.js'

/** What a link may be for: one made for one purpose serves no other. */
export type LinkKind = 'password.reset' | 'signup.confirm' | 'invitation' | 'organization.invitation' | 'email.verify' | 'email.change' | 'magic.link'

export type MailedLink = Omit<LinkRow, 'codeHash'>

export interface NewLink {
  kind: LinkKind
  /** where it was named before it was made, by `newId` */
  id?: string
  /** normalised: whom it is mailed to */
  email: string
  /** whose account it is for; it ends with a change of the account's status, e-mail or password */
  userId?: string
  details?: object
  /** 32 bytes of the browser that asked: no other may use it */
  binding?: Buffer
  hasCode?: boolean
  givenBy?: { userId: string; keyId: string | null }
  lifeMs: number
  /** of this kind to this address, whoever asked */
  mostAnHour: number
  /** whose asking is counted by itself, so that strangers cannot use its share up: a device of the account's own */
  countedApart?: string | undefined
}

export interface GivenLink {
  id: string
  /** for the mail alone */
  token: string
  /** eight digits; '' without `hasCode` */
  code: string
  expiresAt: Date
}

export interface MailedLinkService {
  /** Makes one. Null: so many went to the address that no more do for now; one of them is still good, where they are not bound to a browser. */
  give: (tx: Tx, link: NewLink) => Promise<GivenLink | null>
  /** The link of a token when it could be used now, without using it up: for the page that it opens. */
  find: (kind: LinkKind, token: string, binding?: Buffer) => Promise<MailedLink | null>
  /** Uses it up in this transaction; null for whoever comes second and for one that is no good. */
  take: (tx: Tx, kind: LinkKind, token: string, binding?: Buffer) => Promise<MailedLink | null>
  /**
   * A guess at the code of a link, by its id, for who was never mailed its token: one of five is used up whatever it is. The link when the code is
   * right, to be used up by `takeById`; null otherwise. Never in another transaction: the try must outlive its failure.
   */
  guess: (kind: LinkKind, id: string, code: string, binding: Buffer) => Promise<MailedLink | null>
  takeById: (tx: Tx, id: string) => Promise<MailedLink | null>
  /** How many of a kind were made for an account, or an address, in the last hour, used or not. */
  countOf: (tx: Tx, kind: LinkKind, of: { userId: string } | { email: string }) => Promise<number>
  /** How many of a kind that somebody has given could still be used. */
  countLive: (tx: Tx, kind: LinkKind, givenBy: string) => Promise<number>
  /** Could the link of a token be used now by whichever browser asked for it? For the page that says so to another one. */
  isUnused: (kind: LinkKind, token: string) => Promise<boolean>
  /** Voids the unused ones of a kind, of an account or an address. */
  void: (tx: Tx, kind: LinkKind, of: { userId: string } | { email: string }) => Promise<number>
}

const FORM = /^gl_[\w-]{43}$/
const PURPOSE = 'mailed code'
const HOUR_MS = 3_600_000
const MOST_TRIES = 5

const hashOf = (token: string): Buffer | null => (FORM.test(token) ? sha256(token) : null)
const bound = (binding: Buffer | undefined): Buffer | null => (binding === undefined ? null : sha256(binding.toString('base64url')))

function shown(row: LinkRow | null): MailedLink | null {
  if (!row) return null
  const { codeHash: _, ...link } = row
  return link
}

export function createMailedLinkService({ store, clock, secrets }: { store: MailedLinkStore; clock: Clock; secrets: Secrets }): MailedLinkService {
  const now = (): Date => new Date(clock.now())

  return {
    async give(tx, { kind, id = newId(), email, userId, details = {}, binding, hasCode = false, givenBy, lifeMs, mostAnHour, countedApart }) {
      const token = `gl_${randomBytes(32).toString('base64url')}`
      const code = hasCode ? String(randomInt(100_000_000)).padStart(8, '0') : ''
      const createdAt = now()
      const expiresAt = new Date(createdAt.getTime() + lifeMs)
      const isKept = await store.insert(tx, {
        id, kind, email, userId: userId ?? null, details: countedApart === undefined ? details : { ...details, countedApart }, tokenHash: sha256(token), codeHash: hasCode ? secrets.mac(PURPOSE, `${id} ${code}`) : null, bindingHash: bound(binding),
        givenBy: givenBy?.userId ?? null, givenWithKey: givenBy?.keyId ?? null, createdAt, expiresAt,
      }, { most: mostAnHour, since: new Date(createdAt.getTime() - HOUR_MS), countedApart: countedApart ?? null })
      return isKept ? { id, token, code, expiresAt } : null
    },
    async find(kind, token, binding) {
      const hash = hashOf(token)
      return hash && shown(await store.find(kind, hash, bound(binding), now()))
    },
    async take(tx, kind, token, binding) {
      const hash = hashOf(token)
      return hash && shown(await store.take(tx, kind, hash, bound(binding), now()))
    },
    async guess(kind, id, code, binding) {
      const row = isUuid(id) ? await store.takeTry(kind, id, bound(binding), now(), MOST_TRIES) : null
      return row?.codeHash && secrets.isMac(PURPOSE, `${row.id} ${code}`, row.codeHash) ? shown(row) : null
    },
    async isUnused(kind, token) {
      const hash = hashOf(token)
      return hash !== null && store.isUnused(kind, hash, now())
    },
    takeById: async (tx, id) => shown(await store.takeById(tx, id, now())),
    countOf: (tx, kind, of) => store.countOf(tx, kind, of, new Date(clock.now() - HOUR_MS)),
    countLive: (tx, kind, givenBy) => store.countLive(tx, kind, givenBy, now()),
    void: (tx, kind, of) => store.void(tx, kind, of, now()),
  }
}
