// Lists, seen from outside: the query schema, the answer schema, and the opaque cursor. Keyset paging: a cursor holds
// the sort values of the last row, signed, so page 10,000 costs what page 1 costs. SQL is in database/list.ts.
import { type TProperties, type TSchema, Type } from '@sinclair/typebox'
import { problem } from './errors.js'
import type { Secrets } from './secrets.js'

export interface PageQuery {
  limit?: number
  cursor?: string
  sort?: string
  fields?: string
  count?: 'estimated' | 'exact'
}

/** What a list was asked: paging fields plus filters as they stand in the query string (`createdAt[gte]`). */
export type ListQuery = PageQuery & Record<string, string | number | boolean | undefined>

/** A page as it is sent: JSON of `{ data, page }`. Nobody on the way reads it. */
export interface PageText {
  json: string
}

export interface SortTerm {
  field: string
  descending: boolean
}

// twice the longest that can come up: a name of 200 and an e-mail of 254 characters, each up to six bytes of JSON, in base64
const MAX_CURSOR = 8_192

/** The schema of a list's query string: `sortable` fields and those that are `shown` are named in its descriptions, `filters` are its own parameters. */
export function pageQuery<F extends TProperties>(sortable: readonly string[], shown: TProperties, filters: F) {
  return Type.Object(
    {
      limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 200, default: 50, description: 'Rows in a page' })),
      cursor: Type.Optional(Type.String({ maxLength: MAX_CURSOR, description: 'page.nextCursor of the page before; the sort and the filters must stay the same' })),
      sort: Type.Optional(Type.String({ maxLength: 200, description: `Fields, comma-separated, "-" for descending: ${sortable.join(', ')}` })),
      fields: Type.Optional(Type.String({ maxLength: 1000, description: `Only these of each row, comma-separated; the others are left out: ${Object.keys(shown).join(', ')}` })),
      count: Type.Optional(Type.Union([Type.Literal('estimated'), Type.Literal('exact')], { description: 'Adds page.total' })),
      ...filters,
    },
    { additionalProperties: false },
  )
}

/** The schema of a list's answer. */
export function pageOf<T extends TSchema>(item: T) {
  const rows: unknown[] = (item['examples'] as unknown[] | undefined) ?? []
  return Type.Object({
    data: Type.Array(item),
    page: Type.Object({
      nextCursor: Type.Union([Type.String(), Type.Null()], { description: 'null on the last page' }),
      limit: Type.Integer(),
      total: Type.Optional(Type.Integer()),
      totalIs: Type.Optional(Type.Union([Type.Literal('estimated'), Type.Literal('exact')])),
    }),
  }, { examples: [{ data: rows.slice(0, 1), page: { nextCursor: null, limit: 50 } }] })
}

/** Reads `-createdAt,email`. Throws request.invalid for a field that is not allowed or named twice. */
export function parseSort(text: string, sortable: readonly string[]): SortTerm[] {
  const terms = text.split(',').map((part) => ({ field: part.replace(/^-/, ''), descending: part.startsWith('-') }))
  const wrong = terms.find(({ field }, at) => !sortable.includes(field) || terms.findIndex((term) => term.field === field) !== at)
  if (wrong) throw problem('request.invalid', { errors: [{ path: 'sort', message: `may name each of ${sortable.join(', ')} once` }] })
  return terms
}

/** Reads `id,email`, into the order of `known`. Throws request.invalid for a field that there is not, or that is named twice. */
export function parseFields(text: string, known: readonly string[]): string[] {
  const asked = text.split(',')
  if (asked.some((field, at) => !known.includes(field) || asked.indexOf(field) !== at)) {
    throw problem('request.invalid', { errors: [{ path: 'fields', message: `may name each of ${known.join(', ')} once` }] })
  }
  return known.filter((field) => asked.includes(field))
}

/** One list under one sort and one set of filters; a cursor of another is refused. */
export interface CursorScope {
  list: string
  sort: string
  filters: string
}

export interface Cursors {
  write: (scope: CursorScope, values: readonly string[]) => string
  /** Throws cursor.invalid for anything this installation did not write for this very list. */
  read: (scope: CursorScope, cursor: string) => string[]
}

const TAG_BYTES = 16

const textOf = (scope: CursorScope, body: string): string => JSON.stringify([scope.list, scope.sort, scope.filters, body])

export function createCursors(secrets: Secrets): Cursors {
  return {
    write(scope, values) {
      const body = Buffer.from(JSON.stringify(values)).toString('base64url')
      return `${body}.${secrets.mac('cursor', textOf(scope, body)).subarray(0, TAG_BYTES).toString('base64url')}`
    },
    read(scope, cursor) {
      const [body = '', tag = '', ...rest] = cursor.split('.')
      if (rest.length > 0 || !secrets.isMac('cursor', textOf(scope, body), Buffer.from(tag, 'base64url'), TAG_BYTES)) throw problem('cursor.invalid')
      return JSON.parse(Buffer.from(body, 'base64url').toString()) as string[] // ours: the tag was checked
    },
  }
}
