// Transactions, and what a database error means, on a real server.
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import t, { type Test } from 'tap'
import pg from 'pg'
import { connectDatabase, type Database } from '../../src/database/connect.js'
import { tableExpiry } from '../../src/database/expiry.js'
import { toUtcText } from '../../src/database/instants.js'
import { isDatabaseUnavailable, isForeignKeyViolation, isUniqueViolation } from '../../src/database/failures.js'
import type { Tx } from '../../src/database/transaction.js'
import { newId } from '../../src/kernel/ids.js'
import { createTestDatabase, onServer } from '../support/database.js'

const AT = new Date('2031-01-01T00:00:00.000Z')

async function insertUser(tx: Tx, email: string, id: string = newId()): Promise<string> {
  await tx.user.create({ data: { id, email, createdAt: AT, updatedAt: AT } })
  return id
}

async function emails({ prisma }: Database): Promise<string[]> {
  const users = await prisma.user.findMany({ orderBy: { email: 'asc' } })
  return users.map(({ email }) => email)
}

/** What `work` throws; undefined when it does not. */
async function thrownBy(work: () => Promise<unknown>): Promise<unknown> {
  try {
    await work()
    return undefined
  } catch (error) {
    return error
  }
}

t.test('transact', async (t) => {
  const database = await createTestDatabase(t)
  const { transact, prisma } = database
  t.beforeEach(async () => void (await prisma.user.deleteMany()))

  t.test('commits what it did, and returns what the work returned', async (t) => {
    t.equal(await transact(async (tx) => insertUser(tx, 'a@x.example', 'f0000000-0000-7000-8000-000000000001')), 'f0000000-0000-7000-8000-000000000001')
    t.same(await emails(database), ['a@x.example'])
  })
  t.test('rolls everything back when the work throws, and throws the same error', async (t) => {
    const mine = new Error('mine')
    const thrown = await thrownBy(() => transact(async (tx) => {
      await insertUser(tx, 'a@x.example')
      await insertUser(tx, 'b@x.example')
      throw mine
    }))
    t.equal(thrown, mine)
    t.same(await emails(database), [])
  })
  t.test('as many at once as there may be, each of which reads past its transaction: all end', async (t) => {
    const small = connectDatabase({ connection: { connectionString: database.url, connectionTimeoutMillis: 60_000 }, poolMax: 2, onError: () => undefined })
    t.teardown(() => small.close())
    const read = async (): Promise<void> => void (await small.pool.query('SELECT 1'))
    const ended = await Promise.all(Array.from({ length: 12 }, (_, at) => small.transact(async (tx) => {
      await insertUser(tx, `${at}@x.example`)
      await read()
      await small.prisma.user.count()
      if (at % 4 === 3) throw new Error('mine')
      return at
    }).catch((error: unknown) => (error instanceof Error ? error.message : error))))
    t.same(ended, [0, 1, 2, 'mine', 4, 5, 6, 'mine', 8, 9, 10, 'mine'])
    t.equal((await emails(database)).length, 9)
  })
  t.test('nested calls join the outer one: one commit, one rollback', async (t) => {
    await transact(async (outer) => {
      await insertUser(outer, 'a@x.example')
      await transact(async (inner) => {
        t.equal(inner, outer, 'the same transaction')
        t.equal(await inner.user.count(), 1, 'sees what the outer one did')
        await transact(async (innermost) => insertUser(innermost, 'b@x.example'))
      })
      t.same(await emails(database), [], 'nothing is committed before the outermost ends')
    })
    t.same(await emails(database), ['a@x.example', 'b@x.example'])
    await thrownBy(() => transact(async () => {
      await transact(async (tx) => insertUser(tx, 'c@x.example'))
      throw new Error('afterwards')
    }))
    t.same(await emails(database), ['a@x.example', 'b@x.example'], 'an inner success does not outlive the outer failure')
  })
  t.test('two side by side do not share a transaction', async (t) => {
    const results = await Promise.allSettled([
      transact(async (tx) => insertUser(tx, 'a@x.example')),
      transact(async (tx) => {
        await insertUser(tx, 'b@x.example')
        throw new Error('only this one')
      }),
      transact(async (tx) => insertUser(tx, 'c@x.example')),
    ])
    t.same(results.map(({ status }) => status), ['fulfilled', 'rejected', 'fulfilled'])
    t.same(await emails(database), ['a@x.example', 'c@x.example'])
  })
  t.test('after it has ended the next one is a new one', async (t) => {
    let first: Tx | undefined
    await transact(async (tx) => void (first = tx))
    await transact(async (tx) => t.not(tx, first))
    t.ok((await thrownBy(async () => first?.user.count())) instanceof Error, 'and the old one is of no use')
  })
  t.test('more at once than the pool has connections all get through', async (t) => {
    await Promise.all(Array.from({ length: 40 }, (_, at) => transact(async (tx) => insertUser(tx, `${at}@x.example`))))
    t.equal((await emails(database)).length, 40)
  })
  t.test('no connection is left open in a transaction', async (t) => {
    await thrownBy(() => transact(async (tx) => insertUser(tx, 'a@x.example').then(() => Promise.reject(new Error('no')))))
    const { rows } = await database.pool.query<{ state: string }>("SELECT state FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in%'")
    t.same(rows, [])
  })
})

const KATHMANDU = 'Asia/Kathmandu'

t.test('sessions are in UTC and ISO whatever database, role and URL say, and keep the URL\'s other options', async (t) => {
  const { url } = await createTestDatabase(t)
  const name = new URL(url).pathname.slice(1)
  for (const setting of [`TimeZone = '${KATHMANDU}'`, "DateStyle = 'SQL, DMY'", "default_transaction_isolation = 'serializable'", 'extra_float_digits = -15', 'IntervalStyle = iso_8601']) {
    await onServer(`ALTER DATABASE "${name}" SET ${setting}`)
  }
  const withOptions = new URL(url)
  withOptions.searchParams.set('options', '-c TimeZone=America/New_York -c work_mem=3MB')
  for (const connectionString of [url, withOptions.href]) {
    const { pool, close } = connectDatabase({ connection: { connectionString }, poolMax: 2, onError: () => undefined })
    t.teardown(close)
    const { rows } = await pool.query<Record<string, unknown>>(`SELECT $1::timestamptz::text AS text, 0.1::float8 + 0.2 AS most, interval '1 day'::text AS day,
      current_setting('transaction_isolation') AS isolation`, [AT])
    t.same(rows, [{ text: '2031-01-01 00:00:00+00', most: 0.1 + 0.2, day: '1 day', isolation: 'read committed' }])
    if (connectionString !== url) t.same((await pool.query('SHOW work_mem')).rows, [{ work_mem: '3MB' }])
  }
})

t.test('a time is the same instant in a session whose zone a pooler changed, and that session is used once', async (t) => {
  const { pool, prisma, transact } = await createTestDatabase(t, { poolMax: 1 })
  const id = newId()
  const at = new Date('2031-03-30T23:59:59.987Z')
  await transact(async (tx) => {
    await tx.$executeRaw`SELECT set_config('TimeZone', ${KATHMANDU}, false)`
    await insertUser(tx, 'a@x.example', id)
    await tx.user.update({ where: { id }, data: { updatedAt: at } })
    t.same(await tx.user.findUnique({ where: { id }, select: { createdAt: true, updatedAt: true } }), { createdAt: AT, updatedAt: at }, 'read as written')
    t.equal(await tx.user.count({ where: { createdAt: { in: [AT] }, updatedAt: { gte: at, lte: at } } }), 1, 'compared as written')
    t.same(await tx.$queryRaw`SELECT created_at, ARRAY[updated_at] AS list, ${at} = updated_at AS same FROM users`, [{ created_at: AT, list: [at], same: true }])
  })
  t.same((await pool.query('SHOW TimeZone')).rows, [{ TimeZone: 'UTC' }], 'the next one is as it should be')
  t.same((await pool.query('SELECT created_at, updated_at FROM users')).rows, [{ created_at: AT, updated_at: at }])
  t.match(await prisma.user.findMany(), [{ createdAt: AT, updatedAt: at }])
})

t.test('times of every offset are read, and another style is refused instead of guessed', async (t) => {
  const table: [string, string][] = [
    ['2031-01-01 00:00:00+00', '2031-01-01 00:00:00+00'], ['2031-01-01 05:45:00.123456+05:45', '2031-01-01 00:00:00.123456+00'],
    ['2030-12-31 19:00:00-05', '2031-01-01 00:00:00+00'], ['0001-01-01 05:41:16+05:41:16', '0001-01-01 00:00:00+00'], ['infinity', 'infinity'], ['-infinity', '-infinity'],
    ['{"2031-01-01 01:00:00+01",NULL}', '{"2031-01-01 00:00:00+00",NULL}'], ['{}', '{}'],
  ]
  for (const [text, utc] of table) t.equal(toUtcText(text), utc, text)
  for (const text of ['01/02/2031 00:00:00 EST', 'Wed Jan 01 00:00:00 2031 UTC', '']) t.throws(() => toUtcText(text), text)
})

t.test('broken constraints are told apart', async (t) => {
  const { prisma } = await createTestDatabase(t)
  const userId = await insertUser(prisma, 'a@x.example')
  const unique = await thrownBy(() => insertUser(prisma, 'a@x.example'))
  t.ok(isUniqueViolation(unique))
  t.ok(isUniqueViolation(unique, 'email'), 'by its column or name')
  t.notOk(isUniqueViolation(unique, 'key_hash'))
  t.notOk(isForeignKeyViolation(unique))
  t.ok(isUniqueViolation(await thrownBy(() => insertUser(prisma, 'b@x.example', userId)), 'users_pkey'), 'a primary key, too')
  const foreign = await thrownBy(() => prisma.userRole.create({ data: { userId, roleName: 'nobody' } }))
  t.ok(isForeignKeyViolation(foreign))
  t.notOk(isUniqueViolation(foreign))
  for (const error of [unique, foreign]) t.notOk(isDatabaseUnavailable(error), 'the database answered')
  for (const other of [new Error('unique'), null, undefined, 'P2002', { code: 'P2002' }]) {
    t.notOk(isUniqueViolation(other) || isForeignKeyViolation(other) || isDatabaseUnavailable(other), JSON.stringify(other))
  }
})

/** Asserts that both ways to the database fail with what counts as unavailable. */
async function bothUnavailable(t: Test, { pool, prisma, transact }: Database, what: string): Promise<void> {
  t.ok(isDatabaseUnavailable(await thrownBy(() => pool.query('SELECT 1'))), `${what}: pg`)
  t.ok(isDatabaseUnavailable(await thrownBy(() => prisma.role.count())), `${what}: Prisma`)
  t.ok(isDatabaseUnavailable(await thrownBy(() => transact(async (tx) => tx.role.count()))), `${what}: a transaction`)
}

t.test('an unreachable database is recognised', async (t) => {
  const unreachable: [string, pg.PoolConfig][] = [
    ['nobody listens', { connectionString: 'postgres://u@127.0.0.1:1/db' }],
    ['no such socket', { host: '/nonexistent', user: 'u', database: 'db' }],
    ['no such host', { connectionString: 'postgres://u@host.invalid/db' }],
  ]
  for (const [what, connection] of unreachable) {
    const database = connectDatabase({ connection, poolMax: 2, onError: () => undefined })
    t.teardown(() => database.close())
    await bothUnavailable(t, database, what)
  }
})

t.test('a connection that breaks off is recognised, and the next one works', async (t) => {
  const told: Error[] = []
  const { url } = await createTestDatabase(t)
  const database = connectDatabase({ connection: { connectionString: url }, poolMax: 3, onError: (error) => void told.push(error) })
  t.teardown(() => database.close())
  const killAll = () => onServer(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '${new URL(url).pathname.slice(1)}'`)

  t.test('in flight', async (t) => {
    const inFlight = thrownBy(() => database.pool.query('SELECT pg_sleep(30)'))
    const inPrisma = thrownBy(() => database.prisma.$queryRaw`SELECT pg_sleep(30)::text`)
    const inTransaction = thrownBy(() => database.transact(async (tx) => tx.$queryRaw`SELECT pg_sleep(30)::text`))
    await untilRunning(url, 3)
    await killAll()
    t.ok(isDatabaseUnavailable(await inFlight), 'pg')
    t.ok(isDatabaseUnavailable(await inPrisma), 'Prisma')
    t.ok(isDatabaseUnavailable(await inTransaction), 'a transaction')
    t.equal(await database.prisma.role.count(), 2, 'it recovers by itself')
  })
  t.test('idle', async (t) => {
    await database.pool.query('SELECT 1')
    await killAll()
    t.equal(await retried(() => database.prisma.role.count()), 2)
    t.ok(told.every((error) => error instanceof Error), 'onError is told, the process lives')
  })
})

t.test('a connection that is reset under a raw query of Prisma\'s is recognised', async (t) => {
  const { url } = await createTestDatabase(t)
  const { folder, port } = { folder: new URL(url).searchParams.get('host'), port: new URL(url).port || '5432' }
  const held = new Set<Socket>()
  const server = createServer((client) => {
    held.add(client)
    const upstream = folder === null ? connect(Number(port), new URL(url).hostname) : connect(`${folder}/.s.PGSQL.${port}`)
    client.pipe(upstream).pipe(client)
    for (const socket of [client, upstream]) socket.on('error', () => undefined)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const through = new URL(url)
  through.searchParams.delete('host')
  through.hostname = '127.0.0.1'
  through.port = String((server.address() as AddressInfo).port)
  const database = connectDatabase({ connection: { connectionString: through.href }, poolMax: 2, onError: () => undefined })
  t.teardown(async () => {
    await database.close()
    server.close()
  })
  const slow = thrownBy(() => database.prisma.$queryRaw`SELECT pg_sleep(30)::text`)
  await untilRunning(url, 1)
  for (const client of held) client.resetAndDestroy()
  const error = await slow
  t.match(error, { code: 'P2010' }, 'which says nothing of it')
  t.ok(isDatabaseUnavailable(error))
})

t.test('other errors of the database are not called unavailable', async (t) => {
  const { pool, prisma } = await createTestDatabase(t)
  for (const sql of ['SELEKT 1', 'SELECT 1/0', 'SELECT * FROM nowhere', "SELECT '2031-13-01'::timestamptz"]) {
    t.notOk(isDatabaseUnavailable(await thrownBy(() => pool.query(sql))), sql)
    t.notOk(isDatabaseUnavailable(await thrownBy(() => prisma.$queryRawUnsafe(sql))), `${sql} by Prisma`)
  }
})

t.test('an audit row cannot be changed or removed', async (t) => {
  const { pool, prisma } = await createTestDatabase(t)
  const id = newId()
  await prisma.auditEvent.create({
    data: { id, at: AT, actorType: 'user', actorId: 'u', credential: 'none', action: 'user.created', targetType: 'user', targetId: 'u', address: '192.0.2.1', requestId: 'r' },
  })
  for (const sql of ["UPDATE audit_events SET action = 'x'", 'DELETE FROM audit_events', 'TRUNCATE audit_events']) {
    t.match(await thrownBy(() => pool.query(sql)), { message: /append-only/ }, sql)
  }
  t.match(await prisma.auditEvent.findUnique({ where: { id } }), { action: 'user.created' })
})

t.test('close may be called twice', async (t) => {
  const { url } = await createTestDatabase(t)
  const database = connectDatabase({ connection: { connectionString: url }, poolMax: 2, onError: () => undefined })
  await database.prisma.role.count()
  await database.close()
  await t.resolves(database.close())
  t.ok(isDatabaseUnavailable(await thrownBy(() => database.pool.query('SELECT 1'))), 'afterwards there is no database')
})

/** Waits until the server runs this many sleeping statements of the database. */
async function untilRunning(url: string, count: number): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    for (let running = 0; running < count;) {
      const { rows } = await client.query<{ n: number }>(`SELECT count(*)::int AS n FROM pg_stat_activity
        WHERE datname = current_database() AND query LIKE '%pg_sleep(30)%' AND pid <> pg_backend_pid() AND state = 'active'`)
      running = rows[0]?.n ?? 0
    }
  } finally {
    await client.end()
  }
}

/** A pool may hand out one dead connection before it notices: asks up to three times. */
async function retried<T>(work: () => Promise<T>): Promise<T> {
  for (let attempt = 0; attempt < 2; attempt++) {
    try {
      return await work()
    } catch (error) {
      if (!isDatabaseUnavailable(error)) throw error
    }
  }
  return work()
}

t.test('a transaction is read committed, also in a session that has another default behind our back', async (t) => {
  const { pool, transact } = await createTestDatabase(t, { poolMax: 1 })
  await pool.query("SET default_transaction_isolation = 'serializable'")
  const level = await transact((tx) => tx.$queryRaw<{ level: string }[]>`SELECT current_setting('transaction_isolation') AS level`)
  t.same(level, [{ level: 'read committed' }])
})

t.test('a row that is being renewed is not deleted for its age, and holds up no other', async (t) => {
  const { pool } = await createTestDatabase(t)
  await pool.query("INSERT INTO login_counters (key, count, expires_at) VALUES ('renewed', 1, $1), ('old', 1, $1)", [AT])
  const { work } = tableExpiry(pool, { table: 'login_counters', where: 'expires_at <= $1', before: () => AT.getTime() + 1_000 })
  const keys = async () => (await pool.query<{ key: string }>('SELECT key FROM login_counters')).rows.map(({ key }) => key)
  const renewing = await pool.connect()
  try {
    await renewing.query('BEGIN')
    await renewing.query("UPDATE login_counters SET expires_at = $1 WHERE key = 'renewed'", [new Date(AT.getTime() + 2_000)])
    t.equal(await Promise.race([work().then(() => 'done'), delay(3_000, 'it waits')]), 'done')
    t.same(await keys(), ['renewed'])
    await renewing.query('COMMIT')
  } finally {
    renewing.release()
  }
  await work()
  t.same(await keys(), ['renewed'])
})
