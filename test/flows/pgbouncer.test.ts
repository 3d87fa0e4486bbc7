// Everything through a real PgBouncer, in session and in transaction mode, from the first migration on; and its restart under load.
import t, { type Test } from 'tap'
import pg from 'pg'
import { openDatabase } from '../../src/database/open.js'
import { type Config, readConfig } from '../../src/config.js'
import { expectJson, SECRET, startApp, type TestApp } from '../support/app.js'
import { createBareDatabase, onServer } from '../support/database.js'
import { KEEPS_STATEMENTS, NO_PGBOUNCER, type PgBouncer, pgBouncer, type PgBouncerOptions } from '../support/pgbouncer.js'
import { eventually } from '../support/redis.js'

t.setTimeout(180_000)
const SKIP = { skip: NO_PGBOUNCER }

function configOf(variables: Record<string, string>): Config {
  const read = readConfig({ GATEHOUSE_SECRET: SECRET, BCRYPT_COST: '10', LOG_LEVEL: 'silent', SIGN_UP: 'open', PORT: '0', REQUESTS_PER_MINUTE: '1000000', DATABASE_POOL_MAX: '3', ...variables })
  if ('mistakes' in read) throw new Error(JSON.stringify(read.mistakes))
  return read.config
}

interface House extends TestApp {
  bouncer: PgBouncer
  said: string[]
}

/** The program on an empty database, opened and migrated through PgBouncer. */
async function house(t: Test, options: PgBouncerOptions, past: (url: string) => Record<string, string> = () => ({})): Promise<House> {
  const { url } = await createBareDatabase(t)
  const bouncer = await pgBouncer(t, url, options)
  const config = configOf({ DATABASE_URL: bouncer.url, ...past(url) })
  const said: string[] = []
  const { database, close } = await openDatabase(config, (message) => said.push(message))
  t.teardown(close)
  return { ...await startApp(t, { config, database: { ...database, url } }), bouncer, said }
}

/** Issues a key, verifies it, revokes it everywhere, and sees that it is over. */
async function wholeLife({ app, as }: House, t: Test): Promise<void> {
  const { headers } = await as.adminUser()
  const { id, key } = expectJson<{ id: string; key: string }>(await app.inject({ method: 'POST', url: '/api/v1/keys', headers, payload: { name: 'a key', permissions: ['gatehouse:keys.verify'] } }), 201)
  const verify = async (): Promise<string> => expectJson<{ code: string }>(await app.inject({ method: 'POST', url: '/api/v1/keys/verify', headers, payload: { key } }), 200).code
  t.equal(await verify(), 'valid')
  t.equal((await app.inject({ method: 'DELETE', url: `/api/v1/keys/${id}?wait=true`, headers })).statusCode, 200)
  t.not(await verify(), 'valid', 'revoked at once')
}

/** How long a statement of somebody else may take who comes through the same pooler. */
async function othersLimit(url: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    return (await client.query<{ longest: string }>("SELECT current_setting('statement_timeout') AS longest")).rows
  } finally {
    await client.end()
  }
}

const MODES: [string, PgBouncerOptions, object][] = [
  ['session mode', { mode: 'session', poolSize: 8 }, { isShared: false, prepares: true }],
  ['transaction mode', { mode: 'transaction', poolSize: 2 }, { isShared: true, prepares: KEEPS_STATEMENTS }],
  ['transaction mode on a single session', { mode: 'transaction', poolSize: 1 }, { isShared: true, prepares: false }],
]

for (const [what, options, pooling] of MODES) {
  t.test(what, SKIP, async (t) => {
    const given = await house(t, options)
    const { app, as, database, bouncer } = given
    t.same(database.pooling, pooling, 'it is seen what stands in front')
    t.equal(given.said.some((line) => line.includes("ALTER ROLE ... SET statement_timeout = '10s'")), database.pooling.isShared, 'what the role should limit is told')
    const { headers, user } = await as.adminUser()
    await wholeLife(given, t)
    for (const path of ['users', 'keys', 'audit', 'sessions', 'roles']) t.equal((await app.inject({ url: `/api/v1/${path}`, headers })).statusCode, 200, path)
    const again = await app.inject({ method: 'POST', url: '/api/v1/auth/login', payload: { email: user.email, password: 'correct horse battery staple' } })
    t.equal(again.statusCode, 200, 'signs in again')

    // who waits longer than two seconds for one of the three connections is refused, as a busy machine may have it, and asks again
    const issue = async (name: string): Promise<string> => {
      for (;;) {
        const answer = await app.inject({ method: 'POST', url: '/api/v1/keys', headers, payload: { name, permissions: [] } })
        const said = answer.statusCode === 201 ? 'issued' : `${answer.statusCode} ${answer.json<{ code: string }>().code}`
        if (said !== '503 database.unavailable') return said
      }
    }
    const issued = await Promise.all(Array.from({ length: 50 }, (_, at) => issue(`key ${at}`)))
    t.same([...new Set(issued)], ['issued'], 'fifty transactions at once on three connections')
    t.same((await database.pool.query("SELECT count(*)::int AS n FROM api_keys WHERE name LIKE 'key %'")).rows, [{ n: 50 }], 'each once')
    const at = new Date('2031-03-30T23:59:59.987Z')
    const { rows } = await database.pool.query("SELECT $1::timestamptz AS at, current_setting('TimeZone') AS zone", [at])
    t.same(rows, [{ at, zone: 'UTC' }])
    const limits = await database.transact(async (tx) => tx.$queryRaw`SELECT current_setting('statement_timeout') AS one, current_setting('idle_in_transaction_session_timeout') AS idle`)
    t.same(limits, [{ one: '10s', idle: '30s' }], 'a transaction ends by PostgreSQL\'s own clock')
    t.same(await othersLimit(bouncer.url), [{ longest: '0' }], 'others of the pooler find nothing of ours')
  })
}

t.test('what goes past the pooler', SKIP, async (t) => {
  const given = await house(t, { mode: 'transaction', poolSize: 2 }, (url) => ({ DATABASE_DIRECT_URL: url }))
  await wholeLife(given, t)
  const { rows } = await given.database.pool.query("SELECT count(*)::int AS n FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'gatehouse-revocations' AND query LIKE '%revocation_head%'")
  t.same(rows, [{ n: 1 }], 'revocations are heard of on a connection of its own')

  const { url } = await createBareDatabase(t)
  const config = configOf({ DATABASE_URL: given.bouncer.url, DATABASE_DIRECT_URL: url })
  await t.rejects(openDatabase(config, () => undefined), { message: 'DATABASE_DIRECT_URL is not the database of DATABASE_URL' })
})

t.test('poolers that will not do are refused with one line', SKIP, async (t) => {
  const { name, url } = await createBareDatabase(t)
  const statement = await pgBouncer(t, url, { mode: 'statement', poolSize: 2 })
  await t.rejects(openDatabase(configOf({ DATABASE_URL: statement.url }), () => undefined), { message: /^DATABASE_URL cannot be used: the pooler allows no transactions: set its pool_mode to transaction or session$/ })
  await onServer(`ALTER DATABASE "${name}" SET extra_float_digits = 0`)
  const transaction = await pgBouncer(t, url, { mode: 'transaction', poolSize: 2 })
  await t.rejects(openDatabase(configOf({ DATABASE_URL: transaction.url }), () => undefined), { message: /^DATABASE_URL cannot be used: .*extra_float_digits is 0, .* ALTER ROLE \.\.\. SET extra_float_digits = '1'$/ })
})

for (const [what, options] of MODES) {
  t.test(`${what}: a restart of PgBouncer under load`, SKIP, async (t) => {
    const { app, as, bouncer } = await house(t, options)
    const { headers } = await as.adminUser()
    const answers: string[] = []
    const load = { goesOn: true }
    const ask = async (worker: number): Promise<void> => {
      for (let turn = 0; load.goesOn; turn += 1) {
        const answer = turn % 2 === 0
          ? await app.inject({ url: '/api/v1/users', headers })
          : await app.inject({ method: 'POST', url: '/api/v1/roles', headers, payload: { name: `role-${worker}-${turn}`, permissions: [] } })
        answers.push(answer.statusCode < 400 ? 'good' : `${answer.statusCode} ${answer.json<{ code: string }>().code}`)
      }
    }
    const workers = Array.from({ length: 10 }, (_, worker) => ask(worker))
    const good = (): number => answers.filter((answer) => answer === 'good').length
    try {
      for (let restart = 0; restart < 2; restart += 1) {
        const before = good()
        await eventually(() => good() > before + 20, 20_000)
        await bouncer.stop()
        const refused = answers.length
        await eventually(() => answers.length > refused + 10, 20_000)
        await bouncer.start()
        const after = good()
        await eventually(() => good() > after + 20, 20_000)
      }
    } finally {
      load.goesOn = false
      await Promise.all(workers)
    }
    t.same([...new Set(answers)].toSorted(), ['503 database.unavailable', 'good'], 'refused as long as there is no database, and nothing else')
  })
}
