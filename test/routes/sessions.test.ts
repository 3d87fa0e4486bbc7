// GET and DELETE /sessions, /sessions/:id.
import t from 'tap'
import { expectJson, PASSWORD, startApp } from '../support/app.js'
import { newId } from '../../src/kernel/ids.js'

interface View {
  id: string
  kind: string
  createdAt: string
  lastSeenAt: string
  expiresAt: string
  address: string
  userAgent: string
  current: boolean
}

interface List {
  data: View[]
  page: { nextCursor: string | null }
}

const URL = '/api/v1/sessions'

t.test('/sessions', async (t) => {
  const { app, as, clock, database } = await startApp(t)
  let people = 0
  /** A user signed in three times, a second apart: by sign-up, by login and with a cookie. */
  const threeTimes = async () => {
    people += 1
    const email = `person-${people}@example.com`
    const first = await as.signUp(email)
    clock.advance(1_000)
    const payload = { email, password: PASSWORD }
    const second = expectJson<{ accessToken: string; refreshToken: string }>(await app.inject({ method: 'POST', url: '/api/v1/auth/login', payload, headers: { 'user-agent': 'Phone' } }), 200)
    clock.advance(1_000)
    const response = await app.inject({ method: 'POST', url: '/api/v1/auth/session', payload, headers: { 'user-agent': 'Browser' } })
    const cookie = `gatehouse=${response.cookies[0]?.value ?? ''}`
    return { user: first.user, first, second, cookie }
  }
  const list = async (headers: Record<string, string>, query = ''): Promise<List> => expectJson<List>(await app.inject({ url: `${URL}${query}`, headers }), 200)
  const status = async (token: string): Promise<number> => (await app.inject({ url: '/api/v1/whoami', headers: as.bearer(token) })).statusCode

  t.test('200 lists the caller\'s live sessions, the newest first, and marks the one that asks', async (t) => {
    const { first, cookie } = await threeTimes()
    await as.signUp()
    const { data } = await list(first.headers)
    t.same(data.map(({ kind, userAgent, current }) => [kind, userAgent, current]), [['cookie', 'Browser', false], ['token', 'Phone', false], ['token', 'lightMyRequest', true]])
    t.equal(data[0]?.createdAt, new Date(clock.now()).toISOString())
    t.equal(data[0]?.expiresAt, new Date(clock.now() + app.config.sessionAbsoluteSeconds * 1_000).toISOString())
    t.equal(data[0]?.address, '127.0.0.1')
    t.same(Object.keys(data[0] ?? {}).toSorted(), ['acr', 'address', 'amr', 'authTime', 'createdAt', 'current', 'expiresAt', 'id', 'kind', 'lastSeenAt', 'userAgent'], 'and no secret')
    const byCookie = await list({ cookie })
    t.same(byCookie.data.map(({ current }) => current), [true, false, false])
  })

  t.test('200 pages, sorts and filters', async (t) => {
    const { first } = await threeTimes()
    const one = await list(first.headers, '?limit=2&sort=createdAt')
    t.equal(one.data.length, 2)
    clock.advance(5_000)
    const two = await list(first.headers, `?limit=2&sort=createdAt&cursor=${one.page.nextCursor ?? ''}`)
    t.same(two.data.map(({ kind }) => kind), ['cookie'], 'a cursor outlives the moment it was made at')
    t.equal(two.page.nextCursor, null)
    t.same((await list(first.headers, '?kind=cookie')).data.map(({ kind }) => kind), ['cookie'])
    const stranger = await as.signUp()
    const stolen = await app.inject({ url: `${URL}?limit=2&sort=createdAt&cursor=${one.page.nextCursor ?? ''}`, headers: stranger.headers })
    t.equal(stolen.json<{ code: string }>().code, 'cursor.invalid', 'a cursor is of one user')
    t.equal((await app.inject({ url: `${URL}?sort=address`, headers: first.headers })).statusCode, 400)
    t.equal((await app.inject({ url: `${URL}?userId=x`, headers: first.headers })).statusCode, 400)
  })

  t.test('200 leaves out what has ended, was idle or ran out', async (t) => {
    const { first, second, user } = await threeTimes()
    await app.inject({ method: 'POST', url: '/api/v1/auth/logout', headers: as.bearer(second.accessToken) })
    t.equal((await list(first.headers)).data.length, 2)
    const before = new Date(clock.now() - app.config.sessionIdleSeconds * 1_000)
    await database.prisma.session.updateMany({ where: { userId: user.id, kind: 'cookie' }, data: { lastSeenAt: before } })
    t.equal((await list(first.headers)).data.length, 1)
    const ids = await database.prisma.session.findMany({ where: { userId: user.id, kind: 'cookie' } })
    t.equal((await app.inject({ url: `${URL}/${ids[0]?.id ?? ''}`, headers: first.headers })).statusCode, 404)
  })

  t.test('200 shows one', async (t) => {
    const { first } = await threeTimes()
    const { data } = await list(first.headers)
    t.same(expectJson(await app.inject({ url: `${URL}/${data[1]?.id ?? ''}`, headers: first.headers }), 200), data[1])
  })

  t.test('204 ends one of the caller\'s: it stops at once, the others go on', async (t) => {
    const { first, second, cookie, user } = await threeTimes()
    const told: [number, string][] = []
    await app.sharedStore.bus.subscribe('revoked', (message) => told.push(...(JSON.parse(message) as [number, string][])))
    const { data } = await list(first.headers)
    const phone = data.find(({ userAgent }) => userAgent === 'Phone')
    const response = await app.inject({ method: 'DELETE', url: `${URL}/${phone?.id ?? ''}`, headers: first.headers })
    t.equal(response.statusCode, 204)
    t.equal(await status(second.accessToken), 401)
    t.equal((await app.inject({ method: 'POST', url: '/api/v1/auth/refresh', payload: { refreshToken: second.refreshToken } })).statusCode, 401)
    t.equal(await status(first.accessToken), 200)
    t.equal((await app.inject({ url: URL, headers: { cookie } })).statusCode, 200)
    t.ok(told.some(([, tag]) => tag === `sess:${phone?.id ?? ''}`), 'every node is told')
    t.equal(response.headers['effective-within-ms'], '1500')
    const rows = await database.prisma.auditEvent.findMany({ where: { action: 'session.ended', actorId: user.id } })
    t.match(rows, [{ targetType: 'session', targetId: phone?.id, credential: `token:${data.find(({ current }) => current)?.id ?? ''}` }])
    t.equal((await app.inject({ method: 'DELETE', url: `${URL}/${phone?.id ?? ''}`, headers: first.headers })).statusCode, 404, 'and only once')
  })

  t.test('404 for another user\'s session, which goes on', async (t) => {
    const { first } = await threeTimes()
    const stranger = await as.signUp()
    const [theirs] = (await list(stranger.headers)).data
    for (const id of [theirs?.id ?? '', newId()]) {
      for (const method of ['GET', 'DELETE'] as const) {
        const response = await app.inject({ method, url: `${URL}/${id}`, headers: first.headers })
        t.equal(response.statusCode, 404)
        t.equal(response.json<{ code: string }>().code, 'session.not_found')
      }
    }
    t.equal(await status(stranger.accessToken), 200)
  })

  t.test('200 ends all but this one, and says how many', async (t) => {
    const { first, second, cookie, user } = await threeTimes()
    const stranger = await as.signUp()
    const end = async () => expectJson<{ ended: number }>(await app.inject({ method: 'DELETE', url: URL, headers: first.headers }), 200)
    t.same(await end(), { ended: 2 })
    t.equal(await status(first.accessToken), 200)
    t.equal(await status(second.accessToken), 401)
    t.equal((await app.inject({ url: URL, headers: { cookie } })).statusCode, 401)
    t.equal(await status(stranger.accessToken), 200, 'nobody else')
    t.same(await end(), { ended: 0 })
    const rows = await database.prisma.auditEvent.findMany({ where: { action: 'sessions.ended', actorId: user.id } })
    t.match(rows, [{ details: { count: 2 } }])
    t.equal(rows.length, 1)
  })

  t.test('a session that has run out does not come back when the idle time is made longer', async (t) => {
    const { first, second, user } = await threeTimes()
    await database.prisma.session.updateMany({ where: { userId: user.id, userAgent: 'Phone' }, data: { lastSeenAt: new Date(clock.now() - app.config.sessionIdleSeconds * 1_000) } })
    t.same(expectJson(await app.inject({ method: 'DELETE', url: URL, headers: first.headers }), 200), { ended: 1 }, 'the cookie; the phone was idle')
    const patient = await startApp(t, { database, clock, config: { sessionIdleSeconds: app.config.sessionIdleSeconds * 2 } })
    t.equal((await patient.app.inject({ url: '/api/v1/whoami', headers: as.bearer(second.accessToken) })).statusCode, 401)
  })

  t.test('who may not', async (t) => {
    t.equal((await app.inject({ url: URL })).statusCode, 401, '401 without a credential')
    const { headers } = await as.key([])
    t.equal((await app.inject({ url: URL, headers })).statusCode, 403, '403 for an API key')
    t.equal((await app.inject({ method: 'DELETE', url: URL, headers })).statusCode, 403)
    const { headers: mine } = await as.signUp()
    t.equal((await app.inject({ url: `${URL}/not-an-id`, headers: mine })).statusCode, 400, '400 for what is no id')
  })

  t.equal(app.undeclaredErrors.size, 0, [...app.undeclaredErrors].join(', '))
})
