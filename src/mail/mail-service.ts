// Sends what was promised: written when it is sent, in the reader's language, from the public origin of that moment.
import type { Tx } from '../database/transaction.js'
import type { QueueService } from '../queue/index.js'
import type { Mail, Notice } from './messages.js'
import type { Outbox } from './outbox.js'
import type { MailOverrides } from './rendering.js'
import type { Letter, Transport } from './smtp.js'

const QUEUE = 'mail'
const AT_ONCE = 5

export interface MailService {
  /** Promises a mail in the transaction of what it tells of: sent if and only if that commits, at least once, with the same Message-ID at each try. */
  send: (tx: Tx, mail: Mail) => Promise<void>
  /** The same to the address that a user has as the transaction sees it, in their language; nothing to a user who has none. */
  tell: (tx: Tx, userId: string, notice: Notice) => Promise<void>
}

export interface MailServiceDependencies {
  queue: QueueService
  /** null: there is no mail server */
  transport: Transport | null
  outbox: Outbox
  overrides: MailOverrides
  config: { mailFrom: string | null; uiLocale: string }
  publicOrigin: () => string
  log: { info: (details: object, message: string) => void; warn: (details: object, message: string) => void }
  /** prints for a person who looks; null where none does */
  print: ((text: string) => void) | null
}

export function createMailService({ queue, transport, outbox, overrides, config, publicOrigin, log, print }: MailServiceDependencies): MailService {
  async function letterOf(id: string, mail: Mail, date: Date): Promise<Letter> {
    const origin = publicOrigin()
    const { hostname } = new URL(origin)
    // templates are loaded with the first mail
    const { renderMail } = await import('./rendering.js')
    const wishes = [mail.locale, config.uiLocale].filter((tag) => tag !== null && tag !== undefined)
    const rendered = renderMail(mail, { overrides, origin, wishes, warn: (message) => log.warn({}, message) })
    return { ...rendered, from: config.mailFrom ?? `no-reply@${hostname}`, to: mail.to, messageId: `<${id}@${hostname}>`, date }
  }

  /** Without a mail server: what it is, and for a person at a terminal what it says. A log is read by too many to hold a link that opens an account. */
  function keep(id: string, kind: string, letter: Letter): void {
    outbox.put(id, kind, letter)
    log.info({ mail: id, kind }, 'a mail was not sent: SMTP_URL is not set')
    print?.(`\nMail to ${letter.to}: ${letter.subject}\n${letter.text}\n`)
  }

  queue.workOn({
    queue: QUEUE, atOnce: AT_ONCE,
    async outside({ id, payload, createdAt }) {
      const mail = payload as Mail
      const letter = await letterOf(id, mail, createdAt)
      if (transport) await transport.send(letter)
      else keep(id, mail.kind, letter)
    },
  })

  async function send(tx: Tx, mail: Mail): Promise<void> {
    await queue.promise(tx, { queue: QUEUE, payload: mail, about: { kind: mail.kind, to: mail.to } })
  }

  return {
    send,
    async tell(tx, userId, notice) {
      const user = await tx.user.findUnique({ where: { id: userId }, select: { email: true, locale: true } })
      // .invalid stands where there is no address (RFC 2606)
      if (user && !user.email.endsWith('.invalid')) await send(tx, { ...notice, to: user.email, locale: user.locale })
    },
  }
}
