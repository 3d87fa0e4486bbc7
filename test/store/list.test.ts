// Keyset lists: every row once, in order, whatever the sort; cursors of this list only; filters that mean what they say.
import t, { type Test } from 'tap'
import fc from 'fast-check'
import type pg from 'pg'
import { containsPattern, createList, type List, type ListCall, type ListSpec } from '../../src/database/list.js'
import { createCursors, type Cursors, type ListQuery } from '../../src/kernel/page.js'
import { createSecrets } from '../../src/kernel/secrets.js'
import { createTestDatabase } from '../support/database.js'

interface Row extends Record<string, unknown> {
  id: string
  email: string
  name: string
  createdAt: string
}

interface Page<R> {
  data: R[]
  page: { nextCursor: string | null; limit: number; total?: number; totalIs?: string }
}

const SPEC: ListSpec = {
  name: 'people',
  table: 'users',
  fields: { id: { sql: 'id', as: 'word' }, email: { sql: 'email', as: 'value' }, name: { sql: 'name', as: 'value' }, createdAt: { sql: 'created_at', as: 'time' } },
  sortable: {
    email: { column: 'email', type: 'text' }, name: { column: 'name', type: 'text' }, createdAt: { column: 'created_at', type: 'timestamptz' }, id: { column: 'id', type: 'uuid' },
  },
  filters: {
    name: (p) => `name = ${p}`,
    'email[contains]': (p) => `email LIKE ${containsPattern(p)}`,
    'createdAt[gte]': (p) => `created_at >= ${p}::timestamptz`,
    'createdAt[lte]': (p) => `created_at <= ${p}::timestamptz`,
  },
  defaultSort: '-createdAt',
}
const CURSORS = createCursors(createSecrets('one root secret, thirty-two characters'))
const TOTAL = 60
const lists = new Map<ListSpec, List>()

async function readPage<R = Row>(pool: pg.Pool, cursors: Cursors, spec: ListSpec, query: ListQuery, scope?: ListCall['scope']): Promise<Page<R>> {
  const list = lists.get(spec) ?? createList(spec)
  lists.set(spec, list)
  return JSON.parse((await list(pool, cursors, query, scope ? { scope } : {})).json) as Page<R>
}

function idOf(at: number): string {
  // not in the order of any other column
  return `${((at * 37) % 97).toString(16).padStart(8, '0')}-0000-7000-8000-${at.toString(16).padStart(12, '0')}`
}

/** Sixty users: names in 4 groups, times in 5, so that every sort has ties; e-mails are unique. */
async function seed(pool: pg.Pool): Promise<Row[]> {
  const rows = Array.from({ length: TOTAL }, (_, at) => ({
    id: idOf(at), email: `${String((at * 7) % TOTAL).padStart(2, '0')}@x.example`, name: ['', 'b', 'a', 'ä'][at % 4] ?? '', createdAt: new Date(Date.UTC(2031, 0, 1, 0, 0, 0, at % 5)).toISOString(),
  }))
  for (const { id, email, name, createdAt } of rows) {
    await pool.query('INSERT INTO users (id, email, name, created_at, updated_at) VALUES ($1, $2, $3, $4, $4)', [id, email, name, createdAt])
  }
  return rows
}

/** Reads page after page until there is no cursor. */
async function walk(pool: pg.Pool, query: ListQuery, scope?: ListCall['scope']): Promise<{ ids: string[]; sizes: number[] }> {
  const ids: string[] = []
  const sizes: number[] = []
  let cursor: string | null = null
  do {
    const page: Page<Row> = await readPage(pool, CURSORS, SPEC, cursor === null ? query : { ...query, cursor }, scope)
    ids.push(...page.data.map(({ id }) => id))
    sizes.push(page.data.length)
    cursor = page.page.nextCursor
  } while (cursor !== null && sizes.length <= TOTAL)
  return { ids, sizes }
}

t.test('readPage', async (t) => {
  const { pool } = await createTestDatabase(t)
  const rows = await seed(pool)
  const refuses = async (t: Test, query: ListQuery, code: string, message: string, spec = SPEC, scope?: ListCall['scope']) => {
    await t.rejects(readPage(pool, CURSORS, spec, query, scope), { code }, message)
  }

  t.test('walks every sort in pages of any size: each row once, in the order of the whole list', async (t) => {
    const sorts = ['createdAt', '-createdAt', 'email', '-email', 'name', '-name', 'id', '-id', 'name,createdAt', '-name,-createdAt', 'name,-createdAt', '-name,createdAt', '-createdAt,name,-email', 'createdAt,-id', '-name,id']
    for (const sort of sorts) {
      const whole = await readPage(pool, CURSORS, SPEC, { sort, limit: 200 })
      t.equal(whole.data.length, TOTAL)
      t.equal(whole.page.nextCursor, null)
      for (const limit of [1, 7, 30, TOTAL]) {
        const { ids, sizes } = await walk(pool, { sort, limit })
        t.same(ids, whole.data.map(({ id }) => id), `${sort} by ${limit}`)
        t.ok(sizes.slice(0, -1).every((size) => size === limit) && (sizes.at(-1) ?? 0) > 0, 'pages are full, the last one is not empty')
      }
    }
  })
  t.test('orders by what it was asked for, and by id where that is equal', async (t) => {
    const { data } = await readPage(pool, CURSORS, SPEC, { sort: '-createdAt', limit: 200 })
    const expected = rows.toSorted((a, b) => b.createdAt.localeCompare(a.createdAt) || (a.id < b.id ? 1 : -1))
    t.same(data.map(({ id }) => id), expected.map(({ id }) => id))
    t.same(data[0], expected[0], 'a row is its fields, times as ISO 8601')
    const mixed = await readPage(pool, CURSORS, SPEC, { sort: '-createdAt,email', limit: 200 })
    t.same(mixed.data.map(({ email }) => email), rows.toSorted((a, b) => b.createdAt.localeCompare(a.createdAt) || (a.email < b.email ? -1 : 1)).map(({ email }) => email))
  })
  t.test('50 rows, newest first, when nothing is asked', async (t) => {
    const { data, page } = await readPage(pool, CURSORS, SPEC, {})
    t.same([data.length, page.limit, Object.keys(page).toSorted()], [50, 50, ['limit', 'nextCursor']])
    t.same(data.map(({ id }) => id), (await readPage(pool, CURSORS, SPEC, { sort: '-createdAt', limit: 50 })).data.map(({ id }) => id))
  })
  t.test('rows that come and go between pages neither repeat nor hide others', async (t) => {
    const first = await readPage(pool, CURSORS, SPEC, { sort: 'email', limit: 10 })
    const late = '00000000-0000-7000-8000-00000000ffff'
    await pool.query("INSERT INTO users (id, email, created_at, updated_at) VALUES ($1, '00-before@x.example', now(), now())", [late])
    const last = first.data.at(-1)
    await pool.query("UPDATE users SET email = '00-moved@x.example' WHERE id = $1", [last?.id])
    const second = await readPage(pool, CURSORS, SPEC, { sort: 'email', limit: 10, cursor: first.page.nextCursor ?? '' })
    t.same(second.data.map(({ email }) => email), Array.from({ length: 10 }, (_, at) => `${at + 10}@x.example`), 'goes on after the last row seen, though that one is gone')
    await pool.query('DELETE FROM users WHERE id = $1', [late])
    await pool.query('UPDATE users SET email = $2 WHERE id = $1', [last?.id, last?.email])
  })

  t.test('filters', async (t) => {
    const byName = await walk(pool, { name: 'ä', limit: 4, sort: 'createdAt' })
    t.equal(byName.ids.length, TOTAL / 4)
    const range = await walk(pool, { 'createdAt[gte]': '2031-01-01T00:00:00.002Z', 'createdAt[lte]': '2031-01-01T01:00:00.003+01:00', limit: 5 })
    t.same(range.ids.toSorted(), rows.filter(({ createdAt }) => [2, 3].includes(new Date(createdAt).getMilliseconds())).map(({ id }) => id).toSorted(), 'both ends are included')
    t.same((await walk(pool, { name: 'nobody' })).ids, [])
    t.equal((await walk(pool, { unknown: 'x', limit: 200 })).ids.length, TOTAL, 'what the list has no filter for is not its business: the schema refuses it')
    t.same((await walk(pool, { name: "' OR 1=1 --" })).ids, [], 'a value is a value')
  })
  t.test('contains takes every character for itself', async (t) => {
    const odd = ['100%_sure@x.example', '100x_sure@x.example', '100%xsure@x.example', 'back\\slash@x.example', "quo'te@x.example"]
    for (const [at, email] of odd.entries()) await pool.query('INSERT INTO users (id, email, created_at, updated_at) VALUES ($1, $2, now(), now())', [`ffffffff-0000-7000-8000-00000000000${at}`, email])
    const found = async (text: string) => (await readPage(pool, CURSORS, SPEC, { 'email[contains]': text, sort: 'email', limit: 200 })).data.map(({ email }) => email)
    t.same(await found('100%_'), ['100%_sure@x.example'])
    t.same(await found('%x'), ['100%xsure@x.example'])
    t.same((await found('_sure')).toSorted(), ['100%_sure@x.example', '100x_sure@x.example'])
    t.same(await found('\\'), ['back\\slash@x.example'])
    t.same(await found('\\s'), ['back\\slash@x.example'])
    t.same(await found("'"), ["quo'te@x.example"])
    t.same(await found('%%'), [])
    t.equal((await found('')).length, TOTAL + odd.length)
    await fc.assert(fc.asyncProperty(fc.string({ unit: fc.constantFrom('%', '_', '\\', "'", 'x', 's', '0', '@'), maxLength: 5 }), async (text) => {
      const all = [...rows.map(({ email }) => email), ...odd].filter((email) => email.includes(text))
      return JSON.stringify((await found(text)).toSorted()) === JSON.stringify(all.toSorted())
    }), { seed: 7, numRuns: 60 })
    await pool.query("DELETE FROM users WHERE id::text LIKE 'ffffffff%'")
  })

  t.test('a scope narrows the list, whatever the query says', async (t) => {
    const scope = { sql: (p: string) => `name = ${p}`, value: 'b' }
    t.equal((await walk(pool, { limit: 4, name: 'b' }, scope)).ids.length, TOTAL / 4)
    t.same((await walk(pool, { limit: 4, name: 'a' }, scope)).ids, [])
    const mine = await readPage(pool, CURSORS, SPEC, { limit: 4 }, scope)
    const cursor = mine.page.nextCursor ?? ''
    await refuses(t, { cursor }, 'cursor.invalid', "another one's cursor", SPEC, { ...scope, value: 'a' })
    await refuses(t, { cursor }, 'cursor.invalid', 'or everybody')
  })

  t.test('400 cursor.invalid', async (t) => {
    const { page } = await readPage(pool, CURSORS, SPEC, { limit: 5, sort: 'name', name: 'a' })
    const cursor = page.nextCursor ?? ''
    t.equal((await readPage(pool, CURSORS, SPEC, { limit: 200, sort: 'name', name: 'a', cursor })).data.length, TOTAL / 4 - 5, 'another limit is fine')
    await refuses(t, { cursor, sort: '-name', name: 'a' }, 'cursor.invalid', 'another sort')
    await refuses(t, { cursor, sort: 'name,id', name: 'a' }, 'cursor.invalid', 'a longer sort')
    await refuses(t, { cursor, name: 'a' }, 'cursor.invalid', 'the default sort')
    await refuses(t, { cursor, sort: 'name' }, 'cursor.invalid', 'without the filter')
    await refuses(t, { cursor, sort: 'name', name: 'b' }, 'cursor.invalid', 'another value of the filter')
    await refuses(t, { cursor, sort: 'name', name: 'a', 'createdAt[gte]': '2031-01-01T00:00:00Z' }, 'cursor.invalid', 'one more filter')
    await refuses(t, { cursor, sort: 'name', name: 'a' }, 'cursor.invalid', 'another list', { ...SPEC, name: 'animals' })
    for (const text of ['', 'x', `${cursor}x.y`, cursor.slice(1), "'; DROP TABLE users; --"]) await refuses(t, { cursor: text, sort: 'name', name: 'a' }, 'cursor.invalid', text.slice(0, 20))
    await t.rejects(readPage(pool, createCursors(createSecrets('another root secret, just as long as it')), SPEC, { cursor, sort: 'name', name: 'a' }), { code: 'cursor.invalid' })
  })
  t.test('400 request.invalid for a sort that is not allowed', async (t) => {
    for (const sort of ['passwordHash', 'password_hash', 'name,name', 'id;', '']) await refuses(t, { sort }, 'request.invalid', sort)
  })

  t.test('totals', async (t) => {
    t.match((await readPage(pool, CURSORS, SPEC, { limit: 1, count: 'exact' })).page, { total: TOTAL, totalIs: 'exact' })
    t.match((await readPage(pool, CURSORS, SPEC, { limit: 1, count: 'exact', name: 'a' })).page, { total: TOTAL / 4, totalIs: 'exact' })
    const first = await readPage(pool, CURSORS, SPEC, { limit: 7, count: 'exact' })
    t.match((await readPage(pool, CURSORS, SPEC, { limit: 7, count: 'exact', cursor: first.page.nextCursor ?? '' })).page, { total: TOTAL }, 'of the whole list, on every page')
    await pool.query('ANALYZE users')
    const { page } = await readPage(pool, CURSORS, SPEC, { limit: 1, count: 'estimated' })
    t.equal(page.totalIs, 'estimated')
    t.ok((page.total ?? 0) > TOTAL / 2 && (page.total ?? 0) < TOTAL * 2, `${page.total} is near ${TOTAL}`)
  })

  t.test('a later page costs what the first one costs', async (t) => {
    await pool.query(`INSERT INTO users (id, email, created_at, updated_at) SELECT gen_random_uuid(), n || '@many.example', '2032-01-01'::timestamptz + n * interval '1 ms', now() FROM generate_series(1, 5000) n`)
    await pool.query('ANALYZE users')
    for (const sort of ['-createdAt', 'createdAt', 'email', '-name']) {
      const plans: string[] = []
      const spying = { query: async (statement: pg.QueryConfig<unknown[]>) => {
        const { rows: lines } = await pool.query<{ 'QUERY PLAN': string }>(`EXPLAIN ${statement.text}`, statement.values)
        plans.push(lines.map((line) => line['QUERY PLAN']).join('\n'))
        return pool.query(statement)
      } } as unknown as pg.Pool
      const first = await readPage(spying, CURSORS, SPEC, { sort, limit: 20 })
      await readPage(spying, CURSORS, SPEC, { sort, limit: 20, cursor: first.page.nextCursor ?? '' })
      for (const plan of plans) t.match(plan, /Index/, `${sort} walks an index`)
      t.notMatch(plans[1], /Seq Scan/, `${sort} reads no row it does not show`)
    }
  })
})
