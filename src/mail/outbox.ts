// Where mails go while there is no mail server: the last of them, in memory, for whoever develops on this machine.
import { isLoopbackHost } from '../kernel/address.js'
import type { Letter } from './smtp.js'

export interface OutboxLetter {
  id: string
  kind: string
  to: string
  at: string
  subject: string
  text: string
  html: string
}

export interface Outbox {
  /**
   * May it be read at all? Not on an installation that is meant for others: beside a database server or a mail server, or under a public name.
   */
  isOpen: () => boolean
  /** the newest first */
  list: () => readonly OutboxLetter[]
  put: (id: string, kind: string, letter: Letter) => void
}

const MOST = 50

export interface OutboxNeeds {
  config: { databaseUrl: string | null; smtpUrl: string | null }
  publicOrigin: () => string
}

export function createOutbox({ config, publicOrigin }: OutboxNeeds): Outbox {
  const letters: OutboxLetter[] = []
  return {
    isOpen: () => config.databaseUrl === null && config.smtpUrl === null && isLoopbackHost(new URL(publicOrigin()).hostname),
    list: () => letters,
    put(id, kind, { to, date, subject, text, html }) {
      letters.unshift({ id, kind, to, at: date.toISOString(), subject, text, html })
      letters.length = Math.min(letters.length, MOST)
    },
  }
}
