// Why Redis does not serve, in a fixed phrase for an operator. An error's own words stay out: a server that does not know AUTH
// repeats the password in its answer, and a client's error carries the command that failed with its arguments.
import type { Redis } from 'ioredis'

const SILENT = 'does not answer'
const BROKEN = 'breaks the connection off'
const CLOSED = 'closes the connection at once: it may want rediss:// instead of redis://'
const ECHOES = 4
const BY_CODE: Record<string, string> = {
  ECONNREFUSED: 'refuses the connection', ENOTFOUND: 'its host is not known', EAI_AGAIN: 'its host is not known', EHOSTUNREACH: 'its host cannot be reached', ENETUNREACH: 'its host cannot be reached',
  ETIMEDOUT: SILENT, ECONNRESET: BROKEN, EPIPE: BROKEN,
  ERR_SSL_WRONG_VERSION_NUMBER: 'speaks no TLS: redis:// instead of rediss://', ERR_SSL_PACKET_LENGTH_TOO_LONG: 'speaks no TLS: redis:// instead of rediss://', EPROTO: 'speaks no TLS that fits',
  ERR_TLS_CERT_ALTNAME_INVALID: 'its certificate is for another name', CERT_HAS_EXPIRED: 'its certificate has expired',
}
const CERTIFICATE = /^(DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_|CERT_|INVALID_CA|INVALID_PURPOSE)/

const BY_WORDS: [RegExp, string][] = [
  [/\bWRONGPASS\b|invalid password|invalid username-password/i, 'the user or the password is wrong'],
  [/\bNOAUTH\b/, 'wants a password'],
  [/without any password configured|no password is set/i, 'has no password, and one is given'],
  [/\bNOPERM\b|ACL failure|The user executing the script can't/, 'this user may not do what Gatehouse does'],
  [/DB index|SELECT is not allowed/i, 'has no database of that number'],
  [/wrong version number|packet length too long|disconnected before secure TLS/i, 'speaks no TLS: redis:// instead of rediss://'],
  [/\bOOM\b/, 'has no memory left'], [/\bREADONLY\b/, 'is a read-only replica'], [/\bMISCONF\b/, 'cannot save, and takes no writes'], [/\bLOADING\b/, 'is loading its data'],
  [/\bMASTERDOWN\b/, 'has lost its master'], [/\bCLUSTERDOWN\b/, 'its cluster is down'], [/^(ASK|TRYAGAIN)\b/, 'its cluster moves the slot'], [/^MOVED|cluster mode/i, 'is a cluster: redis+cluster:// instead of redis://'],
  [/max number of clients/i, 'takes no more clients'], [/Protocol error|reply type|RESP type/i, 'does not speak its protocol: rediss:// instead of redis://, or another server'],
  [/unknown command/i, 'lacks a command that Gatehouse needs'], [/timed out|timeout/i, SILENT],
]

/** What is wrong, for people: never a value, a host or what a server said. */
export function failureReason(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return failureReason(error.errors[0])
  if (!(error instanceof Error)) return SILENT
  const code = 'code' in error && typeof error.code === 'string' ? error.code : ''
  const known = BY_CODE[code] ?? BY_WORDS.find(([words]) => words.test(error.message))?.[1]
  if (known !== undefined) return known
  if (CERTIFICATE.test(code)) return 'its certificate is not trusted'
  return /^[A-Z]{2,20}\b/.exec(error.message)?.[0] ?? SILENT
}

const NO_SENTINEL = /^All sentinels are unreachable/

/** What one sentinel ran into: its client puts the words into a sentence with the address, and keeps none of a connection that never was. */
function sentinelReason({ message }: Error): string {
  if (/got an invalid reply|No such master/.test(message)) return 'its sentinels know no master of that name'
  return `of a sentinel: ${message.endsWith('Connection is closed.') ? 'cannot be reached' : failureReason(new Error(message.replace(/^.* because /s, '')))}`
}

function isSelect(error: unknown): boolean {
  const command = (error as { command?: { name?: unknown } } | null)?.command
  return command?.name === 'select'
}

/**
 * Follows a client's attempts to connect; the function says why the last one failed, null once it is connected. A connection whose
 * database could not be selected is cut: the client would go on with database 0, which is somebody else's.
 */
export function watchFailures(client: Redis): () => string | null {
  let reason: string | null = null
  let isOpening = false
  let ofSentinel = 'of a sentinel: cannot be reached'
  let vague = 0
  const isTls = client.options.tls !== undefined
  const note = (phrase: string): void => {
    // a Redis without TLS waits for the end of what it takes for a command
    const next = phrase === SILENT && isTls ? 'does not answer in TLS: it may want redis:// instead of rediss://' : phrase
    // what has been said clearly is not replaced by the echo of a connection that was cut for it
    vague = phrase === SILENT ? vague + 1 : 0
    if (reason === null || vague === 0 || vague >= ECHOES) reason = next
  }
  client.on('connect', () => {
    isOpening = true
  })
  client.on('ready', () => {
    isOpening = false
    reason = null
    vague = 0
  })
  client.on('sentinelError', (error: Error) => void (ofSentinel = sentinelReason(error)))
  client.on('error', (error: unknown) => {
    // one that is away is nothing: the others know the master as well
    if (error instanceof Error && NO_SENTINEL.test(error.message)) return note(ofSentinel)
    const phrase = failureReason(error)
    note(isOpening && phrase === BROKEN ? CLOSED : phrase)
    isOpening = false
    if (isSelect(error)) client.disconnect(true)
  })
  client.on('close', () => {
    if (isOpening) note(CLOSED)
    isOpening = false
  })
  return () => (client.status === 'ready' ? null : reason)
}
