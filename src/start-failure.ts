// Why the program did not start, in the one line its operator needs. Faults of our own have none: they keep their stack.
import type { Config } from './config.js'
import { EmbeddedPostgresError } from './database/embedded-postgres-error.js'
import { isDatabaseUnavailable } from './database/failures.js'
import { MigrationError } from './database/migrate.js'
import { DatabaseUrlError } from './database/open.js'
import { isProblem } from './kernel/errors.js'
import { WrongSecretError } from './tokens/index.js'

/** The inside listener could not be opened; `cause` says why. */
export class InsideListenError extends Error {}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined
}

// no such address here, no such name, a family that is switched off, a link-local address without its zone
const NO_ADDRESS = new Set<unknown>(['EADDRNOTAVAIL', 'ENOTFOUND', 'EAI_AGAIN', 'EAFNOSUPPORT', 'EINVAL'])
const INSUFFICIENT_PRIVILEGE = '42501'

function insideLine(code: unknown, inside: Config['inside']): string | null {
  if ('path' in inside) {
    if (code === 'EADDRINUSE') return 'INSIDE_SOCKET is in use, or a file that is no socket'
    if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS') return 'INSIDE_SOCKET may not be made there by this user'
    return code === 'ENOENT' || code === 'ENOTDIR' ? 'INSIDE_SOCKET is in a folder that does not exist' : null
  }
  if (code === 'EADDRINUSE') return `INSIDE_PORT ${inside.port} is in use on ${inside.host}: a second node on one machine needs another`
  if (code === 'EACCES') return `INSIDE_PORT ${inside.port} may not be used by this user`
  return NO_ADDRESS.has(code) ? `INSIDE_HOST ${inside.host} is not an address of this machine` : null
}

/** The line to print before exit 1, naming the variable to mend where there is one; null for an unexpected error. */
export function exitLineOf(error: unknown, config: Config): string | null {
  if (error instanceof EmbeddedPostgresError) return error.exitLine
  if (error instanceof WrongSecretError) return error.message
  if (error instanceof DatabaseUrlError || error instanceof MigrationError) return error.message.replaceAll(/\s*\n\s*/g, ' ')
  if (isProblem(error, 'password.weak')) return `GATEHOUSE_ADMIN_PASSWORD is too easy to guess${error.detail === undefined ? '' : `: ${error.detail}`}`
  if (isProblem(error, 'request.invalid')) return 'GATEHOUSE_ADMIN_EMAIL is not an e-mail address'
  if (error instanceof InsideListenError) return insideLine(codeOf(error.cause), config.inside)
  const code = codeOf(error)
  if (code === 'EADDRINUSE') return `PORT ${config.port} is in use on ${config.host}`
  if (code === 'EACCES') return `PORT ${config.port} may not be used by this user`
  const isListening = error instanceof Error && 'syscall' in error && ['listen', 'bind', 'getaddrinfo'].includes(String(error.syscall))
  if (NO_ADDRESS.has(code) && (isListening || code === 'EADDRNOTAVAIL')) return `HOST ${config.host} is not an address of this machine`
  if (code === INSUFFICIENT_PRIVILEGE && error instanceof Error) return `DATABASE_URL names a user who may not make Gatehouse's tables: ${error.message.replaceAll(/\s*\n\s*/g, ' ')}`
  return isDatabaseUnavailable(error) ? 'The database broke off during the start: see that it runs and takes writes, and start again' : null
}
