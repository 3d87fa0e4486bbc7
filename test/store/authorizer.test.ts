// The authorizer on a real database: each credential resolved and judged, what is charged, and what is noted of its use.
import { hash, randomBytes } from 'node:crypto'
import t from 'tap'
import { createCredentialStore } from '../../src/decisions/credential-store.js'
import { createAuthorizer, type Verification } from '../../src/decisions/authorizer.js'
import { createDecisionCache } from '../../src/decisions/decision-cache.js'
import { createRevocations, type LoggedRevocation } from '../../src/revocation/revocations.js'
import { createLastUsed } from '../../src/decisions/last-used.js'
import { problem } from '../../src/kernel/errors.js'
import { newId } from '../../src/kernel/ids.js'
import { sha256 } from '../../src/kernel/secrets.js'
import { formatKey } from '../../src/keys/key-format.js'
import type { LimitCharge, LimitDecision } from '../../src/shared-store/shared-store.js'
import { fakeClock } from '../support/clock.js'
import { createTestDatabase } from '../support/database.js'

const log = { error: () => undefined }
const readCookie = (value: string): Buffer | null => (value.startsWith('signed.') ? sha256(value) : null)
const handDriven = { every: () => () => undefined }

t.test('the authorizer', async (t) => {
  const { prisma, pool } = await createTestDatabase(t)
  const clock = fakeClock()
  const credentials = createCredentialStore({ pool })
  let reads = 0
  // what happens between the reading of a key and the coming of its answer
  const beforeAnswerOf = new Map<string, () => Promise<void>>()
  const store = {
    ...credentials,
    keyByHash: async (hash: Buffer) => {
      reads += 1
      const snapshot = await credentials.keyByHash(hash)
      await beforeAnswerOf.get(snapshot?.entry.keyId ?? '')?.()
      return snapshot
    },
  }
  const charged: (readonly LimitCharge[])[] = []
  let decision: LimitDecision | undefined
  let beforeTaken = async (): Promise<void> => undefined
  const limits = {
    async take(charges: readonly LimitCharge[]): Promise<LimitDecision> {
      charged.push(charges)
      await beforeTaken()
      return decision ?? { allowed: true, states: charges.map(({ quota, cost }) => ({ remaining: quota - cost, resetMs: 1_500 })), retryAfterMs: 0 }
    },
    guarantee: () => ({ guarantee: 'exact' as const, earlyBy: 0 }),
  }
  // a log that is heard at once, and of nothing: what the cache keeps is dropped by hand
  const revocations = createRevocations({ clock, leaseMs: 1_500 })
  const unheard: LoggedRevocation[] = []
  const restore = async (): Promise<void> => {
    const rows = unheard.splice(0)
    revocations.applyPoll({ startedAt: revocations.now(), server: 's', head: rows.at(-1)?.seq ?? revocations.cursor(), rows })
  }
  // the migrations have revoked some, too
  let seq = Number((await pool.query<{ seq: string }>('SELECT seq FROM revocation_head')).rows[0]?.seq)
  const forget = (tag: string): void => revocations.apply({ seq: (seq += 1), tag })
  const cache = createDecisionCache({ revocations, restore, maxEntries: 100, maxBytes: 100_000 })
  const lastUsed = createLastUsed({ store, clock, log, ...handDriven })
  const tokens = {
    async verify(token: string) {
      const [userId = '', sessionId = ''] = token.split('.')
      if (!sessionId) throw problem('token.invalid')
      return { kind: 'session' as const, userId, sessionId, organizationId: null, expiresAt: new Date(clock.now() + 300_000) }
    },
  }
  const authorizer = createAuthorizer({ store, cache, tokens, userinfo: () => 'userinfo', readCookie, limits, lastUsed, clock, config: { sessionIdleSeconds: 600 } })

  const at = (ms = 0): Date => new Date(clock.now() + ms)
  async function user(status: 'active' | 'suspended' = 'active', roles: string[] = []): Promise<string> {
    const id = newId()
    const create = roles.map((roleName) => ({ roleName }))
    await prisma.user.create({ data: { id, email: `${id}@example.com`, status, createdAt: at(), updatedAt: at(), roles: { create } } })
    return id
  }
  async function key(changes: Record<string, unknown> = {}): Promise<{ id: string; key: string; group: string }> {
    const { key, start } = formatKey('gk')
    const [id, group] = [newId(), newId()]
    const ownerUserId = (changes['ownerUserId'] as string | undefined) ?? (await user())
    await prisma.apiKey.create({
      data: {
        id, name: 'k', start, keyHash: new Uint8Array(sha256(key)), permissions: ['reports:*'], limitGroupId: group, createdAt: at(), updatedAt: at(),
        limits: [{ name: 'calls', quota: 5, windowSeconds: 60 }], metadata: { plan: 'free' }, ...changes, ownerUserId,
      },
    })
    return { id, key, group }
  }
  async function session(userId: string, changes: Record<string, unknown> = {}): Promise<string> {
    const id = newId()
    await prisma.session.create({
      data: {
        id, userId, kind: 'token', address: '::1', userAgent: '', refreshSeed: new Uint8Array(32), createdAt: at(), lastSeenAt: at(), expiresAt: at(3_600_000),
        ...changes,
      },
    })
    return id
  }
  const authenticate = async (kind: 'key' | 'token' | 'cookie', value: string) => authorizer.authenticate({ kind, value }, '192.0.2.1')
  const verify = async (text: string, permissions: string[] = []): Promise<string> => (await authorizer.verify({ key: text, permissions })).code

  t.test('a valid key is described in full', async (t) => {
    const ownerUserId = await user()
    const made = await key({ ownerUserId, expiresAt: at(10_000) })
    const expected: Verification = {
      valid: true, code: 'valid', keyId: made.id, name: 'k', owner: { type: 'user', id: ownerUserId }, permissions: ['reports:*'], metadata: { plan: 'free' },
      expiresAt: at(10_000).toISOString(), limits: [{ name: 'calls', quota: 5, remaining: 3, resetSeconds: 2, guarantee: 'exact', earlyBy: 0, windowSeconds: 60 }],
    }
    const { answer, ...shown } = await authorizer.verify({ key: made.key, permissions: ['reports:read'], cost: 2 })
    t.same(shown, expected)
    t.same(answer, { text: '' }, 'and comes with the place for what is written of it')
    t.same(charged.pop(), [{ key: `key:{${ownerUserId}}:${made.group}:calls`, quota: 5, windowMs: 60_000, cost: 2, strict: true }])
    t.same(await authenticate('key', made.key), { type: 'key', id: ownerUserId, keyId: made.id, permissions: ['reports:*'], authenticatedBy: 'key' })
    t.equal(charged.length, 0, 'authenticating charges nothing')
  })

  t.test('a key without limits or an end asks no limit store', async (t) => {
    const made = await key({ limits: [] })
    t.match(await authorizer.verify({ key: made.key }), { valid: true, expiresAt: null, limits: [] })
    t.equal(charged.length, 0)
  })

  t.test('a mistyped key is not looked up; an unknown one is', async (t) => {
    const before = reads
    t.same(await authorizer.verify({ key: `${formatKey('gk').key}x` }), { valid: false, code: 'not_found' })
    t.equal(reads, before)
    t.same(await authorizer.verify({ key: formatKey('gk').key }), { valid: false, code: 'not_found' })
    t.equal(reads, before + 1)
  })

  t.test('keys that are asked for at once are read together, each as it would be by itself', async (t) => {
    const made = await Promise.all([...Array.from({ length: 20 }, async (_, at) => key({ name: `k${at}` })), key({ revokedAt: at() }), key({ ownerUserId: await user('suspended') })])
    const asked = [...made.map((one) => sha256(one.key)), sha256('none'), sha256(made[3]?.key ?? ''), ...Array.from({ length: 230 }, () => randomBytes(32))]
    const one = createCredentialStore({ pool })
    const byThemselves = []
    for (const hash of asked) byThemselves.push(await one.keyByHash(hash))
    const statements: unknown[] = []
    const counting = { query: async (statement: { text: string; values: unknown[] }) => (statements.push(statement.text), pool.query(statement)) } as unknown as typeof pool
    const many = createCredentialStore({ pool: counting })
    t.same(await Promise.all(asked.map(async (hash) => many.keyByHash(hash))), byThemselves)
    t.same(byThemselves.slice(20, 25).map((found) => [found?.entry.revoked, found?.entry.ownerActive]), [[true, true], [false, false], [undefined, undefined], [false, true], [undefined, undefined]])
    t.equal(statements.length, 7, 'four by themselves, and the others by the hundred')
  })

  t.test('the first failing check is the answer, and a refused key is charged nothing', async (t) => {
    const suspended = await user('suspended')
    t.equal(await verify((await key({ revokedAt: at(), expiresAt: at(-1), ownerUserId: suspended })).key, ['x:y']), 'revoked')
    t.equal(await verify((await key({ expiresAt: at(), ownerUserId: suspended })).key, ['x:y']), 'expired')
    t.equal(await verify((await key({ ownerUserId: suspended })).key, ['x:y']), 'owner_suspended')
    t.equal(await verify((await key()).key, ['reports:read', 'x:y']), 'forbidden')
    t.equal(charged.length, 0)
  })

  t.test('a key lives to the millisecond before its end', async (t) => {
    const made = await key({ expiresAt: at(1) })
    t.equal(await verify(made.key), 'valid')
    clock.advance(1)
    t.equal(await verify(made.key), 'expired')
    await t.rejects(authenticate('key', made.key), { code: 'key.invalid', detail: 'It has expired' })
    charged.length = 0
  })

  t.test('a limit that is reached says when to come back, or that no waiting helps', async (t) => {
    const made = await key()
    decision = { allowed: false, states: [{ remaining: 0, resetMs: 59_001 }], retryAfterMs: 100 }
    const limitsLeft = [{ name: 'calls', quota: 5, remaining: 0, resetSeconds: 60, guarantee: 'exact', earlyBy: 0, windowSeconds: 60 }]
    t.same(await authorizer.verify({ key: made.key }), { valid: false, code: 'rate_limited', limits: limitsLeft, retryAfterSeconds: 1 })
    decision = { ...decision, retryAfterMs: Infinity }
    t.equal((await authorizer.verify({ key: made.key })).retryAfterSeconds, null)
    decision = undefined
    charged.length = 0
  })

  t.test('rotated keys share their counters', async (t) => {
    const ownerUserId = await user()
    const first = await key({ ownerUserId })
    const second = await key({ ownerUserId, limitGroupId: first.group })
    await verify(first.key)
    await verify(second.key)
    t.equal(charged[0]?.[0]?.key, charged[1]?.[0]?.key)
    charged.length = 0
  })

  t.test('what was found is read once, until it is revoked; what time has ended is read anew', async (t) => {
    const made = await key({ expiresAt: at(5_000) })
    await verify(made.key)
    const before = reads
    t.notOk(authorizer.authenticate({ kind: 'key', value: made.key }, '192.0.2.1') instanceof Promise, 'no promise for what is at hand')
    t.equal(authorizer.authenticate({ kind: 'key', value: made.key }, '192.0.2.1'), authorizer.authenticate({ kind: 'key', value: made.key }, '192.0.2.1'), 'and no new object')
    t.equal(reads, before)
    await t.rejects(authenticate('cookie', made.key), { code: 'session.invalid' }, 'a key that is held is no cookie')
    await prisma.apiKey.update({ where: { id: made.id }, data: { revokedAt: at() } })
    t.equal(await verify(made.key), 'valid', 'nobody has told yet')
    forget(`key:${made.id}`)
    t.equal(await verify(made.key), 'revoked')
    t.equal(await verify(made.key), 'revoked')
    t.equal(reads, before + 2, 'a refusal is never kept')
    const ending = await key({ expiresAt: at(1_000) })
    await verify(ending.key)
    await prisma.apiKey.update({ where: { id: ending.id }, data: { expiresAt: at(9_000) } })
    clock.advance(1_000)
    t.equal(await verify(ending.key), 'valid', 'it was prolonged')
    charged.length = 0
  })

  t.test('a batch that waits for one key judges the others by what is known when they are answered', async (t) => {
    const batch = async (meanwhile: (id: string) => Promise<void>): Promise<string[]> => {
      const [early, late] = [await key({ limits: [] }), await key({ limits: [] })]
      beforeAnswerOf.set(late.id, async () => {
        beforeAnswerOf.delete(late.id)
        // by then the first key has been read, and the cache holds it
        while (cache.find('key', hash('sha256', early.key, 'binary')) === null) await new Promise((resolve) => { setImmediate(resolve) })
        await meanwhile(early.id)
      })
      const answers = await authorizer.verifyAll([{ key: early.key }, { key: late.key }, { key: early.key }])
      return answers.map(({ code }) => code)
    }
    const revoke = async (id: string): Promise<LoggedRevocation> => {
      await prisma.apiKey.update({ where: { id }, data: { revokedAt: at() } })
      const { rows: [head] } = await pool.query<{ seq: string }>('SELECT seq FROM revocation_head')
      return { seq: (seq = Math.max(seq, Number(head?.seq))), tag: `key:${id}` }
    }
    t.same(await batch(async () => undefined), ['valid', 'valid', 'valid'])
    t.same(await batch(async (id) => revocations.apply(await revoke(id))), ['revoked', 'valid', 'revoked'], 'a revocation was heard of')
    t.same(await batch(async (id) => {
      unheard.push(await revoke(id))
      clock.advance(1_600)
    }), ['revoked', 'valid', 'revoked'], 'the reading has become older than the lease, and nothing was heard')
  })

  t.test('batches ask about many counters at once, but no more than Redis answers in time, however many batches there are', async (t) => {
    const keys = await Promise.all(Array.from({ length: 150 }, async () => (await key()).key))
    let [asking, most] = [0, 0]
    beforeTaken = async () => {
      most = Math.max(most, asking += 1)
      await new Promise((resolve) => { setImmediate(resolve) })
      asking -= 1
    }
    const answers = await Promise.all([1, 2, 3].map(() => authorizer.verifyAll(keys.map((key) => ({ key })))))
    beforeTaken = async () => undefined
    charged.length = 0
    t.ok(answers.flat().length === 450 && answers.flat().every(({ valid }) => valid))
    t.ok(most > 10 && most <= 66, `${most}`)
  })

  t.test('a session carries the permissions of all roles of its user', async (t) => {
    const userId = await user('active', ['admin', 'member'])
    const sessionId = await session(userId)
    const expected = { type: 'user', id: userId, sessionId, permissions: ['*:*', 'gatehouse:*', 'gatehouse:own.factors', 'gatehouse:own.keys', 'gatehouse:own.profile', 'gatehouse:own.sessions'], acr: 'urn:gatehouse:1fa', authTimeMs: at().getTime(), authenticatedBy: 'token' }
    t.same(await authenticate('token', `${userId}.${sessionId}`), expected)
    const cookie = `signed.${randomBytes(8).toString('hex')}`
    const cookieId = await session(userId, { kind: 'cookie', refreshSeed: null, secretHash: new Uint8Array(sha256(cookie)) })
    t.match(await authenticate('cookie', cookie), { sessionId: cookieId, authenticatedBy: 'cookie' })
    await t.rejects(authenticate('token', `${userId}.${cookieId}`), { code: 'session.invalid' }, 'a cookie session is no token session')
  })

  t.test('a dead session is refused, for whatever reason', async (t) => {
    const userId = await user()
    const refuses = async (owner: string, id: string, why: string) => t.rejects(authenticate('token', `${owner}.${id}`), { code: 'session.invalid' }, why)
    await refuses(userId, await session(userId, { endedAt: at() }), 'ended')
    await refuses(userId, await session(userId, { expiresAt: at() }), 'past its absolute end')
    await refuses(userId, await session(userId, { lastSeenAt: at(-600_000) }), 'unused for too long')
    t.ok(await authenticate('token', `${userId}.${await session(userId, { lastSeenAt: at(-599_999) })}`))
    await refuses(userId, newId(), 'unknown')
    await refuses(newId(), await session(userId), 'of another user')
    const suspended = await user('suspended')
    await refuses(suspended, await session(suspended), 'of a suspended user')
    await t.rejects(authenticate('token', 'x'), { code: 'token.invalid' })
    await t.rejects(authenticate('cookie', 'unsigned'), { code: 'session.invalid' })
    await t.rejects(authenticate('cookie', 'signed.unknown'), { code: 'session.invalid' })
    await t.rejects(authenticate('key', formatKey('gk').key), { code: 'key.invalid' })
    await t.rejects(authenticate('key', 'x'), { code: 'key.invalid' })
  })

  t.test('uses of keys and sessions are written once a minute, and never backwards', async (t) => {
    await lastUsed.flush()
    const made = await key()
    const unused = await key()
    const userId = await user()
    const sessionId = await session(userId, { lastSeenAt: at(-1_000) })
    const seen = async () => (await prisma.session.findUniqueOrThrow({ where: { id: sessionId } })).lastSeenAt.getTime()
    const used = async (id: string) => (await prisma.apiKey.findUniqueOrThrow({ where: { id } })).lastUsedAt?.getTime()
    const first = clock.now()
    await verify(made.key)
    await authenticate('token', `${userId}.${sessionId}`)
    await lastUsed.flush()
    t.same([await used(made.id), await seen(), await used(unused.id)], [first, first, undefined])
    clock.advance(59_999)
    await verify(made.key)
    await lastUsed.flush()
    t.equal(await used(made.id), first)
    clock.advance(1)
    await verify(made.key)
    await authenticate('token', `${userId}.${sessionId}`)
    await lastUsed.close()
    t.same([await used(made.id), await seen()], [first + 60_000, first + 60_000])
    await credentials.noteUses({ keys: new Map([[made.id, first]]), sessions: new Map([[sessionId, first]]) })
    t.same([await used(made.id), await seen()], [first + 60_000, first + 60_000])
    t.equal((await prisma.apiKey.findUniqueOrThrow({ where: { id: made.id } })).version, 1, 'a use is no change')
  })

  t.test('a row that somebody is changing is passed over, not waited for', async (t) => {
    const made = await key()
    await prisma.$transaction(async (tx) => {
      await tx.apiKey.update({ where: { id: made.id }, data: { name: 'x' } })
      await credentials.noteUses({ keys: new Map([[made.id, clock.now()]]), sessions: new Map() })
    })
    t.equal((await prisma.apiKey.findUniqueOrThrow({ where: { id: made.id } })).lastUsedAt, null)
  })
})
