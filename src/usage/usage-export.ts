// Usage rows as text, a page at a time: NDJSON or CSV (RFC 4180). Pure but for the stream, which asks for the next page only
// when the reader has taken the last: memory does not grow with the number of rows.
import { Readable } from 'node:stream'
import { stringify } from 'csv-stringify/sync'
import type { UsageRow } from './usage-counts.js'

export type ExportFormat = 'ndjson' | 'csv'
export type ExportBody = Readable

export const MEDIA_TYPE: Record<ExportFormat, string> = { ndjson: 'application/x-ndjson', csv: 'text/csv' }

const COLUMNS: (keyof UsageRow)[] = ['at', 'keyId', 'ownerUserId', 'allowed', 'revoked', 'expired', 'ownerSuspended', 'forbidden', 'rateLimited', 'cost']

/** How much an Accept header wants a media type, 0 to 1 (RFC 9110 12.5.1: the most specific range that fits decides). */
function quality(accept: string, type: string): number {
  const fitting = [type, `${type.split('/')[0] ?? ''}/*`, '*/*']
  let best = { rank: fitting.length, weight: 0 }
  for (const part of accept.toLowerCase().split(',')) {
    const [range = '', ...parameters] = part.split(';').map((one) => one.trim())
    const rank = fitting.indexOf(range)
    if (rank === -1 || rank >= best.rank) continue
    const weight = parameters.find((one) => one.startsWith('q='))?.slice(2) ?? '1'
    best = { rank, weight: /^(0(\.\d{0,3})?|1(\.0{0,3})?)$/.test(weight) ? Number(weight) : 0 }
  }
  return best.weight
}

/** The form an Accept header prefers, NDJSON when it does not care; null when it takes neither. */
export function formatFor(accept: string | undefined): ExportFormat | null {
  const ndjson = accept === undefined ? 1 : quality(accept, MEDIA_TYPE.ndjson)
  const csv = accept === undefined ? 0 : quality(accept, MEDIA_TYPE.csv)
  if (ndjson === 0 && csv === 0) return null
  return csv > ndjson ? 'csv' : 'ndjson'
}

async function* lines(pages: AsyncIterable<UsageRow[]>): AsyncGenerator<string> {
  for await (const page of pages) yield page.map((row) => `${JSON.stringify(row)}\n`).join('')
}

async function* csv(pages: AsyncIterable<UsageRow[]>): AsyncGenerator<string> {
  const options = { columns: COLUMNS, record_delimiter: '\r\n' }
  yield stringify([], { ...options, header: true })
  for await (const page of pages) yield stringify(page, options)
}

/** The text of these pages. Breaks off when a page cannot be read: a reader must not take the part for the whole. */
export function exportStream(pages: AsyncIterable<UsageRow[]>, format: ExportFormat): ExportBody {
  return Readable.from(format === 'csv' ? csv(pages) : lines(pages), { objectMode: false, highWaterMark: 64 * 1024 })
}
