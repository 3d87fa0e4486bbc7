// What a database error means. Prisma 7 hides the constraint in meta.driverAdapterError; pg puts an SQLSTATE in `code`.
import { Prisma } from './generated/client.js'

interface AdapterCause {
  originalCode?: string
  kind?: string
  constraint?: { index?: string; fields?: string[] }
}

function adapterCause(error: unknown): AdapterCause | undefined {
  if (!(error instanceof Prisma.PrismaClientKnownRequestError)) return undefined
  const adapterError = error.meta?.['driverAdapterError'] as { cause?: AdapterCause } | undefined
  return adapterError?.cause
}

/** Was a unique constraint broken, and (when `name` is given) one whose name or columns hold that text? */
export function isUniqueViolation(error: unknown, name?: string): boolean {
  if (!(error instanceof Prisma.PrismaClientKnownRequestError) || error.code !== 'P2002') return false
  if (name === undefined) return true
  const constraint = adapterCause(error)?.constraint
  return (constraint?.index ?? constraint?.fields?.join('_') ?? '').includes(name)
}

/** Was a foreign key broken: the row pointed at is gone or never was? */
export function isForeignKeyViolation(error: unknown): boolean {
  return error instanceof Prisma.PrismaClientKnownRequestError && (error.code === 'P2003' || adapterCause(error)?.originalCode === '23503')
}

const PRISMA_DOWN = new Set(['P1001', 'P1002', 'P1008', 'P1017', 'P2024', 'P2028'])
const SOCKET = new Set(['ECONNREFUSED', 'ECONNRESET', 'ENOENT', 'EPIPE', 'ETIMEDOUT', 'EHOSTUNREACH', 'ENOTFOUND', 'EAI_AGAIN'])
const MESSAGE = /Connection terminated|timeout exceeded when trying to connect|Query read timeout|Client has encountered a connection error|Unable to start a transaction|Cannot use a pool after/

// what Prisma's driver calls a socket that broke; of a raw query (P2010) nothing else tells
const DRIVER = new Set(['DatabaseNotReachable', 'ConnectionClosed', 'SocketTimeout', 'TooManyConnections'])

// 08: no connection; 53: no room; 57: told to end; 25006: it takes no writes now, as a standby and after a failover
const SQLSTATE = /^(08|53|57|25006$)/

/** A missing file has the code of a missing socket: what was asked of it tells them apart. Prisma's error of a socket does not say. */
function isSocketError(error: Error, code: string): boolean {
  return SOCKET.has(code) && (code !== 'ENOENT' || !('syscall' in error) || error.syscall === 'connect')
}

/** Could the database not be reached, did it break off, or does it take no writes (SQLSTATE classes 08, 53 and 57, and 25006)? The change may be retried. */
export function isDatabaseUnavailable(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  const code = 'code' in error && typeof error.code === 'string' ? error.code : ''
  if (PRISMA_DOWN.has(code) || isSocketError(error, code) || SQLSTATE.test(code) || MESSAGE.test(error.message)) return true
  const { originalCode = '', kind = '' } = adapterCause(error) ?? {}
  if (SQLSTATE.test(originalCode) || DRIVER.has(kind)) return true
  // a driver's error that Prisma has not wrapped (a COMMIT, say) carries plain facts as its cause
  const cause = error.cause as { originalCode?: unknown; kind?: unknown } | null | undefined
  if (typeof cause?.originalCode === 'string' && SQLSTATE.test(cause.originalCode)) return true
  if (typeof cause?.kind === 'string' && DRIVER.has(cause.kind)) return true
  return isDatabaseUnavailable(cause)
}
