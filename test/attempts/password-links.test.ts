// Each check of a link that sets a password, by itself (src/accounts/password-reset-service.ts), asked of the service: what a route keeps out, or another check behind it, hides none.
import t from 'tap'
import { createActors } from '../support/actors.js'
import { startApp } from '../support/app.js'
import { meanwhile } from '../support/meanwhile.js'
import type { Caller } from '../../src/kernel/principal.js'
import type { Tx } from '../../src/database/transaction.js'

const WRITE = 'gatehouse:users.write'
const NEW = 'a quiet mountain of paper'
const NOBODY = '0198c0de-7d3a-7c1e-9a53-0d9a3c0b6f44'

t.test('links that set a password, check by check', async (t) => {
  const { app, as, database } = await startApp(t)
  const { prisma } = database
  const { person } = await createActors(app, as)
  const resets = app.passwordResets
  const stranger: Caller = { principal: null, address: '', userAgent: '', requestId: '' }
  /** Somebody who holds these, and as whom they call: what is taken from their role later is unknown to the call. */
  async function holder(permissions: string[]) {
    const { id, email, role: name } = await person(permissions)
    const { id: sessionId } = await prisma.session.findFirstOrThrow({ where: { userId: id } })
    const caller: Caller = { principal: { type: 'user', id, sessionId, permissions, authenticatedBy: 'token' }, address: '', userAgent: '', requestId: '' }
    return { id, email, caller, set: (now: string[]) => prisma.role.update({ where: { name }, data: { permissions: now } }) }
  }
  const take = (token: string, newPassword = NEW) => resets.take(stranger, { token, newPassword })
  const hashOf = async (id: string) => (await prisma.user.findUniqueOrThrow({ where: { id } })).passwordHash
  const noted = (targetId: string, action: string) => prisma.auditEvent.count({ where: { targetId, action } })
  const mailed = async ({ id, email }: { id: string; email: string }) => {
    const given = await prisma.$transaction(async (tx) => app.mailedLinks.give(tx, { kind: 'password.reset', email, userId: id, lifeMs: 60_000, mostAnHour: 9 }))
    return given?.token ?? ''
  }
  /** `done`, or the code of the refusal. */
  const outcomeOf = async (work: (tx: Tx) => Promise<unknown>, ask: () => Promise<unknown>, last?: (tx: Tx) => Promise<unknown>): Promise<string> =>
    (await meanwhile(database, work, () => ask().then(() => 'done', ({ code }: { code: string }) => code), last)).answer
  const giver = await holder([WRITE])

  t.test('is given for a person who is there and active, by who may write accounts and reaches them', async (t) => {
    const target = await holder([])
    await t.rejects(resets.give(stranger, target.id), { code: 'user.not_found' })
    for (const id of ['no-id', NOBODY]) {
      await t.rejects(resets.give(giver.caller, id), { code: 'user.not_found' })
      t.equal(await noted(id, 'access.denied'), 0, 'nobody was denied anything')
    }
    const reader = await holder(['gatehouse:users.read'])
    await t.rejects(resets.give(reader.caller, target.id), { code: 'access.denied' })
    t.equal(await noted(target.id, 'access.denied'), 1)
    const strong = await holder(['a:b'])
    await t.rejects(resets.give(giver.caller, strong.id), { code: 'permission.not_held' })
    t.equal(await noted(strong.id, 'access.denied'), 1)
    await t.rejects(resets.give(giver.caller, giver.id), { code: 'access.denied' })
    t.equal(await noted(giver.id, 'access.denied'), 1)
    for (const [data, back] of [[{ status: 'suspended' }, { status: 'active' }], [{ kind: 'service', passwordHash: null }, { kind: 'person' }]] as const) {
      await prisma.user.update({ where: { id: target.id }, data })
      await t.rejects(resets.give(giver.caller, target.id), { code: 'reset.unavailable' })
      await prisma.user.update({ where: { id: target.id }, data: back })
    }
    t.equal(await noted(target.id, 'access.denied'), 1)
    t.equal(await prisma.passwordReset.count(), 0)
    t.equal(await outcomeOf((tx) => tx.user.update({ where: { id: target.id }, data: { status: 'suspended' } }), () => resets.give(giver.caller, target.id)), 'reset.unavailable', 'as they are at the commit')
    await prisma.user.update({ where: { id: target.id }, data: { status: 'active' } })
    t.match(await resets.give(giver.caller, target.id), { token: /^gp_/ })
  })

  t.test('names whom it is for, and sets a password that is none of the weak, once', async (t) => {
    const target = await holder([])
    for (const token of ['x', `gp_${'A'.repeat(43)}`, `gl_${'A'.repeat(43)}`]) {
      t.equal(await resets.emailOf(token), null)
      await t.rejects(take(token), { code: 'reset.void' })
    }
    for (const way of ['given', 'mailed']) {
      const token = way === 'given' ? (await resets.give(giver.caller, target.id)).token : await mailed(target)
      const before = await hashOf(target.id)
      t.equal(await resets.emailOf(token), target.email)
      for (const weak of ['hunter2', target.email]) await t.rejects(take(token, weak), { code: 'password.weak' })
      t.equal(await hashOf(target.id), before)
      await take(token)
      t.not(await hashOf(target.id), before)
      await t.rejects(take(token), { code: 'reset.void' })
      t.equal(await prisma.session.count({ where: { userId: target.id, endedAt: null } }), 0)
    }
    t.equal(await noted(target.id, 'password.reset'), 2)
  })

  t.test('is void once whoever gave it could not give it now, and is gone with that', async (t) => {
    const target = await holder([])
    // a machine has none, and a change of the password would void the link by itself
    await prisma.user.update({ where: { id: target.id }, data: { passwordHash: null } })
    const losses: [string, () => Promise<unknown>, () => Promise<unknown>][] = [
      ['may not write', () => giver.set([]), () => giver.set([WRITE])],
      ['reaches them no more', () => target.set(['a:b']), () => target.set([])],
      ['is no person any more', () => prisma.user.update({ where: { id: target.id }, data: { kind: 'service' } }), () => prisma.user.update({ where: { id: target.id }, data: { kind: 'person' } })],
    ]
    for (const [at, [what, lose, regain]] of losses.entries()) {
      const { token } = await resets.give(giver.caller, target.id)
      await lose()
      await t.rejects(take(token), { code: 'reset.void' }, what)
      await regain()
      await t.rejects(take(token), { code: 'reset.void' }, `${what}, once more`)
      t.equal(await noted(target.id, 'password.reset_refused'), at + 1, what)
    }
    const token = await mailed(target)
    await prisma.user.update({ where: { id: target.id }, data: { kind: 'service' } })
    await t.rejects(take(token), { code: 'reset.void' })
    await prisma.user.update({ where: { id: target.id }, data: { kind: 'person' } })
    t.equal(await hashOf(target.id), null)
    t.equal(await noted(target.id, 'password.reset'), 0)
  })

  t.test('is nothing to who comes second, though it was there when they looked', async (t) => {
    const target = await holder([])
    const before = await hashOf(target.id)
    const { token } = await resets.give(giver.caller, target.id)
    t.equal(await outcomeOf((tx) => tx.passwordReset.deleteMany({ where: { userId: target.id } }), () => take(token)), 'reset.void')
    t.equal(await noted(target.id, 'password.reset_refused'), 0)
    const link = await mailed(target)
    t.equal(await outcomeOf((tx) => tx.mailedLink.deleteMany({ where: { userId: target.id } }), () => take(link)), 'reset.void')
    t.equal(await hashOf(target.id), before)
    for (const way of ['given', 'mailed']) {
      const { id, email } = await holder([])
      const one = way === 'given' ? (await resets.give(giver.caller, id)).token : await mailed({ id, email })
      t.equal(await outcomeOf((tx) => tx.user.delete({ where: { id } }), () => take(one)), 'reset.void', `${way}: the account is gone`)
    }
  })

  t.test('is not touched while one waits for its account: whoever changes that voids the link, and would wait for one another', async (t) => {
    const { id } = await holder([])
    const { token } = await resets.give(giver.caller, id)
    const lock = (tx: Tx) => tx.user.update({ where: { id }, data: { name: 'x' } })
    t.equal(await outcomeOf(lock, () => take(token), (tx) => tx.$queryRaw`SELECT 1 FROM password_resets WHERE user_id = ${id}::uuid FOR UPDATE NOWAIT`), 'done')
    const link = await mailed({ id, email: (await prisma.user.findUniqueOrThrow({ where: { id } })).email })
    t.equal(await outcomeOf(lock, () => take(link), (tx) => tx.$queryRaw`SELECT 1 FROM mailed_links WHERE user_id = ${id}::uuid FOR UPDATE NOWAIT`), 'done')
  })
})
