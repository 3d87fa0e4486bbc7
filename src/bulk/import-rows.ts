// The rows of an import out of bytes that come as they come: lines of JSON, or CSV with a header. A row that cannot be read is a row with an error, and
// the next one is read; memory holds what the network has brought at once. How much is read in all has an end, by bytes, by lines, and by what little
// was sent for it: a few packed bytes must not keep anybody busy.
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

/** How an import is written, and how much of it is read. */
export interface ImportShape {
  format: ImportFormat
  isPacked: boolean
  /** of CSV: what its first line may name */
  columns: ReadonlySet<string>
  /** of CSV: a row as JSON would have said it */
  objectOf: (cells: Readonly<Record<string, string>>) => Record<string, unknown>
  /** unpacked */
  mostBytes: number
  /** empty ones among them */
  mostLines: number
}

const MOST_ROW_BYTES = 64 * 1024
// gzip makes a thousand bytes of one; rows of accounts come to ten or twenty
const MOST_UNPACKED_OF_ONE = 100
const ALWAYS_UNPACKED = 8 * 1024 * 1024
const CHUNK = 64 * 1024
const NEWLINE = 0x0a
const SPACE = 0x20

const wrong = (message: string, path = '/'): FieldError[] => [{ path, message }]

function tooLarge(detail: string): AppError {
  return problem('body.too_large', { detail })
}

/** What was packed. Throws request.malformed for what gunzip does not take, body.too_large for what swells as no rows do. */
async function* unpacked(body: Readable): AsyncGenerator<Buffer> {
  const gunzip = createGunzip({ chunkSize: CHUNK })
  let [packedBytes, bytes] = [0, 0]
  body.once('error', (error: Error) => gunzip.destroy(error))
  body.on('data', (chunk: Buffer) => { packedBytes += chunk.length })
  body.pipe(gunzip)
  try {
    for await (const chunk of gunzip as AsyncIterable<Buffer>) {
      bytes += chunk.length
      if (bytes > ALWAYS_UNPACKED + packedBytes * MOST_UNPACKED_OF_ONE) throw tooLarge(`It unpacks to more than ${MOST_UNPACKED_OF_ONE} times what was sent`)
      yield chunk
    }
  } catch (error) {
    throw error instanceof Error && 'code' in error && String(error.code).startsWith('Z_') ? problem('request.malformed', { detail: 'The body is not what gzip makes', cause: error }) : error
  } finally {
    gunzip.destroy()
  }
}

/** At most so many bytes. Throws body.too_large, behind the last chunk that was within. */
async function* within(mostBytes: number, chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let bytes = 0
  for await (const chunk of chunks) {
    bytes += chunk.length
    if (bytes > mostBytes) throw tooLarge(`At most ${mostBytes} bytes, unpacked`)
    yield chunk
  }
}

function jsonRow(line: Buffer): ImportRow {
  try {
    const text = readJsonText(line)
    return { text, value: JSON.parse(text) as unknown, errors: null }
  } catch (error) {
    return { text: line.toString(), value: null, errors: (error instanceof AppError && error.errors) || wrong('is not JSON as it may be sent here') }
  }
}

/** The rows of each chunk together: a promise for each would cost more than the row. */
async function* lines(chunks: AsyncIterable<Buffer>, mostLines: number): AsyncGenerator<ImportRow[]> {
  let parts: Buffer[] = []
  let size = 0
  let read = 0
  const take = (): ImportRow[] => {
    if (size === 0) return []
    const [first] = parts
    const line = parts.length === 1 && first ? first : Buffer.concat(parts)
    const isTooLong = size > MOST_ROW_BYTES
    parts = []
    size = 0
    if (isTooLong) return [{ text: line.toString('latin1', 0, MOST_ROW_BYTES), value: null, errors: wrong(`is longer than ${MOST_ROW_BYTES} bytes`) }]
    return line.every((byte) => byte <= SPACE) ? [] : [jsonRow(line)]
  }
  const keep = (part: Buffer): void => {
    // of a line that is too long its beginning is enough to know it by
    if (size <= MOST_ROW_BYTES) parts.push(part)
    size += part.length
  }
  for await (const chunk of chunks) {
    const rows: ImportRow[] = []
    let from = 0
    for (let at = chunk.indexOf(NEWLINE); at !== -1 && read < mostLines; at = chunk.indexOf(NEWLINE, from)) {
      read += 1
      keep(chunk.subarray(from, at))
      rows.push(...take())
      from = at + 1
    }
    yield rows
    if (read === mostLines && from < chunk.length) throw tooLarge(`At most ${mostLines} lines`)
    // a copy: what is kept must not keep all that came with it
    if (from < chunk.length) keep(Buffer.from(chunk.subarray(from)))
  }
  yield take()
}

async function* records(chunks: AsyncIterable<Buffer>, { columns: known, objectOf, mostLines }: ImportShape): AsyncGenerator<ImportRow[]> {
  // loaded when somebody imports CSV
  const [{ CsvError, parse }, { Readable: Source }] = await Promise.all([import('csv-parse'), import('node:stream')])
  const parser = parse({ bom: true, max_record_size: MOST_ROW_BYTES, relax_column_count: true, skip_empty_lines: true })
  const source = Source.from(chunks)
  source.once('error', (error) => parser.destroy(error))
  source.pipe(parser)
  let columns: string[] | null = null
  let read = 0
  try {
    for await (const cells of parser as AsyncIterable<string[]>) {
      if (columns === null) {
        columns = cells.map((cell) => cell.trim())
        const unknown = columns.filter((column) => !known.has(column))
        if (unknown.length > 0 || new Set(columns).size < columns.length) throw problem('request.invalid', { errors: wrong(`the first line names columns, each once: ${[...known].join(', ')}`) })
        continue
      }
      read += 1
      if (read > mostLines) throw tooLarge(`At most ${mostLines} lines`)
      const text = JSON.stringify(cells)
      const names = columns
      yield [cells.length === names.length
        ? { text, value: objectOf(Object.fromEntries(names.flatMap((name, at) => (cells[at] === '' ? [] : [[name, cells[at] ?? '']])))), errors: null }
        : { text, value: null, errors: wrong(`has ${cells.length} cells, and the first line has ${names.length}`) }]
    }
  } catch (error) {
    throw error instanceof CsvError ? problem('request.malformed', { detail: `The CSV cannot be read: ${error.message.slice(0, 200)}`, cause: error }) : error
  } finally {
    source.destroy()
    parser.destroy()
  }
}

/** Reads rows. Throws request.malformed where nothing more can be read, request.invalid for columns that are not known, body.too_large for what is too much. */
export function rowsOf(body: Readable, shape: ImportShape): AsyncGenerator<ImportRow[]> {
  const chunks = within(shape.mostBytes, shape.isPacked ? unpacked(body) : (body as AsyncIterable<Buffer>))
  return shape.format === 'csv' ? records(chunks, shape) : lines(chunks, shape.mostLines)
}
