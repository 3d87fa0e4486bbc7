// A mail server of the test's own: it takes what comes, and can be told to refuse.
import { once } from 'node:events'
import { SMTPServer, type SMTPServerOptions } from 'smtp-server'
import type { Teardown } from './database.js'

export interface Received {
  to: string[]
  from: string
  /** header fields by their lower-case names, unfolded and decoded */
  headers: Record<string, string>
  /** the decoded plain-text part */
  text: string
  html: string
  raw: string
}

export interface MailServer {
  url: string
  /** each once, however often it came */
  received: Received[]
  /** answers every letter with this code until it is taken back by null */
  refuse: (code: number | null) => void
  /** the newest mail to an address whose subject matches; throws when there is none */
  last: (to: string, subject?: RegExp) => Received
}

const decoded = (word: string): string => word.replaceAll(/=\?utf-8\?q\?([^?]*)\?=\s*/gi, (_, text: string) => quotedPrintable(text.replaceAll('_', ' ')))
  .replaceAll(/=\?utf-8\?b\?([^?]*)\?=\s*/gi, (_, text: string) => Buffer.from(text, 'base64').toString('utf8'))

function quotedPrintable(text: string): string {
  const bytes = text.replaceAll(/=\r?\n/g, '').replaceAll(/=([0-9A-F]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
  return Buffer.from(bytes, 'latin1').toString('utf8')
}

function read(raw: string, to: string[], from: string): Received {
  const [head = ''] = raw.split('\r\n\r\n', 1)
  const headers = Object.fromEntries(head.replaceAll(/\r\n[ \t]+/g, ' ').split('\r\n').map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), decoded(line.slice(line.indexOf(':') + 1).trim())]))
  const part = (type: string): string => {
    const [, fields = '', body = ''] = new RegExp(`Content-Type: ${type}[^\\r]*\\r\\n((?:[^\\r]+\\r\\n)*)\\r\\n([^]*?)\\r\\n--`).exec(raw) ?? []
    if (/base64/i.test(fields)) return Buffer.from(body, 'base64').toString('utf8')
    return /quoted-printable/i.test(fields) ? quotedPrintable(body) : body
  }
  return { to, from, headers, text: part('text/plain'), html: part('text/html'), raw }
}

/** Begins one on a free port of this machine; it ends with the test. */
export async function startMailServer(t: Teardown, options: SMTPServerOptions = {}): Promise<MailServer> {
  const received: Received[] = []
  let code: number | null = null
  const server = new SMTPServer({
    authOptional: true, disabledCommands: ['STARTTLS'], logger: false, ...options,
    onData(stream, { envelope }, done) {
      const parts: Buffer[] = []
      stream.on('data', (part: Buffer) => parts.push(part))
      stream.on('end', () => {
        if (code !== null) return done(Object.assign(new Error('no'), { responseCode: code }))
        const { mailFrom, rcptTo } = envelope
        const letter = read(Buffer.concat(parts).toString('latin1'), rcptTo.map(({ address }) => address), mailFrom === false ? '' : mailFrom.address)
        // sent at least once: whoever reads their mail sees a repetition as the same one (RFC 5322 3.6.4)
        if (received.every(({ headers }) => headers['message-id'] !== letter.headers['message-id'])) received.push(letter)
        return done()
      })
    },
  })
  server.on('error', () => undefined) // a client that leaves in the middle
  server.listen(0, '127.0.0.1')
  await once(server.server, 'listening')
  const address = server.server.address()
  t.teardown(() => new Promise<void>((resolve) => server.close(resolve)))
  return {
    url: `smtp://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`,
    received,
    refuse: (next) => void (code = next),
    last(to, subject = /./) {
      const found = received.findLast((one) => one.to.includes(to) && subject.test(one.headers['subject'] ?? ''))
      if (!found) throw new Error(`No mail to ${to} about ${String(subject)}; there are: ${received.map((one) => `${one.to.join()} ${one.headers['subject']}`).join('; ')}`)
      return found
    },
  }
}
