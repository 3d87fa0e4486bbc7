// The rows of an import, one at a time, out of bytes that come as they come: lines of JSON, or CSV with a header. A row that cannot be read is a row
// with an error, and the next one is read; memory holds a row and what the network has brought.
import type { Readable } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { AppError, type FieldError, problem } from '../kernel/errors.js'
import { readJsonText } from '../kernel/json.js'

export type ImportFormat = 'ndjson' | 'csv'

export interface ImportRow {
  /** what was sent, to know it again */
  text: string
  value: unknown
  /** why there is no value */
  errors: FieldError[] | null
}

const MOST_ROW_BYTES = 64 * 1024
const NEWLINE = 0x0a
const COLUMNS: ReadonlySet<string> = new Set(['email', 'name', 'kind', 'roles', 'password', 'hashScheme', 'hash'])

const wrong = (message: string, path = '/'): FieldError[] => [{ path, message }]

/** What was packed. Throws request.malformed for what gunzip does not take. */
async function* unpacked(body: Readable): AsyncGenerator<Buffer> {
  const gunzip = createGunzip()
  body.once('error', (error: Error) => gunzip.destroy(error))
  body.pipe(gunzip)
  try {
    for await (const chunk of gunzip) yield chunk as Buffer
  } catch (error) {
    throw error instanceof Error && 'code' in error && String(error.code).startsWith('Z_') ? problem('request.malformed', { detail: 'The body is not what gzip makes', cause: error }) : error
  } finally {
    gunzip.destroy()
  }
}

function jsonRow(line: Buffer): ImportRow {
  const text = line.toString()
  try {
    return { text, value: JSON.parse(readJsonText(line)) as unknown, errors: null }
  } catch (error) {
    return { text, value: null, errors: (error instanceof AppError && error.errors) || wrong('is not JSON as it may be sent here') }
  }
}

async function* lines(chunks: AsyncIterable<Buffer>): AsyncGenerator<ImportRow> {
  let parts: Buffer[] = []
  let size = 0
  const take = (): ImportRow[] => {
    const line = Buffer.concat(parts)
    const isTooLong = size > MOST_ROW_BYTES
    parts = []
    size = 0
    if (isTooLong) return [{ text: line.toString('latin1'), value: null, errors: wrong(`is longer than ${MOST_ROW_BYTES} bytes`) }]
    return line.every((byte) => byte <= 0x20) ? [] : [jsonRow(line)]
  }
  const keep = (part: Buffer): void => {
    // of a line that is too long its beginning is enough to know it by
    if (size <= MOST_ROW_BYTES) parts.push(part)
    size += part.length
  }
  for await (const chunk of chunks) {
    let from = 0
    for (let at = chunk.indexOf(NEWLINE); at !== -1; at = chunk.indexOf(NEWLINE, from)) {
      keep(chunk.subarray(from, at))
      yield* take()
      from = at + 1
    }
    // a copy: what is kept must not keep all that came with it
    if (from < chunk.length) keep(Buffer.from(chunk.subarray(from)))
  }
  yield* take()
}

/** A row of CSV as what JSON would have said. */
function objectOf(columns: readonly string[], cells: readonly string[]): Record<string, unknown> {
  const { roles, hashScheme, hash, ...rest } = Object.fromEntries(columns.flatMap((column, at) => (cells[at] === '' ? [] : [[column, cells[at]]]))) as Record<string, string>
  return {
    ...rest, ...(roles === undefined ? {} : { roles: roles.split(/[\s,;]+/).filter((role) => role !== '') }),
    ...(hashScheme === undefined && hash === undefined ? {} : { passwordHash: { ...(hashScheme === undefined ? {} : { scheme: hashScheme }), ...(hash === undefined ? {} : { hash }) } }),
  }
}

async function* records(chunks: AsyncIterable<Buffer>): AsyncGenerator<ImportRow> {
  // loaded when somebody imports CSV
  const [{ parse }, { Readable: Source }] = await Promise.all([import('csv-parse'), import('node:stream')])
  const parser = parse({ bom: true, max_record_size: MOST_ROW_BYTES, relax_column_count: true, skip_empty_lines: true })
  const source = Source.from(chunks)
  source.once('error', (error) => parser.destroy(error))
  source.pipe(parser)
  let columns: string[] | null = null
  try {
    for await (const cells of parser as AsyncIterable<string[]>) {
      if (columns === null) {
        columns = cells.map((cell) => cell.trim())
        const unknown = columns.filter((column) => !COLUMNS.has(column))
        if (unknown.length > 0 || new Set(columns).size < columns.length) throw problem('request.invalid', { errors: wrong(`the first line names columns, each once: ${[...COLUMNS].join(', ')}`) })
        continue
      }
      const text = JSON.stringify(cells)
      if (cells.length === columns.length) yield { text, value: objectOf(columns, cells), errors: null }
      else yield { text, value: null, errors: wrong(`has ${cells.length} cells, and the first line has ${columns.length}`) }
    }
  } catch (error) {
    throw error instanceof Error && 'code' in error && String(error.code).startsWith('CSV_') ? problem('request.malformed', { detail: `The CSV cannot be read: ${error.message.slice(0, 200)}`, cause: error }) : error
  } finally {
    source.destroy()
    parser.destroy()
  }
}

/** Reads rows. Throws request.malformed where nothing more can be read, request.invalid for columns that are not known. */
export function rowsOf(body: Readable, format: ImportFormat, isPacked: boolean): AsyncGenerator<ImportRow> {
  const chunks = isPacked ? unpacked(body) : (body as AsyncIterable<Buffer>)
  return format === 'csv' ? records(chunks) : lines(chunks)
}
