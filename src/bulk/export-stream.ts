// Whole lists as lines of JSON: page after page as their lists give them, each when the reader has taken the one before. No connection to the database is held
// in between, and who asked is judged anew before each page.
import { Readable } from 'node:stream'
import type { PageText } from '../kernel/page.js'

interface Page {
  data: unknown[]
  page: { nextCursor: string | null }
}

const HELD = 64 * 1024

async function* lines(first: PageText, next: (cursor: string) => Promise<PageText>): AsyncGenerator<string> {
  let page: PageText | null = first
  while (page !== null) {
    const { data, page: { nextCursor } } = JSON.parse(page.json) as Page
    yield data.map((row) => `${JSON.stringify(row)}\n`).join('')
    page = nextCursor === null ? null : await next(nextCursor)
  }
}

/** The rows of all pages. Breaks off when a page cannot be read, or whoever asked may not read it any more: a reader must not take the part for the whole. */
export function exportStream(first: PageText, next: (cursor: string) => Promise<PageText>): Readable {
  return Readable.from(lines(first, next), { objectMode: false, highWaterMark: HELD })
}
