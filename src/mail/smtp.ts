// Mail by SMTP (RFC 5321), by nodemailer, which is loaded when the first mail goes out: most nodes send none for hours.
import type { Transporter } from 'nodemailer'
import type SMTPPool from 'nodemailer/lib/smtp-pool/index.js'
import { isLoopbackHost } from '../kernel/address.js'
import { Undoable } from '../queue/index.js'
import type { Rendered } from './rendering.js'

export interface Letter extends Rendered {
  from: string
  to: string
  /** the same at every try, so that a receiver knows a repetition (RFC 5322 3.6.4) */
  messageId: string
  date: Date
}

export interface Transport {
  /** Hands a letter over. Throws Undoable where the receiver will never take it (RFC 5321 4.2.1: 550 to 559), else what is worth another try. */
  send: (letter: Letter) => Promise<void>
  /** Would a letter be taken? Throws why not. */
  check: () => Promise<void>
  close: () => void
}

const PATIENCE_MS = 10_000
const SOCKET_MS = 20_000

/** nodemailer's options for an SMTP_URL: `smtps:` speaks TLS at once (465), `smtp:` by STARTTLS (587), which is insisted on beyond this machine. */
export function smtpOptions(smtpUrl: string): SMTPPool.Options {
  const url = new URL(smtpUrl)
  const isImplicit = url.protocol === 'smtps:'
  const host = url.hostname.replace(/^\[|\]$/g, '')
  const user = decodeURIComponent(url.username)
  return {
    pool: true, maxConnections: 3, maxMessages: 100, host, port: url.port === '' ? (isImplicit ? 465 : 587) : Number(url.port),
    secure: isImplicit, // only on this machine may a password go over a line that is not encrypted
    requireTLS: !isImplicit && !isLoopbackHost(url.hostname),
    ...(user === '' ? {} : { auth: { user, pass: decodeURIComponent(url.password) } }),
    connectionTimeout: PATIENCE_MS, greetingTimeout: PATIENCE_MS, socketTimeout: SOCKET_MS, disableFileAccess: true, disableUrlAccess: true,
  }
}

function isForEver(error: unknown): boolean {
  const code = typeof error === 'object' && error !== null && 'responseCode' in error ? Number(error.responseCode) : 0
  return code >= 550 && code <= 559
}

export function createSmtp(smtpUrl: string): Transport {
  let made: Promise<Transporter<SMTPPool.SentMessageInfo>> | undefined
  const transporter = (): Promise<Transporter<SMTPPool.SentMessageInfo>> => (made ??= import('nodemailer').then(({ createTransport }) => createTransport(smtpOptions(smtpUrl))))
  return {
    async send({ messageId, ...letter }) {
      try {
        await (await transporter()).sendMail({ ...letter, messageId, headers: { 'Auto-Submitted': 'auto-generated' } })
      } catch (error) {
        throw isForEver(error) ? new Undoable('The receiver refuses it for ever', { cause: error }) : error
      }
    },
    async check() {
      await (await transporter()).verify()
    },
    close: () => void made?.then((transport) => transport.close(), () => undefined),
  }
}
