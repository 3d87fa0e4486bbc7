// Each check of who opens an account and changes their own, by itself (src/accounts/account-service.ts), asked of the service: what a route keeps out, or another check behind it, hides none.
import t from 'tap'
import { createActors } from '../support/actors.js'
import { PASSWORD, startApp } from '../support/app.js'
import type { Caller } from '../../src/kernel/principal.js'

const WRITE = 'gatehouse:users.write'
const IMPORT = 'gatehouse:users.import'
const NEW = 'a quiet mountain of paper'
const WEAK = 'hunter2'
const NOBODY = '0198c0de-7d3a-7c1e-9a53-0d9a3c0b6f44'
const BCRYPT = { scheme: 'bcrypt', hash: '$2a$06$If6bvum7DFjUnE9p2uDeDu0YHzrHM6tf.iqN8.yx.jNN1ILEf7h0i' } as const
const WAITING = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"

t.test('opening accounts, and changing one\'s own', async (t) => {
  const { app, as, database } = await startApp(t)
  const { prisma, pool } = database
  const { person, role } = await createActors(app, as)
  const accounts = app.accounts
  const callerOf = (id: string, sessionId: string, permissions: string[]): Caller => ({ principal: { type: 'user', id, sessionId, permissions, authenticatedBy: 'token' }, address: '', userAgent: '', requestId: '' })
  const stranger: Caller = { principal: null, address: '', userAgent: '', requestId: '' }
  /** Somebody who holds these, and as whom they call: what is taken from their role later is unknown to the call. */
  async function holder(permissions: string[]): Promise<{ caller: Caller; id: string; lose: (left: string[]) => Promise<unknown> }> {
    const { id, role: name } = await person(permissions)
    const session = await prisma.session.findFirstOrThrow({ where: { userId: id } })
    return { id, caller: callerOf(id, session.id, permissions), lose: (left) => prisma.role.update({ where: { name }, data: { permissions: left } }) }
  }
  const refused = (t: Tap, work: Promise<unknown>, code: string, what = code) => t.rejects(work, { code }, what)
  const isThere = async (email: string) => (await prisma.user.count({ where: { email } })) === 1

  t.test('who is not there is said to be so', async (t) => {
    await refused(t, accounts.find(NOBODY), 'user.not_found')
    await refused(t, accounts.find('no-id'), 'user.not_found')
    await prisma.$transaction(async (tx) => refused(t, accounts.findIn(tx, NOBODY), 'user.not_found'))
    await refused(t, accounts.changeOwn(stranger, NOBODY, '*', { name: 'x' }), 'user.not_found')
  })

  t.test('a draft is of an address that a person has, and of a password that is none of the weak', async (t) => {
    await refused(t, accounts.draft(stranger, { email: 'x@service.invalid', password: NEW }), 'request.invalid')
    await refused(t, accounts.draft(stranger, { email: 'x@example.com', password: WEAK }), 'password.weak')
    await refused(t, accounts.draft(stranger, { email: 'xylophonist@example.com', password: 'xylophonist@example.com' }), 'password.weak', 'nor of what everybody knows of them')
    t.match(await accounts.draft(stranger, { email: 'x@example.com', password: NEW }), { email: 'x@example.com', passwordHash: String })
  })

  t.test('who may not give what a draft has is told that alone, before any of it is read or hashed', async (t) => {
    const { caller } = await holder([WRITE])
    const strong = await role(['c:d'])
    await refused(t, accounts.draftFor(caller, { email: 'x@example.com', password: WEAK, roles: [strong] }), 'permission.not_held')
    await refused(t, accounts.draftFor(caller, { email: 'x@example.com', passwordHash: { ...BCRYPT, hash: 'none' } }), 'access.denied')
    await refused(t, accounts.draftFor(stranger, { email: 'x@example.com', password: NEW, roles: [strong] }), 'permission.not_held')
    const importer = await holder([WRITE, IMPORT])
    await refused(t, accounts.draftFor(importer.caller, { email: 'x@example.com', passwordHash: BCRYPT, password: NEW }), 'request.invalid')
    t.match(await accounts.draftFor(importer.caller, { email: 'x@example.com', passwordHash: BCRYPT }), { imported: 'bcrypt' })
  })

  t.test('a machine has a name, and nothing that a person signs in with', async (t) => {
    const { caller } = await holder([WRITE, IMPORT])
    const wrong = [{ name: 'V', email: 'v@example.com' }, { name: 'V', password: NEW }, { name: 'V', passwordHash: BCRYPT }, {}, { name: null }, { name: '  ' }]
    for (const body of wrong) await refused(t, accounts.draftFor(caller, { kind: 'service', ...body }), 'request.invalid', JSON.stringify(body))
    t.match(await accounts.draftFor(caller, { kind: 'service', name: ' V ' }), { kind: 'service', name: 'V', passwordHash: null })
  })

  t.test('what was held at the draft is asked for again at the commit', async (t) => {
    const held = await role(['a:b'])
    const losses: [string, string, string[], object][] = [
      ['may write no more', 'access.denied', ['a:b', IMPORT], {}],
      ['may import no more', 'access.denied', [WRITE, 'a:b'], { passwordHash: BCRYPT }],
      ['holds the role no more', 'permission.not_held', [WRITE, IMPORT], { roles: [held] }],
    ]
    for (const [what, code, left, body] of losses) {
      const { caller, id, lose } = await holder([WRITE, IMPORT, 'a:b'])
      const [kept, lost] = [`kept-${id}@example.com`, `lost-${id}@example.com`]
      await accounts.open(caller, await accounts.draftFor(caller, { email: kept, ...body }))
      t.ok(await isThere(kept), what)
      const draft = await accounts.draftFor(caller, { email: lost, ...body })
      await lose(left)
      await refused(t, accounts.open(caller, draft), code, what)
      t.notOk(await isThere(lost), what)
    }
  })

  t.test('only an anonymous account that signs in has signed in when it is opened', async (t) => {
    const draft = { email: '', name: '', passwordHash: null, roles: [] }
    const opened = async (more: object) => {
      const { id } = await prisma.$transaction(async (tx) => accounts.createIn(tx, stranger, { ...draft, email: `opened-${String(Math.random()).slice(2)}@example.com`, ...more }))
      return (await prisma.user.findUniqueOrThrow({ where: { id } })).lastLoginAt.getTime() !== 0
    }
    t.equal(await opened({ signsIn: true }), false, 'the sign-in notes itself')
    t.equal(await opened({ anonymous: true }), false)
    t.equal(await opened({ signsIn: true, anonymous: true }), true)
  })

  t.test('one\'s own words are of the version that was read, and in a language', async (t) => {
    const { id, caller } = await holder([])
    await refused(t, accounts.changeOwn(caller, id, '*', { locale: 'no language!' }), 'request.invalid')
    await refused(t, accounts.changeOwn(caller, id, 99, { name: 'x' }), 'precondition.failed')
    t.match(await accounts.changeOwn(caller, id, '*', { locale: 'de-at', name: ' Ada ' }), { locale: 'de-AT', name: 'Ada' })
    t.match(await accounts.changeOwn(caller, id, '*', { locale: null }), { locale: null, name: 'Ada' })
  })

  t.test('a password is changed by who is signed in, has one and knows it', async (t) => {
    const { id, caller } = await holder([])
    const hashOf = async () => (await prisma.user.findUniqueOrThrow({ where: { id } })).passwordHash
    const noted = () => prisma.auditEvent.count({ where: { action: 'password.change_failed', targetId: id } })
    const before = await hashOf()
    const change = (as: Caller, currentPassword = PASSWORD, newPassword = NEW) => accounts.changePassword(as, { currentPassword, newPassword })
    await refused(t, change(stranger), 'credentials.invalid')
    await refused(t, change(callerOf(NOBODY, NOBODY, [])), 'credentials.invalid')
    await refused(t, change(caller, PASSWORD, WEAK), 'password.weak')
    t.equal(await noted(), 0)
    await refused(t, change(caller, 'not my password'), 'credentials.invalid')
    t.equal(await noted(), 1)
    t.equal(await hashOf(), before)

    // another change is done, and not committed: this one has found the old password right, and waits for it
    const state = { waited: false, answered: false }
    const [late] = await prisma.$transaction(async (tx) => {
      await tx.user.update({ where: { id }, data: { passwordHash: 'of the other' } })
      const asked = change(caller).then(() => 'changed', (error: { code: string }) => error.code)
      void asked.then(() => (state.answered = true))
      while (!state.waited && !state.answered) state.waited = (await pool.query(WAITING)).rows.length > 0
      return [asked] as const
    }, { timeout: 20_000 })
    t.equal(await late, 'credentials.invalid')
    t.ok(state.waited)
    t.equal(await hashOf(), 'of the other', 'which stays')

    await prisma.user.update({ where: { id }, data: { passwordHash: null } })
    await refused(t, change(caller, PASSWORD, WEAK), 'credentials.invalid', 'there is no password, so there is no guess')
    t.equal(await noted(), 1)
    await prisma.user.update({ where: { id }, data: { passwordHash: before } })
    await change(caller)
    t.not(await hashOf(), before)
  })
})

type Tap = { rejects: typeof t.rejects }
