// Where mails go while there is no mail server: the last of them, in memory, for whoever develops on this machine.
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
  /** the newest first */
  list: () => readonly OutboxLetter[]
  put: (id: string, kind: string, letter: Letter) => void
}

const MOST = 50

export function createOutbox(): Outbox {
  const letters: OutboxLetter[] = []
  return {
    list: () => letters,
    put(id, kind, { to, date, subject, text, html }) {
      letters.unshift({ id, kind, to, at: date.toISOString(), subject, text, html })
      letters.length = Math.min(letters.length, MOST)
    },
  }
}
