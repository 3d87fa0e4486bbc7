// A sign-in waits for what it meets under way and then sees all of it, though it reads and writes in few statements: a snapshot that is
// older than a lock would let one session too many in, or one that was to be ended.
import pg from 'pg'
import t, { type Test } from 'tap'
import { expectJson, PASSWORD, startApp } from '../support/app.js'

t.test('sign-ins', async (t) => {
  const { app, as, database, clock } = await startApp(t, { config: { sessionsPerUser: 3 } })
  const second = await startApp(t, { config: { sessionsPerUser: 3 }, database, clock })
  const { prisma } = database
  const credentials = (email: string) => ({ email, password: PASSWORD })
  const logIn = (email: string, node = app, path = 'login', remoteAddress = '127.0.0.1') => node.inject({ method: 'POST', url: `/api/v1/auth/${path}`, payload: credentials(email), remoteAddress })
  const live = (userId: string) => prisma.session.count({ where: { userId, endedAt: null } })
  const guesses = async (): Promise<number> => (await prisma.loginCounter.findMany()).reduce((sum, counter) => sum + counter.count, 0)
  const count = (statuses: readonly number[], status: number): number => statuses.filter((one) => one === status).length

  /** What a sign-in comes to that meets `sql` in a transaction that began before it and commits when the sign-in waits for it. */
  async function meeting(t: Test, sql: (client: pg.Client) => Promise<unknown>, signIn: () => ReturnType<typeof logIn>): ReturnType<typeof logIn> {
    const other = new pg.Client({ connectionString: database.url })
    await other.connect()
    t.teardown(() => other.end())
    const { rows: [own] } = await other.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')
    await other.query('BEGIN')
    await sql(other)
    const answer = signIn()
    const isMet = async (): Promise<boolean> => (await database.pool.query('SELECT 1 FROM pg_stat_activity WHERE $1 = ANY(pg_blocking_pids(pid))', [own?.pid])).rows.length > 0
    while (!(await isMet())) await new Promise(setImmediate)
    await other.query('COMMIT')
    return answer
  }

  async function leftNothing(t: Test, { id }: { id: string }, lastLoginAt: Date, sessions: number): Promise<void> {
    t.equal(await prisma.session.count({ where: { userId: id } }), sessions)
    t.equal(await prisma.auditEvent.count({ where: { action: 'login.succeeded', targetId: id } }), 1, 'the one that opened the account')
    t.equal(await prisma.knownDevice.count({ where: { userId: id } }), 1)
    t.same((await prisma.user.findUniqueOrThrow({ where: { id } })).lastLoginAt, lastLoginAt)
  }
  const lastLoginOf = async (id: string): Promise<Date> => (await prisma.user.findUniqueOrThrow({ where: { id } })).lastLoginAt

  t.test('that meets a suspension: the suspension wins, and nothing of the sign-in is left', async (t) => {
    const { user } = await as.signUp('suspended@example.com')
    const before = await lastLoginOf(user.id)
    clock.advance(1_000)
    const answer = await meeting(t, async (client) => {
      await client.query("SELECT authority_gate(7101, '{}', ARRAY[$1])", [user.id])
      await client.query("UPDATE users SET status = 'suspended' WHERE id = $1", [user.id])
      await client.query('UPDATE sessions SET ended_at = now() WHERE user_id = $1', [user.id])
    }, () => logIn(user.email))
    t.equal(expectJson<{ code: string }>(answer, 401).code, 'credentials.invalid')
    await leftNothing(t, user, before, 1)
    t.equal(await live(user.id), 0)
  })

  t.test('that meets a suspension by hand, which knows of no gate: the same', async (t) => {
    const { user } = await as.signUp('by-hand@example.com')
    const before = await lastLoginOf(user.id)
    const answer = await meeting(t, (client) => client.query("UPDATE users SET status = 'suspended' WHERE id = $1", [user.id]), () => logIn(user.email, app, 'session'))
    t.equal(answer.statusCode, 401)
    await leftNothing(t, user, before, 1)
  })

  t.test('that meets a change of the password is one with a wrong password, at the cap as well', async (t) => {
    const { user } = await as.signUp('changed@example.com')
    for (let round = 0; round < 2; round += 1) expectJson(await logIn(user.email), 200)
    const answer = await meeting(t, (client) => client.query("UPDATE users SET password_hash = 'another' WHERE id = $1", [user.id]), () => logIn(user.email))
    t.equal(expectJson<{ code: string }>(answer, 401).code, 'credentials.invalid')
    t.equal(await live(user.id), 3)
  })

  t.test('that meets one of the version before, which takes the last place: refused, and no failed guess', async (t) => {
    const { user } = await as.signUp('capped@example.com')
    expectJson(await logIn(user.email), 200)
    await prisma.loginCounter.deleteMany()
    const answer = await meeting(t, async (client) => {
      await client.query("SELECT authority_gate(7101, '{}', ARRAY[$1])", [user.id])
      await client.query('SELECT 1 FROM users WHERE id = $1 FOR NO KEY UPDATE', [user.id])
      await client.query(`INSERT INTO sessions (id, user_id, kind, refresh_seed, address, user_agent, created_at, last_seen_at, expires_at)
        VALUES (gen_random_uuid(), $1, 'token', '\\x00', '', '', $2, $2, $2::timestamptz + interval '1 day')`, [user.id, new Date(clock.now())])
    }, () => logIn(user.email, app, 'login', '192.0.2.77'))
    t.equal(expectJson<{ code: string }>(answer, 409).code, 'session.cap_reached')
    t.equal(await live(user.id), 3)
    t.equal(await guesses(), 0, 'what was counted is taken back')
  })

  t.test('by token and by cookie at once on two nodes: as many as there is room for, each whole, the others without a trace', async (t) => {
    const { user } = await as.signUp('many@example.com')
    await prisma.loginCounter.deleteMany()
    const answers = await Promise.all(Array.from({ length: 8 }, (_, at) => logIn(user.email, at % 2 === 0 ? app : second.app, at % 4 < 2 ? 'login' : 'session', `203.0.113.${at}`)))
    const statuses = answers.map(({ statusCode }) => statusCode)
    t.equal(count(statuses, 200) + count(statuses, 201), 2)
    t.equal(count(statuses, 409), 6)
    t.equal(await live(user.id), 3)
    t.equal(await prisma.auditEvent.count({ where: { action: 'login.succeeded', targetId: user.id } }), 3, 'and the one that opened the account')
    t.equal(await prisma.knownDevice.count({ where: { userId: user.id } }), 3)
    t.equal((await prisma.user.findUniqueOrThrow({ where: { id: user.id } })).version, 4, 'one, and one for each sign-in')
    t.equal(await guesses(), 0, 'no guess is left')
  })

  t.test('the oldest that makes room is ended and told of, once for each', async (t) => {
    const { user } = await as.signUp('oldest@example.com')
    for (let round = 0; round < 2; round += 1) expectJson(await logIn(user.email), 200)
    const payload = { ...credentials(user.email), endOldest: true }
    const answers = await Promise.all([app, second.app, app, second.app].map((node) => node.inject({ method: 'POST', url: '/api/v1/auth/login', payload })))
    t.equal(count(answers.map(({ statusCode }) => statusCode), 200), 4)
    t.equal(await live(user.id), 3)
    t.same((await prisma.auditEvent.findMany({ where: { action: 'sessions.ended', targetId: user.id } })).map(({ details }) => details), Array.from({ length: 4 }, () => ({ count: 1, cap: 3 })))
    const ended = await prisma.session.findMany({ where: { userId: user.id, endedAt: { not: null } } })
    const { rows } = await database.pool.query<{ tag: string }>('SELECT DISTINCT tag FROM revocation_log WHERE tag = ANY($1)', [ended.map(({ id }) => `sess:${id}`)])
    t.equal(rows.length, 4)
  })

  t.test('a device is known once it was signed in from, whatever else signs in', async (t) => {
    const { user, deviceToken } = await as.signUp('devices@example.com')
    await prisma.session.deleteMany({ where: { userId: user.id } })
    const payload = { ...credentials(user.email), deviceToken }
    const answers = await Promise.all([app, second.app, app].map((node) => node.inject({ method: 'POST', url: '/api/v1/auth/login', payload })))
    t.same(answers.map((answer) => expectJson<{ deviceToken: string }>(answer, 200).deviceToken), [deviceToken, deviceToken, deviceToken])
    t.equal(await prisma.knownDevice.count({ where: { userId: user.id } }), 1)
  })
})
