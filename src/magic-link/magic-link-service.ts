// Signing in by a mail: by the link in it, in the browser that asked and in no other, or by the code in it, typed where it was asked for. What is
// answered to who asks is the same for every address, and so is what a guess meets: an address without an account has a row as well, whose code
// was sent to nobody. So nothing that is answered, written or waited for says who has an account.
import { randomBytes } from 'node:crypto'
import type { MailProofs, MfaRequired, Open, OpenCookie, OpenedCookie, OpenedTokens, OpenToken, SignIns } from '../accounts/index.js'
import { emailSpellings } from '../accounts/index.js'
import type { AuditStore } from '../audit/index.js'
import type { Transact, Tx } from '../database/transaction.js'
import { isProblem, problem } from '../kernel/errors.js'
import { newId } from '../kernel/ids.js'
import type { Caller } from '../kernel/principal.js'
import { sha256 } from '../kernel/secrets.js'
import type { MailService } from '../mail/index.js'
import type { MailedLink, MailedLinkService } from '../mailed-links/index.js'
import type { QueueService } from '../queue/index.js'

/** By the link of the mail, or by its code and the id that the one who asked was given. */
export type MagicProof = { token: string } | { id: string; code: string }

export interface MagicSignIn {
  proof: MagicProof
  /** the 32 bytes of the browser that asked, or what the program that asked was answered */
  binding: Buffer | string
  deviceToken?: string | undefined
}

export interface AskedMail {
  id: string
  /** seconds that the mail is good for */
  expiresIn: number
}

export interface MagicLinkService {
  /** Throws magic_link.off where it is not switched on. */
  requireOn: () => void
  /** Asks for a mail, in a browser. Answers the id that a code is entered with, for every address alike. Throws request.invalid for what is no address. */
  ask: (caller: Caller, input: { email: string; browser: Buffer; deviceToken?: string | undefined }) => Promise<AskedMail>
  /** The same for a program, which is to keep the binding. */
  askUnbound: (caller: Caller, input: { email: string; deviceToken?: string | undefined }) => Promise<AskedMail & { binding: string }>
  /** What the link of a mail is good for in this browser; uses nothing up. `elsewhere`: another one asked for it. */
  look: (token: string, binding: Buffer | null) => Promise<{ email: string } | 'elsewhere' | null>
  /** Signs in, once; a second factor is asked for still. Throws magic_link.invalid, session.cap_reached. */
  take: {
    (caller: Caller, input: MagicSignIn & { open: OpenToken }): Promise<OpenedTokens | MfaRequired>
    (caller: Caller, input: MagicSignIn & { open: OpenCookie }): Promise<OpenedCookie | MfaRequired>
  }
}

export interface MagicLinkDependencies {
  config: { magicLink: boolean }
  queue: QueueService
  mailedLinks: MailedLinkService
  mailProofs: MailProofs
  mail: MailService
  signIns: SignIns
  audit: AuditStore
  transact: Transact
}

interface Asked {
  id: string
  spellings: [string, ...string[]]
  /** base64 */
  binding: string
  deviceToken?: string
  caller: Omit<Caller, 'principal'>
}

const KIND = 'magic.link'
const QUEUE = 'magic_link'
// as long as ASVS 6.5.5 allows
const LIFE_MINUTES = 10
// a stranger who asks in the owner's name sends mails, and has five guesses at each of their codes
const STRANGERS_AN_HOUR = 3
// a device that the owner has signed in from is no stranger
const DEVICE_AN_HOUR = 5

export function createMagicLinkService({ config, queue, mailedLinks, mailProofs, mail, signIns, audit, transact }: MagicLinkDependencies): MagicLinkService {
  async function answer(tx: Tx, { id, spellings, binding, deviceToken, caller }: Asked): Promise<void> {
    const account = await mailProofs.find(tx, spellings)
    const recognised = account && (await signIns.recognise(account.id, deviceToken))
    const device = recognised?.by === 'device' ? recognised.id : undefined
    const link = await mailedLinks.give(tx, {
      kind: KIND, id, email: account?.email ?? spellings.at(-1) ?? spellings[0], ...(account ? { userId: account.id } : {}), binding: Buffer.from(binding, 'base64'), hasCode: true,
      lifeMs: LIFE_MINUTES * 60_000, mostAnHour: device === undefined ? STRANGERS_AN_HOUR : DEVICE_AN_HOUR, countedApart: device,
    })
    if (!account || !link) return
    await mail.send(tx, { kind: KIND, to: account.email, locale: account.locale, facts: { code: link.code, minutes: LIFE_MINUTES, path: `/ui/magic-link?token=${link.token}` } })
    await audit.record(tx, { ...caller, principal: null }, { action: 'magic_link.asked', targetType: 'user', targetId: account.id })
  }

  queue.workOn({ queue: QUEUE, atOnce: 2, inside: (tx, { payload }) => answer(tx, payload as Asked) })

  function requireOn(): void {
    if (!config.magicLink) throw problem('magic_link.off')
  }

  function find(proof: MagicProof, binding: Buffer): Promise<MailedLink | null> {
    return 'token' in proof ? mailedLinks.find(KIND, proof.token, binding) : mailedLinks.guess(KIND, proof.id, proof.code.replaceAll(/\D/g, ''), binding)
  }

  async function ask({ address, userAgent, requestId }: Caller, { email, binding, deviceToken }: { email: string; binding: Buffer; deviceToken?: string | undefined }): Promise<AskedMail> {
    requireOn()
    const id = newId()
    const payload: Asked = { id, spellings: emailSpellings(email), binding: binding.toString('base64'), ...(deviceToken === undefined ? {} : { deviceToken }), caller: { address, userAgent, requestId } }
    await transact(async (tx) => void (await queue.promise(tx, { queue: QUEUE, payload })))
    return { id, expiresIn: LIFE_MINUTES * 60 }
  }

  async function take(caller: Caller, { proof, binding: given, deviceToken, open }: MagicSignIn & { open: Open }): Promise<OpenedTokens | OpenedCookie | MfaRequired> {
    requireOn()
    const binding = typeof given === 'string' ? sha256(given) : given
    const found = await find(proof, binding)
    const userId = found?.userId
    if (!found || !userId) throw problem('magic_link.invalid')
    try {
      return await signIns.complete(caller, {
        userId, amr: ['otp'], deviceToken, open,
        async within(tx) {
          const link = 'token' in proof ? await mailedLinks.take(tx, KIND, proof.token, binding) : await mailedLinks.takeById(tx, found.id)
          return link !== null && mailProofs.prove(tx, caller, userId, link.email)
        },
      })
    } catch (error) {
      // used by whoever was first, or the account is not an active person's any more
      if (isProblem(error, 'credentials.invalid')) throw problem('magic_link.invalid')
      throw error
    }
  }

  return {
    requireOn,
    ask: (caller, { browser, ...input }) => ask(caller, { ...input, binding: browser }),
    async askUnbound(caller, input) {
      const binding = `gb_${randomBytes(32).toString('base64url')}`
      return { ...(await ask(caller, { ...input, binding: sha256(binding) })), binding }
    },
    async look(token, binding) {
      const link = binding && (await mailedLinks.find(KIND, token, binding))
      if (link) return link.userId === null ? null : { email: link.email }
      return (await mailedLinks.isUnused(KIND, token)) ? 'elsewhere' : null
    },
    take: take as MagicLinkService['take'],
  }
}
