// Each check of who may make, change and delete roles, and take back what somebody gave, by itself (src/accounts/role-service.ts, src/accounts/grant-service.ts), asked of the service:
// what a route keeps out, or another check behind it, hides none.
import t from 'tap'
import { createActors } from '../support/actors.js'
import { startApp } from '../support/app.js'
import { meanwhile } from '../support/meanwhile.js'
import type { Caller } from '../../src/kernel/principal.js'
import type { Tx } from '../../src/database/transaction.js'

const WRITE = 'gatehouse:roles.write'
const LIMITS = 'gatehouse:limits.write'
const NOBODY = '0198c0de-7d3a-7c1e-9a53-0d9a3c0b6f44'
const CALLS = { name: 'calls', quota: 5, windowSeconds: 60 }

t.test('roles, and what was given with them, check by check', async (t) => {
  const { app, as, clock, database } = await startApp(t)
  const { prisma } = database
  const { person } = await createActors(app, as)
  const { roles, grants } = app
  const callerOf = async (id: string): Promise<Caller> => {
    const { id: sessionId } = await prisma.session.findFirstOrThrow({ where: { userId: id } })
    return { principal: { type: 'user', id, sessionId, permissions: [], authenticatedBy: 'token' }, address: '', userAgent: '', requestId: '' }
  }
  async function holder(permissions: string[]) {
    const { id, role: name } = await person(permissions)
    return { id, name, caller: await callerOf(id), set: (now: string[]) => prisma.role.update({ where: { name }, data: { permissions: now } }) }
  }
  let count = 0
  const input = (more: object = {}) => ({ name: `made-${(count += 1)}`, description: '', permissions: [], limits: [], requiresMfa: false, ...more })
  const refused = (t: Tap, work: Promise<unknown>, code: string, what = code) => t.rejects(work, { code }, what)
  /** `done`, or the code of the refusal. */
  const outcomeOf = async (work: (tx: Tx) => Promise<unknown>, ask: () => Promise<unknown>): Promise<string> =>
    (await meanwhile(database, work, () => ask().then(() => 'done', ({ code }: { code: string }) => code))).answer
  const writer = await holder([WRITE, 'a:b'])
  const planner = await holder([WRITE, LIMITS])
  await roles.update(planner.caller, 'member', '*', { limits: [CALLS] })

  t.test('a name is none that is read as something else, and is one role\'s', async (t) => {
    for (const name of [NOBODY, '-x', ' plans', '']) await refused(t, roles.create(writer.caller, input({ name })), 'request.invalid', name)
    await roles.create(writer.caller, input({ name: 'taken' }))
    await refused(t, roles.create(writer.caller, input({ name: 'taken' })), 'role.taken')
    await refused(t, roles.create(planner.caller, input({ name: 'taken', limits: [{ ...CALLS, name: 'unheard-of' }] })), 'role.taken', 'before its plan is looked at')
    const now = new Date(clock.now())
    t.equal(await outcomeOf((tx) => tx.role.create({ data: { name: 'soon-taken', description: '', permissions: [], createdAt: now, updatedAt: now } }), () => roles.create(writer.caller, input({ name: 'soon-taken' }))), 'role.taken')
    for (const key of [NOBODY, 'no-role']) await refused(t, roles.find(key), 'role.not_found')
    await refused(t, roles.update(writer.caller, 'no-role', '*', { description: 'x' }), 'role.not_found')
  })

  t.test('permissions are those that may stand in a role', async (t) => {
    const { id } = await roles.create(writer.caller, input({ permissions: ['a:b'] }))
    for (const permissions of [['gatehouse:*'], ['gatehouse:nothing'], ['no permission']]) {
      await refused(t, roles.create(writer.caller, input({ permissions })), 'request.invalid')
      await refused(t, roles.update(writer.caller, id, '*', { permissions }), 'request.invalid')
    }
    await refused(t, roles.update(writer.caller, 'member', '*', { permissions: ['gatehouse:users.read'] }), 'request.invalid')
  })

  t.test('a role is made, changed and deleted by who holds what it permits', async (t) => {
    await refused(t, roles.create(writer.caller, input({ permissions: ['c:d'] })), 'permission.not_held')
    const own = await roles.create(writer.caller, input({ permissions: ['a:b'] }))
    await refused(t, roles.update(writer.caller, own.id, '*', { permissions: ['a:b', 'c:d'] }), 'permission.not_held')
    await prisma.role.update({ where: { id: own.id }, data: { permissions: ['c:d'] } })
    await refused(t, roles.update(writer.caller, own.id, '*', { permissions: [] }), 'permission.not_held', 'nor is it taken from others')
    await refused(t, roles.remove(writer.caller, own.id, '*'), 'permission.not_held')
    await prisma.role.update({ where: { id: own.id }, data: { permissions: ['a:b'] } })
    await roles.update(writer.caller, own.id, '*', { permissions: [] })
    const lost = await holder([WRITE])
    const bare = await roles.create(lost.caller, input())
    await lost.set([])
    await refused(t, roles.create(lost.caller, input()), 'access.denied')
    await refused(t, roles.update(lost.caller, bare.id, '*', { description: 'x' }), 'access.denied')
    await refused(t, roles.remove(lost.caller, bare.id, '*'), 'access.denied')
    t.match(await roles.find(bare.id), { description: '' })
  })

  t.test('a plan is changed by who may set limits, and stays one', async (t) => {
    await refused(t, roles.create(writer.caller, input({ limits: [CALLS] })), 'permission.not_held')
    const planned = await roles.create(planner.caller, input({ limits: [CALLS] }))
    await roles.update(writer.caller, planned.id, '*', { description: 'of the same plan', limits: [CALLS] })
    await refused(t, roles.update(writer.caller, planned.id, '*', { limits: [] }), 'permission.not_held')
    await refused(t, roles.remove(writer.caller, planned.id, '*'), 'permission.not_held')
    for (const limits of [[CALLS, CALLS], [{ ...CALLS, name: 'unheard-of' }]]) {
      await refused(t, roles.create(planner.caller, input({ limits })), 'request.invalid')
      await refused(t, roles.update(planner.caller, planned.id, '*', { limits }), 'request.invalid')
    }
    t.match(await roles.find(planned.id), { description: 'of the same plan', limits: [CALLS] })
    await roles.remove(planner.caller, planned.id, '*')
  })

  t.test('of the version that was read', async (t) => {
    const { id, version } = await roles.create(writer.caller, input())
    await refused(t, roles.update(writer.caller, id, version + 1, { description: 'x' }), 'precondition.failed')
    await refused(t, roles.remove(writer.caller, id, version + 1), 'precondition.failed')
    await roles.update(writer.caller, id, version, { description: 'y' })
    await roles.update(writer.caller, id, '*', { description: 'z' })
    const newer = (tx: Tx) => tx.role.update({ where: { id }, data: { version: { increment: 1 } } })
    t.equal(await outcomeOf(newer, () => roles.update(writer.caller, id, '*', { description: 'late' })), 'precondition.failed')
    t.equal(await outcomeOf(newer, () => roles.remove(writer.caller, id, '*')), 'precondition.failed')
    t.match(await roles.find(id), { description: 'z' })
  })

  t.test('the roles that the house has stay, and those that somebody holds', async (t) => {
    await refused(t, roles.update(writer.caller, 'admin', '*', { description: 'x' }), 'role.builtin')
    for (const name of ['admin', 'member']) await refused(t, roles.remove(planner.caller, name, '*'), 'role.builtin', name)
    const { name } = await holder([])
    await t.rejects(roles.remove(writer.caller, name, '*'), { code: 'role.held', detail: /^1 accounts/ })
  })

  t.test('there are a thousand', async (t) => {
    const now = new Date(clock.now())
    const many = Array.from({ length: 1_000 - (await prisma.role.count()) }, (_, at) => ({ name: `many-${at}`, description: '', permissions: [], createdAt: now, updatedAt: now }))
    await prisma.role.createMany({ data: many.slice(1) })
    await roles.create(writer.caller, input())
    await refused(t, roles.create(writer.caller, input()), 'role.cap_reached')
    await prisma.role.deleteMany({ where: { name: { startsWith: 'many-' } } })
  })

  t.test('roles that somebody gave are taken back as far as the caller reaches, and role admin never', async (t) => {
    const [brake, taker] = [await holder(['gatehouse:brake']), await holder(['gatehouse:brake', 'gatehouse:users.write'])]
    const [plain, strong] = [await holder(['a:b']), await holder(['gatehouse:audit.read'])]
    const { user: { id: adminId } } = await as.adminUser()
    const admin = await callerOf(adminId)
    const giver = await holder([])
    const [one, other, late] = [await holder([]), await holder([]), await holder([])]
    const give = (userId: string, roleName: string, tx: Tx | typeof prisma = prisma) => tx.userRole.create({ data: { userId, roleName, issuedBy: giver.id, issuedVia: 'test', issuedAt: new Date(clock.now()) } })
    const given = async () => (await prisma.userRole.findMany({ where: { issuedBy: giver.id }, select: { userId: true, roleName: true } })).map(({ userId, roleName }) => `${userId} ${roleName}`).toSorted()
    const end = async (caller: Caller) => grants.finish(caller, giver.id, await prisma.$transaction(async (tx) => grants.begin(tx, caller, await app.authority.hold(tx, caller), giver.id)))
    await give(one.id, plain.name)
    await give(one.id, strong.name)
    await give(other.id, 'admin')
    const all = await given()
    t.notOk((await grants.finish(admin, giver.id, null)).revoked, 'nobody has asked for it')
    t.match(await end(brake.caller), { revoked: { assignments: 0 } }, 'the brake gives no roles, nor takes them')
    t.same(await given(), all)
    t.match(await end(taker.caller), { revoked: { assignments: 1 } })
    t.same(await given(), all.filter((line) => line !== `${one.id} ${plain.name}`))
    // whom it is given to while one waits for the others: nobody has passed their gate
    const begun = await prisma.$transaction(async (tx) => grants.begin(tx, admin, await app.authority.hold(tx, admin), giver.id))
    t.equal(await outcomeOf(async (tx) => {
      await app.authority.hold(tx, taker.caller, { narrowedUsers: [one.id] })
      await give(late.id, plain.name, tx)
    }, () => grants.finish(admin, giver.id, begun)), 'done')
    t.same(await given(), [`${late.id} ${plain.name}`, `${other.id} admin`].toSorted())
  })
})

type Tap = { rejects: typeof t.rejects }
