// How an import's bytes become rows: the same however they come, and with an end to all of it.
import { Readable } from 'node:stream'
import { gzipSync } from 'node:zlib'
import t from 'tap'
import { type ImportRow, type ImportShape, rowsOf } from '../../src/bulk/import-rows.js'
import { AppError } from '../../src/kernel/errors.js'

const SHAPE: ImportShape = { format: 'ndjson', isPacked: false, columns: new Set(['a', 'b']), objectOf: (cells) => cells, mostBytes: 1e9, mostLines: 100_000 }

/** All rows, and the code of what ended them. */
async function read(chunks: Iterable<Buffer>, shape: Partial<ImportShape> = {}): Promise<{ rows: ImportRow[]; code: string | null; detail?: string | undefined }> {
  const rows: ImportRow[] = []
  try {
    for await (const some of rowsOf(Readable.from(chunks, { objectMode: false }), { ...SHAPE, ...shape })) rows.push(...some)
    return { rows, code: null }
  } catch (error) {
    if (!(error instanceof AppError)) throw error
    return { rows, code: error.code, detail: error.detail }
  }
}

function* cut(text: Buffer, size: number): Generator<Buffer> {
  for (let at = 0; at < text.length; at += size) yield text.subarray(at, at + size)
}

t.test('rows are the same, to the letter, wherever the bytes are cut', async (t) => {
  const text = Buffer.from(`{"a":1}\r\n\n  \n{"b":"é ${'x'.repeat(500)}"}\n[broken\n{"long":"${'y'.repeat(70_000)}"}\n\xff\n{"last":true}`)
  const { rows } = await read([text])
  t.match(rows.map(({ value }) => value), [{ a: 1 }, { b: /^é x+$/ }, null, null, null, { last: true }])
  for (const size of [1, 7, 1_000, 65_536, 65_537]) t.same((await read(cut(text, size))).rows, rows, `in pieces of ${size}`)
})

t.test('CSV is the same', async (t) => {
  const text = Buffer.from('\uFEFFa,b\r\n1,"x, ""y"""\r\n\r\n2\r\n3,\n')
  const { rows } = await read([text], { format: 'csv' })
  t.match(rows, [{ value: { a: '1', b: 'x, "y"' } }, { value: null, errors: [{ message: 'has 1 cells, and the first line has 2' }] }, { value: { a: '3' } }])
  t.same((await read(cut(text, 3), { format: 'csv' })).rows, rows)
})

t.test('CSV that is none ends it, whatever is wrong with it', async (t) => {
  for (const text of ['a,b\nx,{"y":1}\n', 'a,b\n"x,y\n', 'a,b\n"x"y,z\n', 'a,a\n1,2\n', `a,b\n${'x'.repeat(70_000)},y\n`]) t.match(await read([Buffer.from(text)], { format: 'csv' }), { code: /request.malformed|request.invalid/ }, text.slice(0, 20))
})

t.test('at most so many bytes, unpacked: what came whole before is there', async (t) => {
  const chunks = Array.from({ length: 5 }, () => Buffer.from('{"a":1}\n'.repeat(10)))
  t.match(await read(chunks, { mostBytes: 200 }), { code: 'body.too_large', rows: { length: 20 } })
  t.match(await read([gzipSync(Buffer.concat(chunks))], { isPacked: true, mostBytes: 399 }), { code: 'body.too_large', rows: [] })
  t.match(await read([gzipSync(Buffer.concat(chunks))], { isPacked: true, mostBytes: 400 }), { code: null, rows: { length: 50 } })
  t.match(await read(cut(Buffer.from(`a,b\n${'1,2\n'.repeat(50)}`), 50), { format: 'csv', mostBytes: 100 }), { code: 'body.too_large' })
})

t.test('empty lines are lines, and a few bytes that swell are no rows', async (t) => {
  t.match(await read(cut(Buffer.from('\n'.repeat(50)), 7), { mostLines: 49 }), { code: 'body.too_large', rows: [], detail: 'At most 49 lines' })
  t.match(await read(cut(Buffer.from('{}\n\n'.repeat(25)), 7), { mostLines: 50 }), { code: null, rows: { length: 25 } })
  t.match(await read([Buffer.from(`a,b\n${'1,2\n'.repeat(10)}`)], { format: 'csv', mostLines: 9 }), { code: 'body.too_large', rows: { length: 9 } })
  for (const [letter, format] of [['x', 'ndjson'], [' ', 'ndjson'], ['\n', 'ndjson'], ['x', 'csv']] as const) {
    t.match(await read([gzipSync(Buffer.alloc(12 * 1024 * 1024, letter))], { isPacked: true, format }), { code: /body.too_large|request.malformed/, rows: [] }, `${format} of ${JSON.stringify(letter)}`)
  }
  const rows = Buffer.from(Array.from({ length: 20_000 }, (_, at) => `{"email":"import-${at}@bench.example","name":"Imported ${at}","roles":["member"]}\n`).join(''))
  t.match(await read([gzipSync(rows, { level: 9 })], { isPacked: true }), { code: null, rows: { length: 20_000 } }, 'rows that are like one another may swell')
})
