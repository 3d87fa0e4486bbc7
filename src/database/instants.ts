// Prisma's driver writes times without an offset and throws the offset away when it reads them: with a session that is not
// in UTC an instant would be shifted. Here they are written with their offset, and brought to UTC by it before Prisma looks.
import type { SqlDriverAdapter, SqlDriverAdapterFactory, SqlQuery, SqlQueryable } from '@prisma/driver-adapter-utils'
import pg from 'pg'

const TIMESTAMPTZ = 1184
const TIMESTAMPTZ_ARRAY = 1185
const INSTANT = /(\d{4,})-(\d\d)-(\d\d) (\d\d):(\d\d):(\d\d)(\.\d+)?([+-])(\d\d)(?::(\d\d))?(?::(\d\d))?( BC)?/g

/** `2031-01-01 05:45:00.5+05:45` as `2031-01-01 00:00:00.5+00`, alone or in an array. Throws for what is no ISO time with an offset. */
export function toUtcText(text: string): string {
  if (!/^[{"]*(\d{4,}-|-?infinity|NULL|\})/.test(text)) throw new TypeError('the database wrote a time in another style than ISO')
  return text.replaceAll(INSTANT, (whole, year: string, month: string, day: string, hour: string, minute: string, second: string, fraction = '', sign: string, h: string, m = '0', s = '0', bc?: string) => {
    if (bc !== undefined) return whole
    const offsetMs = (Number(h) * 3_600 + Number(m) * 60 + Number(s)) * (sign === '-' ? -1_000 : 1_000)
    if (offsetMs === 0) return `${year}-${month}-${day} ${hour}:${minute}:${second}${fraction}+00`
    const date = new Date(0)
    date.setUTCFullYear(Number(year), Number(month) - 1, Number(day)) // Date.UTC takes a year below 100 for one of the last century
    date.setUTCHours(Number(hour), Number(minute), Number(second))
    return `${new Date(date.getTime() - offsetMs).toISOString().slice(0, -5).replace('T', ' ')}${fraction}+00`
  })
}

interface Parsers {
  getTypeParser: (oid: number, format?: string) => (text: string) => unknown
}

const plain = pg.Client.prototype as unknown as { query: { apply: (client: pg.Client, args: unknown[]) => unknown } }

/**
 * A client that hands times in UTC to whoever brings parsers of its own, as Prisma's driver does. A transaction says its isolation level as it begins:
 * Prisma would say it by a second statement, and a pooler's session may have another default.
 */
export class InstantClient extends pg.Client {}
InstantClient.prototype.query = function query(this: pg.Client, ...args: unknown[]) {
  const [config, ...rest] = args
  if (typeof config !== 'object' || config === null || !('types' in config) || !config.types || 'submit' in config) return plain.query.apply(this, args)
  const theirs = config.types as Parsers
  const types: Parsers = {
    getTypeParser(oid, format) {
      const parse = theirs.getTypeParser(oid, format)
      return format === 'text' && (oid === TIMESTAMPTZ || oid === TIMESTAMPTZ_ARRAY) ? (text) => parse(toUtcText(text)) : parse
    },
  }
  const begins = 'text' in config && config.text === 'BEGIN' ? { text: 'BEGIN ISOLATION LEVEL READ COMMITTED' } : {}
  return plain.query.apply(this, [{ ...config, ...begins, types }, ...rest])
} as unknown as typeof pg.Client.prototype.query

const withOffset = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(withOffset)
  if (value instanceof Date) return value.toISOString()
  return typeof value === 'string' ? new Date(value).toISOString() : value
}

/** The same query with its instants as text that names UTC; dates and times of day stay as they are. */
function withOffsets(query: SqlQuery): SqlQuery {
  const isInstant = query.argTypes.map(({ scalarType, dbType }) => scalarType === 'datetime' && !/^(DATE|TIME|TIMETZ)$/.test(dbType ?? ''))
  if (!isInstant.includes(true)) return query
  return {
    sql: query.sql,
    args: query.args.map((value, at) => (isInstant[at] === true ? withOffset(value) : value)),
    argTypes: query.argTypes.map((type, at) => (isInstant[at] === true ? { scalarType: 'string', arity: type.arity } : type)),
  }
}

function writesOffsets<T extends SqlQueryable>(queryable: T): T {
  const queryRaw = queryable.queryRaw.bind(queryable)
  const executeRaw = queryable.executeRaw.bind(queryable)
  queryable.queryRaw = (query) => queryRaw(withOffsets(query))
  queryable.executeRaw = (query) => executeRaw(withOffsets(query))
  return queryable
}

/** The same adapter, writing instants that mean the same in every session. */
export function withInstants(factory: SqlDriverAdapterFactory): SqlDriverAdapterFactory {
  return {
    provider: factory.provider,
    adapterName: factory.adapterName,
    async connect(): Promise<SqlDriverAdapter> {
      const adapter = writesOffsets(await factory.connect())
      const startTransaction = adapter.startTransaction.bind(adapter)
      adapter.startTransaction = async (isolationLevel) => writesOffsets(await startTransaction(isolationLevel))
      return adapter
    },
  }
}
