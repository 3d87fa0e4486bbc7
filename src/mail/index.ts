// Mail: promised with the change that it tells of, sent behind it by SMTP, in the language of whoever reads it. Without a mail server it is
// kept in memory and told to whoever develops; nothing that it says reaches a log.
import type { QueueService } from '../queue/index.js'
import { createMailService, type MailService } from './mail-service.js'
import { readMailFolder } from './mail-folder.js'
import { createOutbox, type Outbox } from './outbox.js'
import { createSmtp } from './smtp.js'

export type { MailService } from './mail-service.js'
export type { Mail, MailFacts, Notice } from './messages.js'
export type { Outbox, OutboxLetter } from './outbox.js'
export type { MailKind } from './texts-en.js'

export interface MailNeeds {
  queue: QueueService
  config: { databaseUrl: string | null; smtpUrl: string | null; mailFrom: string | null; mailDir: string | null; uiLocale: string }
  publicOrigin: () => string
  log: { info: (details: object, message: string) => void; warn: (details: object, message: string) => void }
  print: ((text: string) => void) | null
}

export interface MailFeature {
  mail: MailService
  outbox: Outbox
  /** Warns when the mail server would not take a letter; for the start, which does not wait for it. */
  check: () => Promise<void>
  close: () => Promise<void>
}

export function createMail({ config, log, ...all }: MailNeeds): MailFeature {
  const transport = config.smtpUrl === null ? null : createSmtp(config.smtpUrl)
  const outbox = createOutbox({ config, publicOrigin: all.publicOrigin })
  const overrides = readMailFolder(config.mailDir, (message) => log.warn({ folder: config.mailDir }, message))
  return {
    mail: createMailService({ ...all, config, log, transport, outbox, overrides }),
    outbox,
    async check() {
      try {
        await transport?.check()
      } catch (error) {
        // its own words may hold the user's name and the server's answer, never the password
        log.warn({ reason: error instanceof Error ? error.message.slice(0, 300) : 'unknown' }, 'SMTP_URL: the mail server would not take a letter; mails wait and are tried again')
      }
    },
    close: async () => transport?.close(),
  }
}
