// Held at commit: on two nodes, granters against narrowers. Whatever the order, no grant is left that its giver did not hold when it was
// committed; nobody waits for ever; no deadlock.
import type { LightMyRequestResponse } from 'fastify'
import t from 'tap'
import { createActors } from '../support/actors.js'
import { expectJson, PASSWORD, startApp } from '../support/app.js'

interface Answer {
  statusCode: number
  elapsedMs: number
}

t.test('granters against narrowers, on two nodes', async (t) => {
  const one = await startApp(t, { config: { keysPerOwner: 100_000, soldKeysPerOwner: 100_000, requestsPerMinute: 1_000_000 } })
  const two = await startApp(t, { database: one.database, clock: one.clock, config: { keysPerOwner: 100_000, soldKeysPerOwner: 100_000, requestsPerMinute: 1_000_000 } })
  const { patch, person } = await createActors(one.app, one.as)
  const admin = await one.as.admin()
  const { prisma, pool } = one.database
  const nodes = [one.app, two.app]
  await pool.query(WATCH)
  const timed = async (work: Promise<{ statusCode: number }>): Promise<Answer> => {
    const from = performance.now()
    const { statusCode } = await work
    return { statusCode, elapsedMs: performance.now() - from }
  }
  const inject = (at: number, method: 'POST' | 'PATCH', path: string, headers: Record<string, string>, payload: object) =>
    timed((nodes[at % 2] ?? one.app).inject({ method, url: `/api/v1${path}`, headers: { ...headers, ...(method === 'PATCH' ? { 'if-match': '*' } : {}) }, payload }))

  t.test('50, 51 and 53: 8 granters against 4 narrowers leave nothing unheld, and the narrowing is not starved', async (t) => {
    const customer = await person([])
    const sellers = await Promise.all(Array.from({ length: 8 }, async () => person(['gatehouse:keys.write', 'x:y'])))
    const roles = sellers.map((seller) => seller.role)
    const without = ['gatehouse:keys.write']
    let rounds = 0
    const answers: Answer[] = []
    const narrowings: Answer[] = []
    const end = performance.now() + 4_000
    await Promise.all([
      ...sellers.map(async (seller, at) => {
        for (let turn = 0; performance.now() < end && turn < 400; turn += 1) {
          answers.push(await inject(at + turn, 'POST', '/keys', seller.headers, { name: 'k', ownerUserId: customer.id, permissions: ['x:y'] }))
        }
      }),
      ...[0, 1, 2, 3].map(async (at) => {
        for (let turn = 0; performance.now() < end && turn < 200; turn += 1) {
          rounds += 1
          const name = roles[(at * 2 + turn) % 8] ?? ''
          const id = sellers[(at * 2 + turn) % 8]?.id ?? ''
          // takes it from the role, or from the person; and gives it back
          const [path, off, on] = turn % 2 === 0 ? [`/roles/${name}`, { permissions: without }, { permissions: [...without, 'x:y'] }] : [`/users/${id}`, { roles: ['member'] }, { roles: [name] }]
          const narrowing = await inject(at + turn, 'PATCH', path, admin, off)
          narrowings.push(narrowing)
          // what was committed by now was held: nothing may appear while it is not held
          const before = await prisma.apiKey.count({ where: { issuedBy: id } })
          const after = await prisma.apiKey.count({ where: { issuedBy: id } })
          if (narrowing.statusCode === 200 && turn % 2 === 1) t.equal(after, before, 'no grant after the narrowing was answered')
          await inject(at, 'PATCH', path, admin, on)
        }
      }),
    ])
    const statuses = new Set([...answers, ...narrowings].map(({ statusCode }) => statusCode))
    t.same([...statuses].filter((status) => status >= 500), [], 'no deadlock, no time-out')
    t.ok(answers.some(({ statusCode }) => statusCode === 201) && answers.some(({ statusCode }) => statusCode === 403), 'both happened')
    t.ok(rounds > 4 && narrowings.every(({ statusCode }) => statusCode === 200), 'narrowings went through')
    t.comment(`${answers.length} grants asked for, ${narrowings.length} narrowings, the slowest ${Math.round(Math.max(...narrowings.map(({ elapsedMs }) => elapsedMs)))} ms`)
    const { rows } = await pool.query('SELECT * FROM unheld')
    t.same(rows, [], 'left unheld at their commit')
  })

  t.test('50: a demotion and a grant that crosses it: refused, or committed before', async (t) => {
    const customer = await person([])
    for (let turn = 0; turn < 20; turn += 1) {
      const seller = await person(['gatehouse:keys.write', 'x:y'])
      const [granted, demoted] = await Promise.all([
        inject(turn, 'POST', '/keys', seller.headers, { name: 'k', ownerUserId: customer.id, permissions: ['x:y'] }),
        inject(turn + 1, 'PATCH', `/users/${seller.id}?grants=revoke`, admin, { roles: [] }),
      ])
      t.equal(demoted.statusCode, 200)
      t.ok([201, 403].includes(granted.statusCode))
      // a node's own job may be at a step of the sweep: then the answer has not waited for it
      while (await prisma.keySweep.count({ where: { finishedAt: null } }) > 0) await one.app.keySweeps.runPending()
      t.equal(await prisma.apiKey.count({ where: { issuedBy: seller.id, revokedAt: null } }), 0, 'seen by the sweep, or refused')
    }
  })

  t.test('53: sixteen that issue in a loop put off neither what narrows them, nor the owner\'s sign-in or change of password', async (t) => {
    const member = await person(['x:y'])
    const over = new AbortController()
    let grants = 0
    const loops = Array.from({ length: 16 }, async (_, at) => {
      while (!over.signal.aborted) {
        await inject(at, 'POST', '/keys', member.headers, { name: 'k', permissions: [] })
        grants += 1
      }
    })
    /** How many grants went by while it waited: those that were under way, and no crowd of later ones. */
    const passedBy = async (work: () => Promise<{ statusCode: number }>): Promise<number> => {
      const before = grants
      t.ok((await work()).statusCode < 300)
      return grants - before
    }
    const signIn = () => one.app.inject({ method: 'POST', url: '/api/v1/auth/login', payload: { email: member.email, password: PASSWORD } })
    await passedBy(signIn) // the hash takes its time beside them, whoever comes first
    const rights = (await one.app.inject({ url: '/api/v1/roles/member', headers: admin })).json<{ permissions: string[] }>().permissions
    const counts = [await passedBy(() => inject(0, 'PATCH', '/roles/member', admin, { permissions: [...rights, 'app:use'] })), await passedBy(() => inject(1, 'PATCH', `/users/${member.id}`, admin, { name: 'x' }))]
    t.ok(counts.every((count) => count < 64), `${counts.join(' and ')} grants of 16 loops went by`)
    over.abort()
    await Promise.all(loops)
  })

  const host = { principal: null, host: true as const, address: '', userAgent: '', requestId: '' }
  const isSomebodyWaiting = async (): Promise<boolean> =>
    (await pool.query('SELECT 1 FROM pg_locks l JOIN pg_database d ON d.oid = l.database WHERE d.datname = current_database() AND NOT l.granted')).rows.length > 0

  t.test('each act waits for what is under way against whom, and what, it is about', async (t) => {
    const owner = await person(['x:y'])
    const issue = async (more: object = {}) => expectJson<{ id: string }>(await one.app.inject({ method: 'POST', url: '/api/v1/keys', headers: admin, payload: { name: 'k', ownerUserId: owner.id, ...more } }), 201).id
    const [spare, key, other, third] = [await person([]), await issue(), await issue(), await issue()]
    const ended = await issue({ expiresAt: new Date(one.clock.now() + 1_000).toISOString() })
    one.clock.advance(1_000)
    const user = { narrowedUsers: [owner.id] }
    const role = { narrowedRoles: [owner.role] }
    const acts = [
      ['a key is counted', 'cap', 'POST', '/keys', { name: 'k', ownerUserId: owner.id }],
      ['an ended key is brought back', 'cap', 'PATCH', `/keys/${ended}`, { expiresAt: null }],
      ['an administrator is made', role, 'PATCH', `/users/${spare.id}`, { roles: ['admin', owner.role] }],
      ['an administrator is demoted', 'admins', 'PATCH', `/users/${spare.id}`, { roles: ['member'] }],
      ['a key is issued', user, 'POST', '/keys', { name: 'k', ownerUserId: owner.id }],
      ['a key is widened', user, 'PATCH', `/keys/${key}`, { permissions: ['x:y'] }],
      ['a key is changed', { narrowedCredentials: [`key:${key}`] }, 'PATCH', `/keys/${key}`, { name: 'x' }],
      ['a key is rotated', user, 'POST', `/keys/${key}/rotate`, { graceSeconds: 0 }],
      ['a key is rotated, itself', { narrowedCredentials: [`key:${other}`] }, 'POST', `/keys/${other}/rotate`, { graceSeconds: 0 }],
      ['a key is revoked', { narrowedCredentials: [`key:${third}`] }, 'DELETE', `/keys/${third}`],
      ['somebody is changed', user, 'PATCH', `/users/${owner.id}`, { name: 'x' }],
      ['a role is given', role, 'PATCH', `/users/${spare.id}`, { roles: [owner.role] }],
      ['somebody is made', role, 'POST', '/users', { email: 'made@example.com', roles: [owner.role] }],
      ['a role is changed', role, 'PATCH', `/roles/${owner.role}`, { description: 'x' }],
      ['a role is made', { narrowedRoles: ['made'] }, 'POST', '/roles', { name: 'made', permissions: [] }],
      ['a plan is changed beside another', { narrowedRoles: [' plans'] }, 'PATCH', '/roles/made', { limits: [] }],
      ['a plan is made beside another', { narrowedRoles: [' plans'] }, 'POST', '/roles', { name: 'made-2', permissions: [] }],
      ['a role is deleted', { narrowedRoles: ['made'] }, 'DELETE', '/roles/made'],
      ['somebody is deleted', { narrowedUsers: [spare.id] }, 'DELETE', `/users/${spare.id}`],
    ] as const
    for (const [what, scope, method, path, payload] of acts) {
      let answer: Promise<{ statusCode: number; body: string }> | undefined
      const state = { waited: false, answered: false }
      await prisma.$transaction(async (tx) => {
        if (scope === 'cap') await one.app.authority.guardCap(tx, `keys:${owner.id}`)
        else if (scope === 'admins') await one.app.authority.guardAdmins(tx)
        else await one.app.authority.hold(tx, host, scope)
        answer = two.app.inject({ method, url: `/api/v1${path}`, headers: { ...admin, 'if-match': '*' }, ...(payload ? { payload } : {}) })
        void answer.then(() => (state.answered = true))
        while (!state.answered && !state.waited) state.waited = await isSomebodyWaiting()
      }, { timeout: 20_000 })
      t.ok(state.waited, what)
      const { statusCode, body } = (await answer) ?? { statusCode: 0, body: '' }
      t.ok(statusCode >= 200 && statusCode < 300, `${what}: ${statusCode < 300 ? '' : body}`)
    }
  })

  t.test('roles are taken back behind the gates of those who hold them, and from nobody who came later', async (t) => {
    const [giver, holder, late] = [await person(['gatehouse:users.write']), await person([]), await person([])]
    expectJson(await patch(`/users/${holder.id}`, giver.headers, { roles: [holder.role, 'member'] }), 200)
    let answer: Promise<LightMyRequestResponse> | undefined
    const state = { waited: false, answered: false }
    await prisma.$transaction(async (tx) => {
      await one.app.authority.hold(tx, host, { narrowedUsers: [holder.id] })
      answer = two.app.inject({ method: 'PATCH', url: `/api/v1/users/${giver.id}?grants=revoke`, headers: { ...admin, 'if-match': '*' }, payload: { roles: [] } })
      void answer.then(() => (state.answered = true))
      while (!state.answered && !state.waited) state.waited = await isSomebodyWaiting()
      await prisma.userRole.create({ data: { userId: late.id, roleName: 'member', issuedBy: giver.id, issuedVia: '' } })
    }, { timeout: 20_000 })
    t.ok(state.waited)
    if (!answer) throw new Error('nothing was asked')
    t.match(expectJson(await answer, 200), { grants: { assignments: 1, revoked: { assignments: 1 } } })
  })

  t.test('42: two administrators demote one another on two nodes: one is left', async (t) => {
    const other = await person([])
    expectJson(await patch(`/users/${other.id}`, admin, { roles: ['admin'] }), 200)
    const { user } = await one.as.adminUser()
    const answers = await Promise.all([
      inject(0, 'PATCH', `/users/${other.id}`, admin, { roles: ['member'] }), inject(1, 'PATCH', `/users/${user.id}`, other.headers, { roles: ['member'] }),
    ])
    t.same(answers.map(({ statusCode }) => statusCode).filter((status) => status >= 500), [])
    t.equal(await prisma.userRole.count({ where: { roleName: 'admin' } }), 1)
  })
})

/** Looks at each new key when its transaction commits: what is written on it and its issuer does not hold, as everybody else sees it. */
const WATCH = `
  CREATE TABLE unheld (key_id UUID, permission TEXT);
  CREATE FUNCTION watch_grants() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN
    INSERT INTO unheld SELECT NEW.id, p FROM unnest(NEW.permissions) p WHERE NEW.kind = 'standing' AND NOT EXISTS (
      SELECT 1 FROM effective_roles e JOIN roles r ON r.name = e.role_name, unnest(r.permissions) g WHERE e.user_id = NEW.issued_by AND permission_covers(g, p));
    RETURN NULL;
  END $$;
  CREATE CONSTRAINT TRIGGER watch_grants AFTER INSERT ON api_keys DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION watch_grants();`
