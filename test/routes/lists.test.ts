// What all lists have in common, seen from outside: a row is what reading that one thing answers, a page is one statement, and
// `fields` leaves out what was not asked for.
import t from 'tap'
import { type AuthorizationHeaders, expectJson, startApp } from '../support/app.js'
import { eventually } from '../support/redis.js'
import { watchStatements } from '../support/statements.js'

type View = Record<string, unknown> & { id: string }
interface List {
  data: View[]
  page: { nextCursor: string | null; limit: number; total?: number }
}

const { app, as, clock, database } = await startApp(t)
const { pool } = database
const admin = await as.admin()
const url = (path: string): string => `/api/v1/${path}`
const get = async (path: string, headers: AuthorizationHeaders = admin) => app.inject({ url: url(path), headers })
const list = async (path: string, headers?: AuthorizationHeaders) => expectJson<List>(await get(path, headers), 200)
const post = async (path: string, payload: object, status = 201) =>
  expectJson<View>(await app.inject({ method: 'POST', url: url(path), headers: admin, payload }), status)

// nothing that people may type can end a value, a row or a page early
const ODD_NAMES = ['', 'quote " and \\ backslash', 'a\x1fb\x1ec', 'line\nbreak\ttab\u0001', '"},{"id":"x', 'Zoë \u2028 🦊', '</script>', 'null', ' ']
for (const [at, name] of ODD_NAMES.entries()) {
  const { id } = await post('users', { email: `odd-${at}@example.com` })
  await pool.query('UPDATE users SET name = $2, created_at = created_at + $3 * interval \'1 ms\' WHERE id = $1', [id, name, at * 10])
}
await post('roles', { name: 'reporters', permissions: ['reports:read'] })
const customer = await post('users', { email: 'customer@example.com', name: 'Customer', roles: ['member', 'reporters'] })
const machine = await post('users', { kind: 'service', name: 'machine', roles: ['reporters'] })
const sold = await post('keys', {
  name: 'sold "one"', ownerUserId: customer.id, permissions: ['reports:read'], metadata: { plan: 'free', createdAt: '2031-01-01T00:00:00+00:00', deep: { a: [1, 2.5, null] } },
  limits: [{ name: 'calls', quota: 100, windowSeconds: 60 }, { name: 'month', quota: 5, algorithm: 'calendar', period: 'month' }],
  expiresAt: new Date(clock.now() + 60_000).toISOString(), addresses: ['10.0.0.0/8', '2001:db8::/32'],
})
await post('keys', { name: 'bound', ownerUserId: machine.id, permissions: ['reports:read'] })
await pool.query("DELETE FROM user_roles WHERE user_id = $1 AND role_name = 'reporters'", [machine.id]) // which leaves its key dormant
await app.inject({ method: 'DELETE', url: url(`keys/${(await post('keys', { name: 'revoked' })).id}`), headers: admin })
await post(`keys/${(await post('keys', { name: 'rotated' })).id}/rotate`, { graceSeconds: 60 })
await post('gate-rules', { host: 'a.example.com', path: '/a/*', methods: ['GET', 'PUT'], permissions: ['reports:read'], limit: { quota: 5, windowSeconds: 60 } })
await post('gate-rules', { path: '/open/*', public: true })
const limits = [{ name: 'm', quota: 6, windowSeconds: 60, algorithm: 'gcra', burst: 2 }]
for (const name of ['sign-ups', 'a.b']) expectJson(await app.inject({ method: 'PUT', url: url(`limits/${name}`), headers: admin, payload: { limits } }), 201)
clock.advance(61_000)

/** What reads one thing of a list; null where there is nothing that does. */
const LISTS: Record<string, ((row: View) => string) | null> = {
  users: ({ id }) => `users/${id}`, keys: ({ id }) => `keys/${id}`, sessions: ({ id }) => `sessions/${id}`, 'gate-rules': ({ id }) => `gate-rules/${id}`,
  limits: ({ namespace }) => `limits/${String(namespace)}`, audit: null,
}

t.test('a row of a list is what reading it alone answers, property by property', async (t) => {
  // that somebody is there is written down some time behind the answer
  await get('me')
  await eventually(async () => (await pool.query('SELECT 1 FROM sessions WHERE last_seen_at = $1', [new Date(clock.now())])).rows.length === 1, 10_000)
  for (const [path, one] of Object.entries(LISTS)) {
    if (!one) continue
    const { data } = await list(`${path}?limit=200`)
    t.ok(data.length > 0, `${path} has rows`)
    for (const row of data) {
      const alone = expectJson<View>(await get(one(row)), 200)
      t.same(row, alone)
      t.same(Object.keys(row), Object.keys(alone), 'in the same order')
    }
  }
  const { data: users } = await list('users?limit=200')
  for (const [at, name] of ODD_NAMES.entries()) t.ok(users.some((row) => row['name'] === (name === '' ? null : name)), `odd name ${at}`)
  const { data: keys } = await list('keys?limit=200')
  t.same(new Set(keys.map(({ status }) => status)), new Set(['active', 'expired', 'revoked']))
  t.ok(keys.some(({ dormant }) => (dormant as string[]).includes('reports:read')) && keys.some(({ rotatedToId }) => typeof rotatedToId === 'string'))
  t.same(keys.find(({ id }) => id === sold.id)?.['metadata'], sold['metadata'])
})

t.test('every sort of every list reaches each row once, whatever the rows hold', async (t) => {
  for (const [path, sorts] of Object.entries({ users: ['email', 'name', '-name,email', 'createdAt', '-lastLoginAt'], keys: ['name', '-createdAt', 'name,-createdAt'], audit: ['at', '-at'], limits: ['namespace'], 'gate-rules': ['createdAt'] })) {
    for (const sort of sorts) {
      const whole = (await list(`${path}?limit=200&sort=${sort}`)).data
      const seen: View[] = []
      for (let cursor: string | null = ''; cursor !== null;) {
        const { data, page }: List = await list(`${path}?limit=4&sort=${sort}${cursor === '' ? '' : `&cursor=${cursor}`}`)
        seen.push(...data)
        cursor = page.nextCursor
      }
      t.same(seen.map(({ id }) => id), whole.map(({ id }) => id), `${path} by ${sort}`)
    }
  }
})

t.test('fields: only what was asked for, in the order of the whole, page by page', async (t) => {
  for (const path of Object.keys(LISTS)) {
    const [whole] = (await list(`${path}?limit=1`)).data
    if (!whole) throw new Error(`${path} is empty`)
    for (const names of [['id'], Object.keys(whole).slice(-2), Object.keys(whole)]) {
      const { data: [row], page } = await list(`${path}?limit=1&fields=${names.toReversed().join(',')}`)
      t.same(row, Object.fromEntries(names.map((name) => [name, whole[name]])), `${path} ${names.join(',')}`)
      t.same(Object.keys(row ?? {}), names)
      if (page.nextCursor === null) continue
      t.equal((await list(`${path}?limit=1&fields=${names.join(',')}&cursor=${page.nextCursor}`)).data.length, 1, 'and the next page')
      t.equal((await list(`${path}?limit=1&cursor=${page.nextCursor}`)).data.length, 1, 'a cursor is of no fields')
    }
    for (const fields of ['', 'nothing', 'id,id', 'id,', 'passwordHash', 'key_hash', 'constructor', '__proto__', "id'"]) {
      const answer = await get(`${path}?fields=${encodeURIComponent(fields)}`)
      t.match(expectJson(answer, 400), { code: 'request.invalid', errors: [{ path: 'fields', message: /^may name each of id, .* once$/ }] }, `${path} ${fields}`)
    }
  }
  t.same((await list('keys?limit=200&fields=rotatedToId')).data.filter((row) => Object.keys(row).length === 1).length, 1, 'what is left out where there is none is left out')
})

t.test('a page is one statement, and so is one row', async (t) => {
  const statements = watchStatements(pool)
  const member = await as.signUp('member@example.com')
  const { data: [key] } = await list('keys?limit=1')
  const paths = [
    'users', 'users?limit=200&sort=name', 'users?status=active&role=member', 'users?fields=id,email', 'keys', `keys?ownerUserId=${customer.id}&status=active`, 'sessions', 'audit',
    'audit?action=user.created', `users/${customer.id}`, `keys/${key?.id ?? ''}`,
  ]
  for (const path of paths) await get(path) // authenticated, once
  for (const path of paths) t.equal((await statements.during(() => get(path))).length, 1, path)
  await list('keys', member.headers)
  t.equal((await statements.during(() => list('keys', member.headers))).length, 1, 'one\'s own keys')
  const { page } = await list('users?limit=5')
  t.equal((await statements.during(() => list(`users?limit=5&cursor=${page.nextCursor ?? ''}`))).length, 1, 'a later page')
  t.equal((await statements.during(() => list('users?count=exact'))).length, 2, 'a total is a statement of its own')
  t.ok((await statements.during(() => post('users', { email: 'counted@example.com' }))).includes('BEGIN'), 'the counter sees transactions')
})

t.test('statements have few names, however many fields and sorts are asked for', async (t) => {
  const fields = ['id', 'email', 'kind', 'name', 'status', 'roles', 'version']
  for (let set = 1; set < 2 ** fields.length; set += 1) await list(`users?limit=1&fields=${fields.filter((_field, at) => (set >> at) % 2 === 1).join(',')}`)
  await list('users?status=active')
  const client = await pool.connect()
  const { rows } = await client.query<{ name: string; statement: string }>("SELECT name, statement FROM pg_prepared_statements WHERE name LIKE 'list-users-%'")
  client.release()
  t.ok(rows.length > 0 && rows.length <= 32, `${rows.length}`)
  await list('users?sort=-email')
  const { rows: later } = await pool.query<{ statement: string }>("SELECT statement FROM pg_prepared_statements WHERE name LIKE 'list-users-%'")
  t.ok(later.some(({ statement }) => statement.includes('ORDER BY email DESC')), 'whoever asks for many odd ones takes no name from whole rows')
  t.notOk(rows.some(({ statement }) => /status = \$/.test(statement)), 'with filters PostgreSQL plans by their values')
})
