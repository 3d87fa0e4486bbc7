// Acting for somebody, on two nodes: what is begun while the other side changes is either refused, or worth nothing once the change is told.
import t from 'tap'
import { createActors } from '../support/actors.js'
import { expectJson, startApp } from '../support/app.js'
import { NO_REDIS } from '../support/redis.js'

t.test('acting for somebody, on two nodes', { skip: NO_REDIS }, async (t) => {
  const first = await startApp(t, { redis: true })
  const second = await startApp(t, { redis: first.redisUrl ?? true, database: first.database, clock: first.clock })
  const { app, as } = first
  const { send, patch, person, role } = await createActors(app, as)
  const admin = await as.admin()
  const start = (headers: Record<string, string>, id: string, node = app) => node.inject({ method: 'POST', url: `/api/v1/users/${id}/impersonate`, headers, payload: { reason: 'a race' } })
  const who = (headers: Record<string, string>, node = second.app) => node.inject({ url: '/api/v1/whoami', headers })

  t.test('a demotion that is waited for is known on the other node', async (t) => {
    const [i, target] = [await person(['gatehouse:users.impersonate']), await person([])]
    const headers = as.bearer(expectJson<{ accessToken: string }>(await start(i.headers, target.id), 201).accessToken)
    for (const node of [app, second.app]) t.equal((await who(headers, node)).statusCode, 200)
    expectJson(await patch(`/users/${i.id}?wait=true`, admin, { roles: [] }), 200)
    for (const node of [app, second.app]) t.equal((await who(headers, node)).statusCode, 401)
  })

  t.test('the end of the actor\'s session that is waited for is, too', async (t) => {
    const [i, target] = [await person(['gatehouse:users.impersonate']), await person([])]
    const headers = as.bearer(expectJson<{ accessToken: string }>(await start(i.headers, target.id), 201).accessToken)
    t.equal((await who(headers)).statusCode, 200)
    const { act: { sid } } = expectJson<{ act: { sid: string } }>(await who(headers), 200)
    t.equal((await send('DELETE', `/sessions/${sid}?wait=true`, i.headers)).statusCode, 204)
    t.equal((await who(headers)).statusCode, 401)
  })

  t.test('a target that is made more of meanwhile, in both orders: nobody acts for them afterwards', async (t) => {
    const more = await role(['x:y'])
    const i = await person(['gatehouse:users.impersonate'])
    for (let round = 0; round < 10; round += 1) {
      const target = await person([])
      const [started, promoted] = await Promise.all([start(i.headers, target.id, second.app), patch(`/users/${target.id}`, admin, { roles: [target.role, more] })])
      t.equal(promoted.statusCode, 200)
      t.ok(started.statusCode === 201 || started.statusCode === 403, `${started.statusCode}`)
      for (const node of [app, second.app]) await node.revocations.restore()
      if (started.statusCode === 201) t.equal((await who(as.bearer(started.json<{ accessToken: string }>().accessToken))).statusCode, 401)
    }
  })

  t.test('20 at once by one session: one is left', async (t) => {
    const i = await person(['gatehouse:users.impersonate'])
    const targets = await Promise.all(Array.from({ length: 20 }, async (_, at) => expectJson<{ id: string }>(await send('POST', '/users', admin, { email: `target-${at}@example.com` }), 201)))
    const started = await Promise.all(targets.map(({ id }, at) => start(i.headers, id, at % 2 === 0 ? app : second.app)))
    t.ok(started.every(({ statusCode }) => statusCode === 201))
    for (const node of [app, second.app]) await node.revocations.restore()
    const live = await Promise.all(started.map(async (one) => (await who(as.bearer(one.json<{ accessToken: string }>().accessToken))).statusCode))
    t.equal(live.filter((status) => status === 200).length, 1)
  })
})
