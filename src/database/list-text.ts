// A page as JSON text, written from PostgreSQL's own texts: the whole page comes as one value, its parts divided by a control
// character that no part can hold, and nothing of it becomes an object or a Date on the way. What people may have typed is
// escaped by PostgreSQL (to_json), which also keeps the divider out of it.
import { toUtcText } from './instants.js'

/**
 * How a field becomes JSON. `word`: an id or a value of an enum, which needs no escaping. `plain`: a number or boolean. `value`: text or
 * an array of texts. `time`: a timestamptz. `json`: a jsonb. NULL is null.
 */
export interface ListField {
  sql: string
  as: 'word' | 'plain' | 'value' | 'time' | 'json'
  /** left out where it is NULL */
  optional?: boolean
}

export const DIVIDER = '\x1f'
const DIVIDER_SQL = "E'\\x1f'"

/** ISO 8601 with milliseconds, of a timestamptz as PostgreSQL writes it. Throws for what is no time. */
export function isoOf(text: string): string {
  const utc = text.endsWith('+00') ? text : toUtcText(text)
  if (utc.length === 22) return `${utc.slice(0, 10)}T${utc.slice(11, 19)}.000Z`
  const fraction = utc.slice(20, -3)
  return `${utc.slice(0, 10)}T${utc.slice(11, 19)}.${fraction.length === 3 ? fraction : fraction.slice(0, 3).padEnd(3, '0')}Z`
}

/** The SQL whose text `jsonOf` and cursors read. */
export function sourceOf({ sql, as }: ListField): string {
  return as === 'value' ? `to_json(${sql})` : sql
}

/** One text of many: NULL is an empty part. */
export function joined(sources: readonly string[]): string {
  return `concat(${sources.join(`, ${DIVIDER_SQL}, `)})`
}

/** All rows as one text. */
export function together(row: string): string {
  return `string_agg(${row}, ${DIVIDER_SQL})`
}

type Write = (part: string) => string

const WRITERS: Record<ListField['as'], Write> = {
  word: (part) => `"${part}"`,
  time: (part) => `"${isoOf(part)}"`,
  plain: (part) => part,
  value: (part) => part,
  // without PostgreSQL's spaces
  json: (part) => (part.length > 2 ? JSON.stringify(JSON.parse(part)) : part),
}

/** Writes the rows that begin at `parts[0]`, each of `width` parts of which the first are the fields. */
export type WriteRows = (parts: readonly string[], rows: number, width: number) => string

export function createRowWriter(fields: readonly (readonly [string, ListField])[]): WriteRows {
  const writers = fields.map(([name, { as, optional = false }]) => ({ first: `{${JSON.stringify(name)}:`, later: `,${JSON.stringify(name)}:`, write: WRITERS[as], optional }))
  return (parts, rows, width) => {
    let text = ''
    for (let row = 0; row < rows; row += 1) {
      let at = row * width
      let isFirst = true
      if (row > 0) text += ','
      for (const { first, later, write, optional } of writers) {
        const part = parts[at] ?? ''
        at += 1
        if (part === '' && optional) continue
        text += (isFirst ? first : later) + (part === '' ? 'null' : write(part))
        isFirst = false
      }
      text += isFirst ? '{}' : '}'
    }
    return text
  }
}
