// The throttle of sign-ins on PostgreSQL: what each counter takes, when it lets go, and what a success forgives.
import pg from 'pg'
import t from 'tap'
import { createAccountStore } from '../../src/accounts/account-store.js'
import type { Recognised } from '../../src/accounts/device-rules.js'
import { createLoginCounterStore } from '../../src/accounts/login-counter-store.js'
import { createLoginThrottle, lockedUntil } from '../../src/accounts/login-throttle-service.js'
import { createAuditStore } from '../../src/audit/audit-store.js'
import { AppError, problem } from '../../src/kernel/errors.js'
import { createCursors } from '../../src/kernel/page.js'
import { createSecrets } from '../../src/kernel/secrets.js'
import type { Cache } from '../../src/shared-store/shared-store.js'
import { fakeClock } from '../support/clock.js'
import { createTestDatabase, type TestDatabase } from '../support/database.js'

const MINUTE = 60_000

const forgetful: Cache = { get: async () => null, set: async () => undefined, delete: async () => undefined }

function remembering(now: () => number): Cache & { kept: Map<string, { value: string; endsMs: number }> } {
  const kept = new Map<string, { value: string; endsMs: number }>()
  return {
    kept,
    get: async (key) => {
      const entry = kept.get(key)
      return entry && entry.endsMs > now() ? entry.value : null
    },
    set: async (key, value, ttlMs) => void kept.set(key, { value, endsMs: now() + ttlMs }),
    delete: async (key) => void kept.delete(key),
  }
}

const from = (address: string) => ({ principal: null, address, userAgent: 'test', requestId: 'r1' })

function throttleOn({ prisma, pool, transact }: TestDatabase, cache: Cache = forgetful, clock = fakeClock()) {
  const secrets = createSecrets('a secret of the tests, 32 characters or more')
  const cursors = createCursors(secrets)
  const asked = { count: 0 }
  const store = createLoginCounterStore({ pool })
  const throttle = createLoginThrottle({
    store: {
      ...store,
      reserve: (...reserved) => {
        asked.count += 1
        return store.reserve(...reserved)
      },
    },
    accounts: createAccountStore({ prisma, pool, cursors }), audit: createAuditStore({ pool, cursors, clock }),
    cache, secrets, clock, transact,
  })
  const attempt = (email: string, address: string, recognised: Recognised = null) => throttle.reserve(from(address), email, recognised)
  /** 'counted', or the seconds to wait */
  const fail = (email: string, address: string, recognised: Recognised = null): Promise<'counted' | number> => attempt(email, address, recognised).then(
    () => 'counted' as const,
    (error: unknown) => {
      if (error instanceof AppError && error.code === 'login.throttled') return error.retryAfterSeconds ?? 0
      throw error
    },
  )
  const succeed = async (email: string, address: string, recognised: Recognised = null): Promise<void> => {
    const reservation = await attempt(email, address, recognised)
    await transact((tx) => throttle.succeeded(tx, reservation))
  }
  return { throttle, clock, attempt, fail, succeed, asked }
}

async function fails(times: number, one: (at: number) => Promise<'counted' | number>): Promise<number> {
  let counted = 0
  for (let at = 0; at < times; at += 1) if ((await one(at)) === 'counted') counted += 1
  return counted
}

t.test('the limits', async (t) => {
  const database = await createTestDatabase(t)

  t.test('a burst of guesses at one account holds one connection, not all of them, and each is counted', async (t) => {
    const clock = fakeClock()
    const { fail } = throttleOn(database, remembering(clock.now), clock)
    const other = new pg.Client({ connectionString: database.url })
    await other.connect()
    t.teardown(() => other.end())
    await other.query('BEGIN; LOCK TABLE login_counters IN ACCESS EXCLUSIVE MODE')
    const burst = Array.from({ length: 40 }, (_, at) => fail('burst@one.example', `10.9.${at % 4}.1`))
    // by a connection of the pool: others have theirs
    const waiting = async (): Promise<number> => (await database.pool.query(`SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`)).rows.length
    while ((await waiting()) === 0) await new Promise(setImmediate)
    t.equal(await waiting(), 1)
    t.equal(database.pool.totalCount - database.pool.idleCount, 1)
    await other.query('COMMIT')
    const answers = await Promise.all(burst)
    t.equal(answers.filter((answer) => answer === 'counted').length, 40, 'ten from each of the four')
  })

  t.test('ten in a row for an account from one address', async (t) => {
    const { fail } = throttleOn(database)
    t.equal(await fails(12, () => fail('a@one.example', '10.0.0.1')), 10)
    t.equal(await fail('a@one.example', '10.0.0.1'), 900)
    t.equal(await fail('a@one.example', '10.0.0.2'), 'counted', 'not from another address')
    t.equal(await fail('b@one.example', '10.0.0.1'), 'counted', 'not for another account')
  })

  t.test('fifty from one address over all accounts; IPv6 by its /56', async (t) => {
    const { fail } = throttleOn(database)
    t.equal(await fails(55, (at) => fail(`u${at}@two.example`, `2001:db8:1:2::${at + 1}`)), 50)
    t.equal(await fail('fresh@two.example', '2001:db8:1:ff:ffff::1'), 900)
    t.equal(await fail('fresh@two.example', '2001:db8:1:100::1'), 'counted')
  })

  t.test('a hundred in a row for one account from anywhere', async (t) => {
    const { fail } = throttleOn(database)
    t.equal(await fails(110, (at) => fail('a@three.example', `10.3.${at}.1`)), 100)
    t.equal(await fail('a@three.example', '10.3.250.1'), 900)
  })

  t.test('a denied attempt is counted by no counter', async (t) => {
    const { fail } = throttleOn(database)
    await fails(10, () => fail('a@four.example', '10.4.0.1'))
    const before = await database.prisma.loginCounter.aggregate({ _sum: { count: true } })
    await fails(20, () => fail('a@four.example', '10.4.0.1'))
    t.same(await database.prisma.loginCounter.aggregate({ _sum: { count: true } }), before)
    t.equal(await fails(45, (at) => fail(`v${at}@four.example`, '10.4.0.1')), 40, 'the address has fifty less the ten that were looked at')
  })

  t.test('a denial is audited once, without the e-mail', async (t) => {
    const rows = await database.prisma.auditEvent.findMany({ where: { action: 'login.throttled' } })
    const kinds = rows.map(({ details, targetType }) => `${targetType} ${JSON.stringify(details)}`)
    t.same(kinds.toSorted(), [
      'address {"counter":"address"}', 'address {"counter":"address"}', 'user {"counter":"account"}',
      'user {"counter":"account_address"}', 'user {"counter":"account_address"}',
    ])
    t.notMatch(JSON.stringify(rows), /@/)
    const counters = await database.prisma.loginCounter.findMany()
    t.notMatch(JSON.stringify(counters.map(({ key }) => key)), /example|10\.\d/, 'nor do the counters hold e-mail or address')
  })
})

t.test('counting in one statement', async (t) => {
  const database = await createTestDatabase(t)

  t.test('failures that another node counts meanwhile, a statement at a time like the version before, are waited for and seen', async (t) => {
    const { fail } = throttleOn(database)
    await fail('beside@one.example', '10.10.0.1')
    const other = new pg.Client({ connectionString: database.url })
    await other.connect()
    t.teardown(() => other.end())
    const counters = (await database.pool.query<{ key: string }>('SELECT key FROM login_counters')).rows.map(({ key }) => key)
    t.equal(counters.length, 3)
    await other.query('BEGIN')
    await other.query('SELECT pg_advisory_xact_lock(hashtextextended(counter, 0)) FROM unnest($1::text[]) AS counter', [counters.map((key) => key.slice(0, key.lastIndexOf('@'))).toSorted()])
    await other.query('UPDATE login_counters SET count = count + 8 WHERE key = ANY($1)', [counters])
    const met = Promise.all([fail('beside@one.example', '10.10.0.1'), fail('beside@one.example', '10.10.0.1')])
    while ((await database.pool.query("SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")).rows.length === 0) await new Promise(setImmediate)
    await other.query('COMMIT')
    t.same((await met).map((one) => one === 'counted'), [true, false], 'nine and one are ten')
  })

  t.test('with an older snapshot than its locks nothing is counted', async (t) => {
    const client = await database.pool.connect()
    t.teardown(() => client.release())
    await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ')
    await t.rejects(client.query("SELECT login_reserve('{a}', '{1}', '{a@1}', '{a@1}', now(), now())"), { message: /READ COMMITTED/ })
    await client.query('ROLLBACK')
  })
})

t.test('what is the owner\'s own is not locked out by others', async (t) => {
  const database = await createTestDatabase(t)
  const { prisma } = database
  const phone: Recognised = { by: 'device', id: 'phone' }

  /** What so many failures leave behind that are like the one that `work` counts. */
  async function asIf(failures: number, work: () => Promise<'counted' | number>): Promise<void> {
    const before = (await prisma.loginCounter.findMany()).map(({ key }) => key)
    if ((await work()) !== 'counted') throw new Error('it was locked before')
    await prisma.loginCounter.updateMany({ where: { key: { notIn: before } }, data: { count: failures } })
  }

  t.test('a known device goes on when the account, its address and its network are locked', async (t) => {
    const { fail, succeed } = throttleOn(database)
    await asIf(100, () => fail('a@own.example', '10.3.0.1'))
    await asIf(50, () => fail('u@own.example', '10.4.0.1'))
    t.equal(await fail('a@own.example', '10.5.0.1'), 900, 'the account is locked to strangers')
    t.equal(await fail('b@own.example', '10.4.0.1'), 900, 'and so is the address')
    await succeed('a@own.example', '10.4.0.1', phone)
    t.equal(await fail('a@own.example', '10.5.0.1'), 900, 'which a sign-in from the known device does not open to strangers')
    t.equal(await fail('a@own.example', '10.4.0.1', { by: 'session', id: 's1' }), 'counted', 'nor is a session of its own held back')
  })

  t.test('a known device has ten guesses of its own, and no other device loses them', async (t) => {
    const { fail, succeed } = throttleOn(database)
    t.equal(await fails(12, (at) => fail('c@own.example', `10.6.${at}.1`, phone)), 10, 'whatever address it moves to')
    await succeed('c@own.example', '10.6.0.1', { by: 'device', id: 'laptop' })
    t.equal(await fail('c@own.example', '10.6.0.1', phone), 900)
    t.equal(await fail('c@own.example', '10.6.0.1'), 'counted', 'its guesses are held against nobody else')
  })

  t.test('an address the account signs in from passes the lock of the account and of the address, with its own ten', async (t) => {
    const { fail } = throttleOn(database)
    await asIf(100, () => fail('d@own.example', '10.7.0.1'))
    await asIf(50, () => fail('v@own.example', '10.8.0.1'))
    t.equal(await fails(12, () => fail('d@own.example', '10.8.0.1', { by: 'address' })), 10)
  })

  t.test('two hundred from one IPv6 /48 lock all of its /56, and no other network', async (t) => {
    const { fail } = throttleOn(database)
    await asIf(199, () => fail('n@net.example', '2001:db8:7:100::1'))
    t.equal(await fail('o@net.example', '2001:db8:7:200::1'), 'counted')
    t.equal(await fail('p@net.example', '2001:db8:7:300::1'), 900)
    t.equal(await fail('p@net.example', '2001:db8:8:300::1'), 'counted')
  })
})

t.test('time', async (t) => {
  const database = await createTestDatabase(t)

  t.test('no window of fifteen minutes ever takes more than ten', async (t) => {
    const { fail, clock } = throttleOn(database)
    const counted: number[] = []
    for (let step = 0; step < 200; step += 1) {
      // a burst at the start of each window is the worst case of counters that start anew
      for (let burst = 0; burst < (step % 7 === 0 ? 6 : 1); burst += 1) if ((await fail('a@time.example', '10.0.0.1')) === 'counted') counted.push(clock.now())
      clock.advance(37_000)
    }
    const worst = Math.max(...counted.map((start) => counted.filter((at) => at >= start && at < start + 15 * MINUTE).length))
    t.equal(worst, 10)
  })

  t.test('the wait that is told is enough, and not much too long', async (t) => {
    const { fail, clock } = throttleOn(database)
    await fails(4, () => fail('b@time.example', '10.0.0.1'))
    clock.advance(5 * MINUTE)
    await fails(6, () => fail('b@time.example', '10.0.0.1'))
    t.equal(await fail('b@time.example', '10.0.0.1'), 600, 'until the first four lapse')
    clock.advance(599_000)
    t.equal(await fail('b@time.example', '10.0.0.1'), 1)
    clock.advance(1_000)
    t.equal(await fails(6, () => fail('b@time.example', '10.0.0.1')), 4)
  })
})

t.test('a success', async (t) => {
  const database = await createTestDatabase(t)

  t.test('forgives the account, from this address and from anywhere', async (t) => {
    const { fail, succeed } = throttleOn(database)
    await fails(95, (at) => fail('a@yes.example', `10.1.${at}.1`))
    await fails(4, () => fail('a@yes.example', '10.0.0.1'))
    await succeed('a@yes.example', '10.0.0.1')
    t.equal(await fails(12, () => fail('a@yes.example', '10.0.0.1')), 10)
    t.equal(await fails(95, (at) => fail('a@yes.example', `10.2.${at}.1`)), 90, 'a hundred anew, ten of them used')
  })

  t.test('takes back its own attempt from the address, and no other', async (t) => {
    const { fail, succeed } = throttleOn(database)
    await fails(49, (at) => fail(`u${at}@yes.example`, '10.9.0.1'))
    for (let round = 0; round < 5; round += 1) await succeed('mine@yes.example', '10.9.0.1')
    t.equal(await fail('last@yes.example', '10.9.0.1'), 'counted')
    t.equal(await fail('over@yes.example', '10.9.0.1'), 900, 'signing in to an own account does not clear the address')
  })

  t.test('that is rolled back forgives nothing', async (t) => {
    const { throttle, attempt, fail } = throttleOn(database)
    await fails(9, () => fail('c@yes.example', '10.8.0.1'))
    const reservation = await attempt('c@yes.example', '10.8.0.1')
    await t.rejects(database.transact(async (tx) => {
      await throttle.succeeded(tx, reservation)
      throw new Error('the sign-in failed after all')
    }), /after all/)
    t.equal(await fail('c@yes.example', '10.8.0.1'), 900)
  })

  t.test('an attempt whose password was never looked at is taken back', async (t) => {
    const { throttle, attempt, fail } = throttleOn(database)
    for (let round = 0; round < 15; round += 1) {
      const reservation = await attempt('d@yes.example', '10.7.0.1')
      await t.rejects(throttle.whileReserved(reservation, async () => Promise.reject(problem('server.busy'))), { code: 'server.busy' })
    }
    t.equal(await fails(12, () => fail('d@yes.example', '10.7.0.1')), 10)
  })
})

t.test('a flood of denials does not reach the database', async (t) => {
  const database = await createTestDatabase(t)
  const clock = fakeClock()
  const { fail, asked } = throttleOn(database, remembering(clock.now), clock)
  await fails(11, () => fail('a@flood.example', '10.0.0.1'))
  const before = asked.count
  for (let round = 0; round < 50; round += 1) t.equal(await fail('a@flood.example', '10.0.0.1'), 900)
  t.equal(asked.count, before)
  clock.advance(5_001)
  t.equal(await fail('a@flood.example', '10.0.0.1'), 895)
  t.equal(asked.count, before + 1, 'and after five seconds it is asked again')
  t.equal(await database.prisma.auditEvent.count({ where: { action: 'login.throttled' } }), 1)
})

const minute = (count: number, endsMs: number) => ({ counter: 'c', count, expiresAt: new Date(endsMs) })

t.test('lockedUntil', async (t) => {
  t.equal(lockedUntil([], 10), null)
  t.equal(lockedUntil([minute(9, 100)], 10), null)
  t.equal(lockedUntil([minute(10, 100)], 10), 100)
  t.equal(lockedUntil([minute(4, 100), minute(6, 200)], 10), 100)
  t.equal(lockedUntil([minute(1, 100), minute(6, 200), minute(9, 300)], 10), 200)
})
