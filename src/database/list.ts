// Keyset lists in SQL (conventions in kernel/page.ts): only allow-listed columns reach the text, every value is a parameter.
import type pg from 'pg'
import { problem } from '../kernel/errors.js'
import { type Cursors, type ListQuery, type Page, parseSort, type SortTerm } from '../kernel/page.js'

/** What a list can show, sort by and filter on. Column names are SQL; field names are the API's. */
export interface ListSpec {
  /** the list's name, part of its cursors */
  name: string
  table: string
  columns: Record<string, string>
  /** sortable fields and the SQL type their cursor value is cast to; a sortable column is NOT NULL and indexed with id */
  sortable: Record<string, 'text' | 'timestamptz' | 'uuid'>
  /** query parameter -> condition, given the placeholder of its value: `{ 'email[contains]': (p) => ... }` */
  filters: Record<string, (placeholder: string) => string>
  defaultSort: string
}

/** A list limited to some rows, whatever the query says: `{ sql: (p) => 'owner_user_id = ' + p, value: id }`. */
export interface ListScope {
  sql: (placeholder: string) => string
  value: string
}

/** `%` and `_` of a searched text stand for themselves. */
export function containsPattern(placeholder: string): string {
  return `'%' || replace(replace(replace(${placeholder}, '\\', '\\\\'), '%', '\\%'), '_', '\\_') || '%'`
}

class Statement {
  readonly values: unknown[] = []
  readonly conditions: string[] = []

  bind(value: unknown): string {
    this.values.push(value)
    return `$${this.values.length}`
  }

  get where(): string {
    return this.conditions.length > 0 ? `WHERE ${this.conditions.join(' AND ')}` : ''
  }
}

/** Rows after the cursor: one row comparison when all terms run the same way (one index range), else the expanded form. */
function afterCursor(terms: readonly { sql: string; descending: boolean }[], values: readonly string[]): string {
  const [first] = terms
  if (!first) return 'true'
  if (terms.every((term) => term.descending === first.descending)) {
    return `(${terms.map((term) => term.sql).join(', ')}) ${first.descending ? '<' : '>'} (${values.join(', ')})`
  }
  const steps = terms.map((term, at) => {
    const equal = terms.slice(0, at).map((earlier, index) => `${earlier.sql} = ${values[index]}`)
    return `(${[...equal, `${term.sql} ${term.descending ? '<' : '>'} ${values[at]}`].join(' AND ')})`
  })
  // the bound on the first term alone lets the index skip what came before
  return `${first.sql} ${first.descending ? '<=' : '>='} ${values[0]} AND (${steps.join(' OR ')})`
}

function filtersOf(spec: ListSpec, query: ListQuery): [string, string | number | boolean][] {
  return Object.keys(spec.filters).toSorted().flatMap((name) => {
    const value = query[name]
    return value === undefined ? [] : [[name, value] as [string, string | number | boolean]]
  })
}

async function totalOf(pool: pg.Pool, spec: ListSpec, statement: Statement, kind: 'estimated' | 'exact'): Promise<number> {
  if (kind === 'exact') {
    const { rows } = await pool.query<{ n: string }>(`SELECT count(*) AS n FROM ${spec.table} ${statement.where}`, statement.values)
    return Number(rows[0]?.n ?? 0)
  }
  // the planner's own guess, from statistics: it reads no rows
  const { rows } = await pool.query<{ 'QUERY PLAN': [{ Plan: { 'Plan Rows': number } }] }>(
    `EXPLAIN (FORMAT JSON) SELECT 1 FROM ${spec.table} ${statement.where}`, statement.values)
  return rows[0]?.['QUERY PLAN'][0].Plan['Plan Rows'] ?? 0
}

/**
 * One page of a list. Row is what `spec.columns` selects, times as Date.
 * Throws request.invalid (sort) and cursor.invalid.
 */
export async function readPage<Row extends Record<string, unknown>>(
  pool: pg.Pool, cursors: Cursors, spec: ListSpec, query: ListQuery, scope?: ListScope,
): Promise<Page<Row>> {
  const limit = query.limit ?? 50
  const sort = query.sort ?? spec.defaultSort
  const parsed: SortTerm[] = parseSort(sort, Object.keys(spec.sortable))
  const filters = filtersOf(spec, query)
  const cursorScope = { list: spec.name, sort, filters: JSON.stringify([filters, scope?.value ?? null]) }

  const statement = new Statement()
  if (scope) statement.conditions.push(scope.sql(statement.bind(scope.value)))
  for (const [name, value] of filters) {
    const condition = spec.filters[name]
    if (condition) statement.conditions.push(condition(statement.bind(value)))
  }
  const total = query.count ? await totalOf(pool, spec, statement, query.count) : undefined

  // id closes every sort: equal values keep an order, so no row is lost or shown twice
  const terms = [...parsed, { field: 'id', descending: parsed.at(-1)?.descending ?? false }]
    .filter(({ field }, at, all) => all.findIndex((term) => term.field === field) === at)
    .map((term) => ({ ...term, sql: spec.columns[term.field] ?? term.field, type: spec.sortable[term.field] ?? 'uuid' }))
  if (query.cursor !== undefined) {
    const values = cursors.read(cursorScope, query.cursor)
    if (values.length !== terms.length) throw problem('cursor.invalid')
    statement.conditions.push(afterCursor(terms, terms.map((term, at) => `${statement.bind(values[at])}::${term.type}`)))
  }
  const columns = Object.entries(spec.columns).map(([field, column]) => `${column} AS "${field}"`).join(', ')
  const order = terms.map((term) => `${term.sql} ${term.descending ? 'DESC' : 'ASC'}`).join(', ')
  const { rows } = await pool.query<Row>(
    `SELECT ${columns} FROM ${spec.table} ${statement.where} ORDER BY ${order} LIMIT ${statement.bind(limit + 1)}`, statement.values)
  const data = rows.slice(0, limit)
  const last = data.at(-1)
  const nextCursor = rows.length > limit && last
    ? cursors.write(cursorScope, terms.map((term) => cursorValue(last[term.field])))
    : null
  return { data, page: { nextCursor, limit, ...(total === undefined ? {} : { total, totalIs: query.count ?? 'exact' }) } }
}

function cursorValue(value: unknown): string {
  return value instanceof Date ? value.toISOString() : String(value)
}
