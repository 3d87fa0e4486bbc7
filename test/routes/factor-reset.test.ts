// POST, GET and DELETE /users/:id/factors/reset: a day's wait, a notice, the owner's way to call it off, and a giver who is judged again.
import t, { type Test } from 'tap'
import type { LightMyRequestResponse } from 'fastify'
import { RESETTING_FACTORS } from '../../src/factors/index.js'
import { expectJson, PASSWORD, startApp } from '../support/app.js'
import { factorHelpers } from '../support/factors.js'
import { freshAdmin } from '../support/federation.js'
import { workedOff } from '../support/queue.js'
import { startMailServer } from '../support/smtp.js'

const DAY_MS = 24 * 3_600_000

t.test('a reset of factors', async (t) => {
  const server = await startMailServer(t)
  const config = { smtpUrl: server.url, publicUrl: 'https://auth.example.com' }
  const house = await startApp(t, { config })
  const { app, as, clock, database } = house
  const { app: second } = await startApp(t, { config, database, clock })
  const { prisma } = database
  const { send, person, challenge, code, addPasskey } = factorHelpers(app, as, clock)
  const plan = (id: string, headers: object) => send('POST', `/users/${id}/factors/reset`, headers)
  const due = () => app.jobs.run(RESETTING_FACTORS)
  const logIn = (email: string) => send('POST', '/auth/login', {}, { email, password: PASSWORD, endOldest: true })
  const audited = async (id: string) => (await prisma.auditEvent.findMany({ where: { targetId: id, action: { startsWith: 'factors.' } }, orderBy: { id: 'asc' } })).map(({ action }) => action)
  const subjects = (email: string) => server.received.filter(({ to }) => to.includes(email)).map(({ headers }) => headers['subject']).filter((one) => /second factors/.test(one ?? ''))
  const says = (t: Test, response: LightMyRequestResponse, what: object, message = 'as it should') => t.match(response.json(), what, message)
  /** Somebody with a role of their own, signed in. */
  async function staff(permissions: string[], name: string): Promise<{ id: string; headers: () => Promise<{ authorization: string }> }> {
    const admin = await freshAdmin(house)
    expectJson(await send('POST', '/roles', admin, { name, description: 'x', permissions }), 201)
    const { user } = await as.signUp(`${name}@example.com`)
    expectJson(await send('PATCH', `/users/${user.id}`, { ...admin, 'if-match': '*' }, { roles: ['member', name] }), 200)
    return { id: user.id, headers: async () => as.bearer(expectJson<{ accessToken: string }>(await logIn(`${name}@example.com`), 200).accessToken) }
  }
  await as.admin()
  const reader = await as.key(['gatehouse:users.read'])

  t.test('happens a day later and not before: factors, codes and sessions go, the password stays, the owner is told twice', async (t) => {
    const { user, headers } = await person()
    await addPasskey(headers)
    const admin = await freshAdmin(house)
    says(t, await send('GET', `/users/${user.id}/factors/reset`, admin), { code: 'factor_reset.not_found' })
    const planned = expectJson<{ dueAt: string; givenBy: string }>(await plan(user.id, admin), 202)
    t.equal(Date.parse(planned.dueAt) - clock.now(), DAY_MS)
    t.same(expectJson(await send('GET', `/users/${user.id}/factors/reset`, admin), 200), planned)
    await workedOff(app, database)
    t.same(subjects(user.email), ['Your second factors are to be removed'])
    clock.advance(DAY_MS - 1)
    await due()
    says(t, await logIn(user.email), { status: 'mfa_required' })
    clock.advance(1)
    await due()
    const opened = expectJson<{ status: string; accessToken: string }>(await logIn(user.email), 200)
    t.equal(opened.status, 'signed_in')
    t.same(expectJson(await send('GET', '/me/factors', as.bearer(opened.accessToken)), 200), { data: [], recoveryCodes: 0 })
    t.equal(await prisma.session.count({ where: { userId: user.id, endedAt: null } }), 1, 'no other session is left')
    await workedOff(app, database)
    t.same(subjects(user.email), ['Your second factors are to be removed', 'Your second factors were removed'])
    t.same(await audited(user.id), ['factors.reset_planned', 'factors.reset'])
    says(t, await send('GET', `/users/${user.id}/factors/reset`, await freshAdmin(house)), { code: 'factor_reset.not_found' }, 'once')
  })

  t.test('the owner calls it off by proving a factor, at a sign-in or a step-up; their password alone does not', async (t) => {
    for (const by of ['totp', 'recovery_code', 'passkey', 'stepup'] as const) {
      const somebody = await person()
      const { user, secret, codes } = somebody
      const passkey = by === 'passkey' ? (await addPasskey(somebody.headers)).passkey : null
      expectJson(await plan(user.id, await freshAdmin(house)), 202)
      const waiting = await challenge(user.email)
      t.equal(await prisma.factorReset.count({ where: { userId: user.id } }), 1, 'a password calls nothing off')
      clock.advance(30_000)
      if (by === 'totp') expectJson(await send('POST', '/auth/mfa', {}, { challenge: waiting, method: 'totp', code: code(secret) }), 200)
      if (by === 'recovery_code') expectJson(await send('POST', '/auth/mfa', {}, { challenge: waiting, method: 'recovery_code', code: codes[0] }), 200)
      if (by === 'stepup') expectJson(await send('POST', '/auth/stepup', somebody.headers, { method: 'totp', code: code(secret) }), 200)
      if (passkey) expectJson(await send('POST', '/auth/passkey', {}, { assertion: passkey.assert(expectJson<{ challenge: string }>(await send('POST', '/auth/passkey/options'), 200)) }), 200)
      t.equal(await prisma.factorReset.count({ where: { userId: user.id } }), 0, by)
      t.same(await audited(user.id), ['factors.reset_planned', 'factors.reset_cancelled'], by)
      clock.advance(DAY_MS)
      await due()
      says(t, await logIn(user.email), { status: 'mfa_required' }, `${by}: the factors are there`)
    }
  })

  t.test('whoever may change accounts calls it off; planned anew, the day begins anew', async (t) => {
    const { user } = await person()
    expectJson(await plan(user.id, await freshAdmin(house)), 202)
    clock.advance(DAY_MS / 2)
    expectJson(await plan(user.id, await freshAdmin(house)), 202)
    clock.advance(DAY_MS / 2)
    await due()
    says(t, await logIn(user.email), { status: 'mfa_required' })
    const admin = await freshAdmin(house)
    t.equal((await send('DELETE', `/users/${user.id}/factors/reset`, admin)).statusCode, 204)
    says(t, await send('DELETE', `/users/${user.id}/factors/reset`, admin), { code: 'factor_reset.not_found' })
    clock.advance(DAY_MS)
    await due()
    says(t, await logIn(user.email), { status: 'mfa_required' })
  })

  t.test('refuses strangers, members, oneself, who may not do what the user may, and an account without factors', async (t) => {
    const { user } = await person()
    const own = await person()
    const plain = await as.signUp()
    for (const method of ['POST', 'GET', 'DELETE'] as const) {
      says(t, await send(method, `/users/${user.id}/factors/reset`), { status: 401 })
      says(t, await send(method, `/users/${user.id}/factors/reset`, own.headers), { code: 'access.denied' }, `${method} by a member`)
      says(t, await send(method, `/users/${own.user.id}/factors/reset`, own.headers), { code: 'access.denied' }, `${method} on oneself`)
    }
    const admin = await freshAdmin(house)
    says(t, await plan((await as.adminUser()).user.id, admin), { code: 'access.denied' })
    says(t, await plan(plain.user.id, admin), { code: 'factor.none' })
    says(t, await plan('019a3f5e-7b1c-7d2a-9f10-3c5b7a9d1e42', admin), { code: 'user.not_found' })
    const helper = await staff(['gatehouse:users.read', 'gatehouse:users.write'], 'helper')
    const boss = await staff(['gatehouse:users.write', 'reports:read'], 'boss')
    says(t, await plan(boss.id, await helper.headers()), { code: 'permission.not_held' })
    expectJson(await plan(user.id, await helper.headers()), 202)
    says(t, await plan(user.id, reader.headers), { code: 'access.denied' })
    await prisma.factorReset.deleteMany()
  })

  t.test('a giver who was demoted, suspended or deleted by then takes nothing away, and the plan is gone', async (t) => {
    for (const end of ['demoted', 'suspended', 'deleted', 'outgrown'] as const) {
      const { user } = await person()
      const giver = await staff(['gatehouse:users.read', 'gatehouse:users.write'], `giver-${end}`)
      expectJson(await plan(user.id, await giver.headers()), 202)
      const admin = { ...(await freshAdmin(house)), 'if-match': '*' }
      if (end === 'demoted') expectJson(await send('PATCH', `/users/${giver.id}`, admin, { roles: ['member'] }), 200)
      if (end === 'suspended') expectJson(await send('PATCH', `/users/${giver.id}`, admin, { status: 'suspended' }), 200)
      if (end === 'deleted') expectJson(await send('DELETE', `/users/${giver.id}`, admin), 200)
      if (end === 'outgrown') {
        expectJson(await send('POST', '/roles', admin, { name: 'outgrown', description: 'x', permissions: ['reports:read'] }), 201)
        expectJson(await send('PATCH', `/users/${user.id}`, admin, { roles: ['member', 'outgrown'] }), 200)
      }
      clock.advance(DAY_MS)
      await due()
      says(t, await logIn(user.email), { status: 'mfa_required' }, end)
      t.same(await audited(user.id), ['factors.reset_planned', 'factors.reset_refused'], end)
      t.equal(await prisma.factorReset.count({ where: { userId: user.id } }), 0, end)
    }
  })

  t.test('50 runs at once on two nodes: it happens once; and against the owner\'s proof, one of the two', async (t) => {
    const { user } = await person()
    expectJson(await plan(user.id, await freshAdmin(house)), 202)
    clock.advance(DAY_MS)
    await Promise.all(Array.from({ length: 50 }, (_, at) => (at % 2 === 0 ? app : second).factorResets.runDue(100)))
    t.same(await audited(user.id), ['factors.reset_planned', 'factors.reset'])
    await workedOff(app, database)
    t.same(subjects(user.email), ['Your second factors are to be removed', 'Your second factors were removed'])
    const other = await person()
    expectJson(await plan(other.user.id, await freshAdmin(house)), 202)
    clock.advance(DAY_MS)
    const waiting = await challenge(other.user.email)
    const [answer] = await Promise.all([send('POST', '/auth/mfa', {}, { challenge: waiting, method: 'totp', code: code(other.secret) }), app.factorResets.runDue(100), second.factorResets.runDue(100)])
    const events = await audited(other.user.id)
    t.equal(events.length, 2)
    t.equal(answer.statusCode === 200, events[1] === 'factors.reset_cancelled', `${answer.statusCode} ${events[1]}`)
  })
})
