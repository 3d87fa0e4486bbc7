// Whole lists as lines of JSON: page after page as their lists give them, each when the reader has taken the one before. No connection to the database is held
// in between, and who asked is judged anew before each page.
import { Readable } from 'node:stream'
import type { PageText } from '../kernel/page.js'

interface Page {
  data: unknown[]
  page: { nextCursor: string | null }
}

/** The next page, from a cursor. */
export type ReadPage = (cursor: string | undefined) => Promise<PageText>

const HELD = 64 * 1024

async function* lines(read: ReadPage, admitted: () => unknown): AsyncGenerator<string> {
  let cursor: string | undefined
  do {
    const { data, page } = JSON.parse((await read(cursor)).json) as Page
    yield data.map((row) => `${JSON.stringify(row)}\n`).join('')
    cursor = page.nextCursor ?? undefined
    if (cursor !== undefined) await admitted()
  } while (cursor !== undefined)
}

/** The rows of all pages. Breaks off when a page cannot be read, or whoever asked may not read it any more: a reader must not take the part for the whole. */
export function exportStream(read: ReadPage, admitted: () => unknown): Readable {
  return Readable.from(lines(read, admitted), { objectMode: false, highWaterMark: HELD })
}
