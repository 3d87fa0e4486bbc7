// Keyset lists in SQL (conventions in kernel/page.ts): only allow-listed columns reach the text, every value is a parameter. A page is one
// statement. Without filters its plan is the same whatever the values are, so it is prepared; with filters PostgreSQL plans by their values.
import type pg from 'pg'
import { problem } from '../kernel/errors.js'
import { type Cursors, type ListQuery, type PageText, parseFields, parseSort } from '../kernel/page.js'
import { createRowWriter, DIVIDER, isoOf, joined, type ListField, sourceOf, together, type WriteRows } from './list-text.js'
import { createNames } from './prepared.js'

type SortType = 'text' | 'timestamptz' | 'uuid'

/** What a list can show, sort by and filter on. Field names are the API's. `<name>` in any SQL stands for a value of `ListCall.given`. */
export interface ListSpec {
  /** the list's name, part of its cursors */
  name: string
  table: string
  /** what a row shows, in this order; the table goes by its own name */
  fields: Record<string, ListField>
  /** sortable fields: a column that is NOT NULL and indexed with id, and the SQL type its cursor value is cast to */
  sortable: Record<string, { column: string; type: SortType }>
  /** query parameter -> condition, given the placeholder of its value: `{ 'email[contains]': (p) => ... }` */
  filters: Record<string, (placeholder: string) => string>
  defaultSort: string
  /** holds for every row that is shown */
  always?: string
}

export interface ListCall {
  /** limits the list to some rows, whatever the query says; its value binds the cursors, too: `{ sql: (p) => 'owner_user_id = ' + p, value: id }` */
  scope?: { sql: (placeholder: string) => string; value: string }
  /** of the request and of no cursor: the time, who asks */
  given?: Record<string, string | null>
}

export type List = (pool: pg.Pool, cursors: Cursors, query: ListQuery, call?: ListCall) => Promise<PageText>

// as the schema of `limit` has it; one more is read, to know whether there is a next page
const MOST_ROWS = 200
// whole rows by one field, both ways, first and later pages, one's own and all: these are always prepared. Of what else may be asked for (sets of
// fields, sorts by several) so many have names, whoever asks first
const MOST_USUAL = 20
const MOST_OTHERS = 12

/** `%` and `_` of a searched text stand for themselves. */
export function containsPattern(placeholder: string): string {
  return `'%' || replace(replace(replace(${placeholder}, '\\', '\\\\'), '%', '\\%'), '_', '\\_') || '%'`
}

class Statement {
  readonly values: unknown[] = []
  readonly conditions: string[] = []
  readonly #given: Record<string, string | null>
  readonly #bound = new Map<string, string>()

  constructor(given: Record<string, string | null>) {
    this.#given = given
  }

  bind(value: unknown): string {
    this.values.push(value)
    return `$${this.values.length}`
  }

  /** The same SQL with placeholders for what is given. */
  fill(sql: string): string {
    return sql.replaceAll(/<(\w+)>/g, (_whole, name: string) => {
      const value = this.#given[name]
      if (value === undefined) throw new Error(`a list lacks the value of <${name}>`)
      const placeholder = this.#bound.get(name) ?? this.bind(value)
      this.#bound.set(name, placeholder)
      return placeholder
    })
  }

  get where(): string {
    return this.conditions.length > 0 ? `WHERE ${this.conditions.join(' AND ')}` : ''
  }
}

interface Term {
  descending: boolean
  column: string
  type: SortType
}

/** Rows after the cursor: one row comparison when all terms run the same way (one index range), else the expanded form. */
function afterCursor(terms: readonly Term[], values: readonly string[]): string {
  const [first] = terms
  if (!first) return 'true'
  if (terms.every((term) => term.descending === first.descending)) {
    return `(${terms.map((term) => term.column).join(', ')}) ${first.descending ? '<' : '>'} (${values.join(', ')})`
  }
  const steps = terms.map((term, at) => {
    const equal = terms.slice(0, at).map((earlier, index) => `${earlier.column} = ${values[index]}`)
    return `(${[...equal, `${term.column} ${term.descending ? '<' : '>'} ${values[at]}`].join(' AND ')})`
  })
  // the bound on the first term alone lets the index skip what came before
  return `${first.column} ${first.descending ? '<=' : '>='} ${values[0]} AND (${steps.join(' OR ')})`
}

function termsOf({ sortable }: ListSpec, sort: string): Term[] {
  const parsed = parseSort(sort, Object.keys(sortable))
  // id closes every sort: equal values keep an order, so no row is lost or shown twice
  return [...parsed, { field: 'id', descending: parsed.at(-1)?.descending ?? false }]
    .filter(({ field }, at, all) => all.findIndex((term) => term.field === field) === at)
    .map(({ field, descending }) => ({ descending, ...(sortable[field] ?? { column: 'id', type: 'uuid' }) }))
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

interface Shown {
  sources: readonly string[]
  write: WriteRows
}

function shownOf({ fields }: ListSpec, names: readonly string[]): Shown {
  const chosen = names.flatMap((name) => (fields[name] ? [[name, fields[name]] as const] : []))
  return { sources: chosen.map(([, field]) => sourceOf(field)), write: createRowWriter(chosen) }
}

/** Makes what reads a list's pages. Reading throws request.invalid (sort, fields) and cursor.invalid. */
export function createList(spec: ListSpec): List {
  const all = Object.keys(spec.fields)
  const whole = shownOf(spec, all)
  const usual = createNames(`list-${spec.name}`, MOST_USUAL)
  const others = createNames(`list-${spec.name}-other`, MOST_OTHERS)

  return async (pool, cursors, query, { scope, given = {} } = {}) => {
    const limit = query.limit ?? 50
    const sort = query.sort ?? spec.defaultSort
    const terms = termsOf(spec, sort)
    const shown = query.fields === undefined ? whole : shownOf(spec, parseFields(query.fields, all))
    const filters = filtersOf(spec, query)
    const cursorScope = { list: spec.name, sort, filters: JSON.stringify([filters, scope?.value ?? null]) }

    const statement = new Statement(given)
    if (spec.always !== undefined) statement.conditions.push(spec.always)
    if (scope) statement.conditions.push(statement.fill(scope.sql(statement.bind(scope.value))))
    for (const [name, value] of filters) {
      const condition = spec.filters[name]
      if (condition) statement.conditions.push(statement.fill(condition(statement.bind(value))))
    }
    const total = query.count ? await totalOf(pool, spec, statement, query.count) : undefined
    if (query.cursor !== undefined) {
      const values = cursors.read(cursorScope, query.cursor)
      if (values.length !== terms.length) throw problem('cursor.invalid')
      statement.conditions.push(afterCursor(terms, terms.map(({ type }, at) => `${statement.bind(values[at])}::${type}`)))
    }

    // a page's last row says where the next one begins: by a field that is shown as it is stored, or by a part that is not shown
    const sources = [...shown.sources]
    const keys = terms.map(({ column, type }) => {
      const source = sourceOf({ sql: column, as: type === 'text' ? 'value' : 'word' })
      return { type, at: sources.includes(source) ? sources.indexOf(source) : sources.push(source) - 1 }
    })
    const row = statement.fill(together(joined(sources)))
    const order = terms.map((term) => `${term.column} ${term.descending ? 'DESC' : 'ASC'}`).join(', ')
    // the inner limit is a number the planner knows, so that one plan fits every limit; what lies beyond the outer one is never read
    const text = `SELECT ${row} AS parts FROM (SELECT * FROM (SELECT * FROM ${spec.table} ${statement.where} ORDER BY ${order} LIMIT ${MOST_ROWS + 1}) `
      + `AS ${spec.table} LIMIT ${statement.bind(limit + 1)}) AS ${spec.table}`
    const names = shown === whole && !sort.includes(',') ? usual : others
    const { rows: [answer] } = await pool.query<{ parts: string | null }>(filters.length === 0 ? names.prepare(text, statement.values) : { text, values: statement.values })

    const parts = answer?.parts?.split(DIVIDER) ?? []
    const width = sources.length
    const rows = Math.min(limit, parts.length / width)
    const nextCursor = parts.length / width > limit
      ? cursors.write(cursorScope, keys.map(({ type, at }) => keyOf(type, parts[(rows - 1) * width + at] ?? '')))
      : null
    const end = total === undefined ? '' : `,"total":${total},"totalIs":"${query.count ?? 'exact'}"`
    return { json: `{"data":[${shown.write(parts, rows, width)}],"page":{"nextCursor":${nextCursor === null ? 'null' : `"${nextCursor}"`},"limit":${limit}${end}}}` }
  }
}

function keyOf(type: SortType, part: string): string {
  if (type === 'text') return JSON.parse(part) as string
  return type === 'timestamptz' ? isoOf(part) : part
}
