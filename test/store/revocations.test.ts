// The revocation log in a real database: what writes it and what does not, in which order, and how it is read.
import t from 'tap'
import { createRevocationStore } from '../../src/revocation/revocation-store.js'
import { newId } from '../../src/kernel/ids.js'
import { sha256 } from '../../src/kernel/secrets.js'
import { createTestDatabase, type Teardown, type TestDatabase } from '../support/database.js'

interface World {
  database: TestDatabase
  /** the tags that `work` writes, by number; [] for none */
  written: (work: () => Promise<unknown>) => Promise<string[][]>
  user: (roles?: string[]) => Promise<string>
  key: (ownerUserId: string, changes?: Record<string, unknown>) => Promise<string>
  session: (userId: string, changes?: Record<string, unknown>) => Promise<string>
}

async function createWorld(t: Teardown): Promise<World> {
  const database = await createTestDatabase(t)
  const { prisma } = database
  const now = new Date()
  const later = new Date(now.getTime() + 3_600_000)
  return {
    database,
    async written(work) {
      const { seq } = await prisma.revocationHead.findUniqueOrThrow({ where: { id: 1 } })
      await work()
      const rows = await prisma.revocationLog.findMany({ where: { seq: { gt: seq } }, orderBy: [{ seq: 'asc' }, { tag: 'asc' }] })
      const head = await prisma.revocationHead.findUniqueOrThrow({ where: { id: 1 } })
      const numbers = [...new Set(rows.map((row) => row.seq))]
      if (BigInt(numbers.length) !== head.seq - seq) throw new Error('a number without a row')
      return numbers.map((number) => rows.filter((row) => row.seq === number).map(({ tag }) => tag))
    },
    async user(roles = []) {
      const id = newId()
      await prisma.user.create({ data: { id, email: `${id}@example.com`, createdAt: now, updatedAt: now, roles: { create: roles.map((roleName) => ({ roleName })) } } })
      return id
    },
    async key(ownerUserId, changes = {}) {
      const id = newId()
      const keyHash = new Uint8Array(sha256(id))
      await prisma.apiKey.create({ data: { id, ownerUserId, name: 'k', start: 'gk_', keyHash, permissions: ['a:b'], limitGroupId: id, createdAt: now, updatedAt: now, ...changes } })
      return id
    },
    async session(userId, changes = {}) {
      const id = newId()
      await prisma.session.create({
        data: { id, userId, kind: 'token', refreshSeed: new Uint8Array(32), address: '::1', userAgent: '', createdAt: now, lastSeenAt: now, expiresAt: later, ...changes },
      })
      return id
    },
  }
}

t.test('the log is written by whoever changes what a decision rests on', async (t) => {
  const { database, written, user, key, session } = await createWorld(t)
  const { prisma, pool } = database
  const sql = (text: string, ...values: unknown[]) => () => pool.query(text, values)

  t.test('users: their status, their end, their roles', async (t) => {
    const id = await user()
    t.same(await written(sql("UPDATE users SET status = 'suspended' WHERE id = $1", id)), [[`user:${id}`]])
    t.same(await written(sql("UPDATE users SET status = 'active' WHERE id = $1", id)), [[`user:${id}`]])
    t.same(await written(sql("UPDATE users SET name = 'x', version = version + 1, last_login_at = now(), password_hash = 'p' WHERE id = $1", id)), [], 'nothing of a decision')
    t.same(await written(sql("INSERT INTO user_roles VALUES ($1, 'admin')", id)), [[`user:${id}`]])
    t.same(await written(sql("DELETE FROM user_roles WHERE user_id = $1", id)), [[`user:${id}`]])
    t.same(await written(sql('DELETE FROM users WHERE id = $1', id)), [[`user:${id}`]])
  })

  t.test('roles that come with an account revoke nothing, whoever opens it; roles that come to one that was there do, however new its row is', async (t) => {
    const inOne = (...texts: string[]) => async () => {
      const client = await pool.connect()
      try {
        await client.query(`BEGIN; ${texts.join('; ')}; COMMIT`)
      } finally {
        client.release(true)
      }
    }
    const open = (id: string) => `INSERT INTO users (id, email, created_at, updated_at) VALUES ('${id}', '${id}@example.com', now(), now())`
    const give = (id: string, role = 'member') => `INSERT INTO user_roles VALUES ('${id}', '${role}')`
    const [a, b, c, d, e, f] = [newId(), newId(), newId(), newId(), newId(), newId()]
    t.same(await written(inOne(open(a), give(a), give(a, 'admin'))), [])
    t.same(await written(inOne(open(b), `UPDATE users SET name = 'x' WHERE id = '${b}'`, give(b))), [], 'opened and changed')
    t.same(await written(inOne(`UPDATE users SET name = 'y' WHERE id = '${b}'`, give(b, 'admin'))), [[`user:${b}`]], 'changed')
    t.same(await written(inOne(`INSERT INTO users (id, email, created_at, updated_at) VALUES ('${c}', '${b}@example.com', now(), now()) ON CONFLICT (email) DO UPDATE SET name = 'z'`, `DELETE FROM user_roles WHERE user_id = '${b}'`, give(b))), [[`user:${b}`]], 'written over')
    t.same(await written(inOne(open(c), give(c), `DELETE FROM user_roles WHERE user_id = '${c}'`)), [[`user:${c}`]], 'in doubt it is told')
    t.same(await written(inOne(`DELETE FROM users WHERE id = '${a}'`, open(a), give(a))), [[`user:${a}`]], 'gone and opened again')
    t.same(await written(inOne(open(d), 'SAVEPOINT s', `UPDATE users SET name = 'x' WHERE id = '${d}'`, 'RELEASE s', give(d))), [[`user:${d}`]])
    t.same(await written(inOne(open(e), give(e), `UPDATE user_roles SET role_name = 'admin' WHERE user_id = '${e}'`)), [[`user:${e}`]])
    // as a backup brings it along: opened elsewhere, under a number that is given here now
    await inOne(open(f))()
    t.same(await written(inOne(`UPDATE users SET opened_in = (pg_current_xact_id()::text::bigint + 1)::text::xid8 WHERE id = '${f}'`)), [])
    t.same(await written(inOne(give(f))), [[`user:${f}`]])
    t.same((await pool.query('SELECT user_id, count(*)::int AS roles FROM user_roles WHERE user_id = ANY ($1) GROUP BY 1 ORDER BY 1', [[a, d]])).rows, [{ user_id: a, roles: 1 }, { user_id: d, roles: 1 }])
  })

  t.test('roles: one tag for all who have it', async (t) => {
    await Promise.all([user(['member']), user(['member'])])
    t.same(await written(sql("UPDATE roles SET permissions = '{a:b}' WHERE name = 'member'")), [['role:member']])
    t.same(await written(sql("UPDATE roles SET description = 'x' WHERE name = 'member'")), [])
  })

  t.test('sessions: their end, sooner or later; not a use, and not the deletion of what was over', async (t) => {
    const owner = await user()
    const id = await session(owner)
    const tag = [[`sess:${id}`]]
    t.same(await written(sql("UPDATE sessions SET last_seen_at = now() + interval '1 minute', refresh_generation = 3, refreshed_at = now() WHERE id = $1", id)), [], 'a use')
    t.same(await written(sql("UPDATE sessions SET expires_at = expires_at - interval '1 minute' WHERE id = $1", id)), tag)
    t.same(await written(sql("UPDATE sessions SET last_seen_at = now() - interval '1 day' WHERE id = $1", id)), tag, 'a use taken back')
    t.same(await written(sql('UPDATE sessions SET ended_at = now() WHERE id = $1', id)), tag)
    t.same(await written(sql('DELETE FROM sessions WHERE id = $1', id)), [])
    const live = await session(owner)
    t.same(await written(sql('DELETE FROM sessions WHERE id = $1', live)), [[`sess:${live}`]])
    const over = await session(owner, { expiresAt: new Date(Date.UTC(2020, 0, 1)) })
    t.same(await written(sql('DELETE FROM sessions WHERE id = $1', over)), [])
  })

  t.test('keys: all that is told of them; not a use, and not the deletion of what was revoked', async (t) => {
    const owner = await user()
    const id = await key(owner)
    const tag = [[`key:${id}`]]
    const changes = ["permissions = '{}'", "limits = '[{\"name\":\"a\"}]'", "metadata = '{\"a\":1}'", "name = 'x'", 'expires_at = now()', 'limit_group_id = gen_random_uuid()', 'key_hash = sha256(key_hash)']
    for (const change of changes) t.same(await written(sql(`UPDATE api_keys SET ${change} WHERE id = $1`, id)), tag, change)
    t.same(await written(sql('UPDATE api_keys SET last_used_at = now(), version = version + 1, updated_at = now() WHERE id = $1', id)), [], 'a use')
    t.same(await written(sql('UPDATE api_keys SET revoked_at = now() WHERE id = $1', id)), tag)
    t.same(await written(sql('DELETE FROM api_keys WHERE id = $1', id)), [])
    const live = await key(owner)
    t.same(await written(sql('DELETE FROM api_keys WHERE id = $1', live)), [[`key:${live}`]])
  })

  t.test('one number for a transaction, whatever it changes; none for one that is rolled back', async (t) => {
    const owner = await user(['member'])
    const [a, b] = [await key(owner), await session(owner)]
    const both = await written(() => prisma.$transaction(async (tx) => {
      await tx.apiKey.update({ where: { id: a }, data: { revokedAt: new Date() } })
      await tx.session.update({ where: { id: b }, data: { endedAt: new Date() } })
      await tx.apiKey.update({ where: { id: a }, data: { name: 'again' } })
    }))
    t.same(both, [[`key:${a}`, `sess:${b}`]])
    t.same(await written(() => prisma.user.delete({ where: { id: owner } })), [[`user:${owner}`]], 'what goes with a user was told with the user')
    const other = await key(await user())
    t.same(await written(() => prisma.$transaction(async (tx) => {
      await tx.apiKey.update({ where: { id: other }, data: { revokedAt: new Date() } })
      throw new Error('back')
    }).catch(() => undefined)), [])
  })

  t.test('a savepoint that is rolled back takes its number along; a forged setting is of no use', async (t) => {
    const owner = await user()
    const [a, b, c] = [await key(owner), await key(owner), await key(owner)]
    const revoke = "UPDATE api_keys SET revoked_at = now() WHERE id ="
    t.same(await written(async () => {
      const client = await pool.connect()
      try {
        await client.query("SET gatehouse.revocation = '1:1'")
        await client.query('BEGIN')
        await client.query('SAVEPOINT s')
        await client.query(`${revoke} '${a}'; SET CONSTRAINTS ALL IMMEDIATE`)
        await client.query('ROLLBACK TO s')
        await client.query(`${revoke} '${b}'; COMMIT`)
        await client.query(`${revoke} '${c}'`)
      } finally {
        client.release(true)
      }
    }), [[`key:${b}`], [`key:${c}`]])
  })

  t.test('TRUNCATE revokes everything', async (t) => {
    t.same(await written(sql('TRUNCATE sessions CASCADE')), [['*']])
  })
})

t.test('numbers are given in the order of commits, and the log is read in one snapshot', async (t) => {
  const { database, user, key } = await createWorld(t)
  const { pool, connectAlone } = database
  const store = createRevocationStore({ pool, connectAlone, nodeId: newId() })
  t.teardown(store.close)
  const owner = await user()
  const ids = await Promise.all(Array.from({ length: 12 }, () => key(owner)))
  const { head } = await store.poll(-1)
  t.same((await store.poll(-1)).rows, [], 'a first look is not told what was before')
  const committed: string[] = []
  const seen: string[] = []
  const reader = (async () => {
    let cursor = head
    while (seen.length < ids.length) {
      const answer = await store.poll(cursor)
      for (const { seq, tag } of answer.rows) {
        if (seq !== cursor + 1) throw new Error('a gap')
        cursor = seq
        seen.push(tag)
      }
      if (answer.head !== cursor) throw new Error('the head is ahead of the rows')
    }
  })()
  await Promise.all(ids.map(async (id) => {
    await pool.query('UPDATE api_keys SET revoked_at = now() WHERE id = $1', [id])
    committed.push(`key:${id}`)
  }))
  await reader
  t.same(seen.toSorted(), committed.toSorted())
})

t.test('the log is cut where it is too long to be of use, and after an hour', async (t) => {
  const { database, user } = await createWorld(t)
  const { pool, connectAlone } = database
  const store = createRevocationStore({ pool, connectAlone, nodeId: newId() })
  t.teardown(store.close)
  const { head } = await store.poll(-1)
  await pool.query("SELECT revoke_tag('x:' || n) FROM generate_series(1, 10001) n")
  t.match(await store.poll(head), { head: head + 1, rows: [] })
  t.equal((await store.poll(head)).rows.length, 0)
  await pool.query("SELECT revoke_tag('y:1')")
  t.match(await store.poll(head + 1), { head: head + 2, rows: [{ seq: head + 2, tag: 'y:1' }] })
  t.equal(await store.prune(), 0)
  await pool.query("UPDATE revocation_log SET at = at - interval '61 minutes' WHERE tag LIKE 'x:%'")
  t.equal(await store.prune(), 10_001)
  t.equal((await store.poll(head)).rows.length, 1)
  t.ok(await user())
})

t.test('a connection that is lost is replaced at the next question, and a slow answer is given up', async (t) => {
  const { database } = await createWorld(t)
  const { pool, connectAlone } = database
  const store = createRevocationStore({ pool, connectAlone, nodeId: newId() })
  t.teardown(store.close)
  await store.poll(-1)
  await pool.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'gatehouse-revocations' AND datname = current_database()")
  await store.poll(-1).catch(() => undefined)
  t.type((await store.poll(-1)).head, 'number')
  const client = await pool.connect()
  await client.query('BEGIN')
  await client.query('LOCK TABLE revocation_head IN ACCESS EXCLUSIVE MODE')
  const from = performance.now()
  await t.rejects(store.poll(-1))
  t.ok(performance.now() - from < 5_000)
  await client.query('ROLLBACK')
  client.release()
  t.type((await store.poll(-1)).head, 'number')
})

t.test('nodes note how far they are', async (t) => {
  const { database } = await createWorld(t)
  const { pool, connectAlone } = database
  const [a, b, gone] = [newId(), newId(), newId()]
  const stores = [a, b].map((nodeId) => createRevocationStore({ pool, connectAlone, nodeId }))
  t.equal(await stores[0]?.slowestCursor(15_000), Infinity, 'nobody is there')
  await pool.query("INSERT INTO nodes (id, seen_at, cursor) VALUES ($1, now(), 0), ($2, now(), 0), ($3, now() - interval '16 seconds', 0)", [a, b, gone])
  await stores[0]?.noteCursor(7)
  t.equal(await stores[1]?.slowestCursor(15_000), 0)
  await stores[1]?.noteCursor(5)
  t.equal(await stores[1]?.slowestCursor(15_000), 5, 'a node that is gone is not waited for')
  await Promise.all(stores.map((store) => store.close()))
})
