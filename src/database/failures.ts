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
  return error instanceof Prisma.PrismaClientKnownRequestError && error.code === 'P2003'
}

const PRISMA_DOWN = new Set(['P1001', 'P1002', 'P1008', 'P1017', 'P2024', 'P2028'])
const SOCKET = new Set(['ECONNREFUSED', 'ECONNRESET', 'ENOENT', 'EPIPE', 'ETIMEDOUT', 'EHOSTUNREACH', 'ENOTFOUND', 'EAI_AGAIN'])
const MESSAGE = /Connection terminated|timeout exceeded when trying to connect|Query read timeout|Client has encountered a connection error|Unable to start a transaction|Cannot use a pool after/

// 08: no connection; 53: no room; 57: told to end; 25006: it takes no writes now, as a standby and after a failover
const SQLSTATE = /^(08|53|57|25006$)/

/** Could the database not be reached, did it break off, or does it take no writes (SQLSTATE classes 08, 53 and 57, and 25006)? The change may be retried. */
export function isDatabaseUnavailable(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  const code = 'code' in error && typeof error.code === 'string' ? error.code : ''
  if (PRISMA_DOWN.has(code) || SOCKET.has(code) || SQLSTATE.test(code) || MESSAGE.test(error.message)) return true
  if (SQLSTATE.test(adapterCause(error)?.originalCode ?? '')) return true
  // a driver's error that Prisma has not wrapped (a COMMIT, say) carries plain facts as its cause
  const cause = error.cause as { originalCode?: unknown } | null | undefined
  if (typeof cause?.originalCode === 'string' && SQLSTATE.test(cause.originalCode)) return true
  return isDatabaseUnavailable(cause)
}
