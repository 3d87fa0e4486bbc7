// POST /auth/refresh and POST /auth/logout.
import t, { type Test } from 'tap'
import { expectJson, PASSWORD, startApp } from '../support/app.js'

interface Pair {
  accessToken: string
  tokenType: string
  expiresIn: number
  refreshToken: string
}

t.test('/auth/refresh', async (t) => {
  const { app, as, clock, database } = await startApp(t)
  const send = (refreshToken: string) => app.inject({ method: 'POST', url: '/api/v1/auth/refresh', payload: { refreshToken } })
  const refresh = async (refreshToken: string): Promise<Pair> => expectJson<Pair>(await send(refreshToken), 200)
  const whoami = async (accessToken: string) => app.inject({ url: '/api/v1/whoami', headers: as.bearer(accessToken) })
  const sessionOf = (userId: string) => database.prisma.session.findFirstOrThrow({ where: { userId } })
  const isRefused = async (t: Test, refreshToken: string, message: string): Promise<void> => {
    const response = await send(refreshToken)
    t.equal(response.statusCode, 401, message)
    t.equal(response.json<{ code: string }>().code, 'refresh.invalid')
  }

  t.test('200 gives a new pair, and both halves work', async (t) => {
    const first = await as.signUp()
    clock.advance(1_000)
    const response = await send(first.refreshToken)
    const second = expectJson<Pair>(response, 200)
    t.match(second, { tokenType: 'Bearer', expiresIn: 300 })
    t.not(second.refreshToken, first.refreshToken)
    t.not(second.accessToken, first.accessToken)
    t.equal(response.headers['cache-control'], 'no-store', 'RFC 6749 5.1')
    t.equal((await whoami(second.accessToken)).statusCode, 200)
    t.equal((await whoami(first.accessToken)).statusCode, 200, 'the old access token lives out its time')
    const session = await sessionOf(first.user.id)
    t.equal(session.refreshGeneration, 1)
    t.equal(session.lastSeenAt.getTime(), clock.now(), 'a refresh is a use')
    const at = Buffer.from(session.refreshSeed ?? '').toString('base64url')
    t.notOk(second.refreshToken.includes(at), 'what is at rest is no token')
    clock.advance(11_000)
    t.equal((await refresh(second.refreshToken)).tokenType, 'Bearer')
  })

  t.test('200 a retry within 10 s gets the SAME successor, whose use closes the door on the retry', async (t) => {
    const { refreshToken, user } = await as.signUp()
    const lost = await refresh(refreshToken)
    clock.advance(10_000)
    const again = await refresh(refreshToken)
    t.equal(again.refreshToken, lost.refreshToken)
    t.equal((await sessionOf(user.id)).refreshGeneration, 1, 'nothing was rotated by the retry')
    await refresh(again.refreshToken)
    await isRefused(t, refreshToken, 'the successor has been used')
    t.not((await sessionOf(user.id)).endedAt, null, 'the session has ended')
  })

  t.test('401 reuse after 10 s ends the session for everybody, and is in the audit log once', async (t) => {
    const { refreshToken, accessToken, user } = await as.signUp()
    const { refreshToken: successor } = await refresh(refreshToken)
    clock.advance(10_001)
    await isRefused(t, refreshToken, 'the thief, or the victim')
    await isRefused(t, successor, 'and the other one')
    await isRefused(t, refreshToken, 'once more')
    const response = await whoami(accessToken)
    t.equal(response.statusCode, 401)
    t.equal(response.json<{ code: string }>().code, 'session.invalid')
    const { id } = await sessionOf(user.id)
    const rows = await database.prisma.auditEvent.findMany({ where: { action: 'refresh.reused' } })
    t.equal(rows.filter(({ targetId }) => targetId === id).length, 1)
    t.notOk(JSON.stringify(rows).includes('gr_'), 'without a secret')
  })

  t.test('401 refuses forged and foreign tokens, and ends nobody\'s session for them', async (t) => {
    const { refreshToken, user } = await as.signUp()
    const bytes = Buffer.from(refreshToken.slice(3), 'base64url')
    const forge = (change: (copy: Buffer) => void): string => {
      const copy = Buffer.from(bytes)
      change(copy)
      return `gr_${copy.toString('base64url')}`
    }
    await isRefused(t, forge((copy) => copy.writeUInt8(copy.readUInt8(51) ^ 1, 51)), 'a changed mac')
    await isRefused(t, forge((copy) => copy.writeUInt32BE(9, 16)), 'a changed generation')
    await isRefused(t, forge((copy) => copy.writeUInt8(copy.readUInt8(3) ^ 1, 3)), 'another session id')
    for (const text of ['x', 'gr_', refreshToken.slice(0, -1), `${refreshToken}x`, refreshToken.toUpperCase()]) await isRefused(t, text, text)
    t.equal((await sessionOf(user.id)).endedAt, null)
    await refresh(refreshToken)
  })

  t.test('401 once the session ended, ran out or was idle, or the user is suspended', async (t) => {
    const out = await as.signUp()
    await app.inject({ method: 'POST', url: '/api/v1/auth/logout', headers: out.headers })
    await isRefused(t, out.refreshToken, 'after logout')

    const suspended = await as.signUp()
    await database.prisma.user.update({ where: { id: suspended.user.id }, data: { status: 'suspended' } })
    await isRefused(t, suspended.refreshToken, 'suspended')

    const idle = await as.signUp()
    clock.advance(app.config.sessionIdleSeconds * 1_000)
    await isRefused(t, idle.refreshToken, 'idle')

    const old = await as.signUp()
    let { refreshToken } = old
    for (let week = 0; week < 12; week += 1) {
      clock.advance(7 * 86_400_000)
      ;({ refreshToken } = await refresh(refreshToken))
    }
    clock.advance(6 * 86_400_000 - 1)
    ;({ refreshToken } = await refresh(refreshToken))
    clock.advance(1)
    await isRefused(t, refreshToken, 'the absolute end, however busy the session was')
  })

  t.test('400 refuses other shapes', async (t) => {
    for (const payload of [{}, { refreshToken: 1 }, { refreshToken: '' }, { refreshToken: 'x'.repeat(201) }, { refreshToken: 'x', more: 1 }, []]) {
      const response = await app.inject({ method: 'POST', url: '/api/v1/auth/refresh', payload })
      t.equal(response.statusCode, 400, JSON.stringify(payload).slice(0, 40))
    }
  })

  t.test('/auth/logout', async (t) => {
    t.test('204 ends this session at once and no other', async (t) => {
      const one = await as.signUp('logout@example.com')
      const two = expectJson<Pair>(await app.inject({ method: 'POST', url: '/api/v1/auth/login', payload: { email: 'logout@example.com', password: PASSWORD } }), 200)
      const response = await app.inject({ method: 'POST', url: '/api/v1/auth/logout', headers: one.headers })
      t.equal(response.statusCode, 204)
      t.equal(response.body, '')
      t.equal((await whoami(one.accessToken)).statusCode, 401)
      await isRefused(t, one.refreshToken, 'its refresh token')
      t.equal((await whoami(two.accessToken)).statusCode, 200)
      const rows = await database.prisma.auditEvent.findMany({ where: { action: 'session.ended', actorId: one.user.id } })
      t.equal(rows.length, 1)
    })

    t.test('401 without a credential', async (t) => {
      const response = await app.inject({ method: 'POST', url: '/api/v1/auth/logout' })
      t.equal(response.statusCode, 401)
      t.equal(response.json<{ code: string }>().code, 'credentials.missing')
    })

    t.test('403 for an API key, which has no session', async (t) => {
      const { headers } = await as.key([])
      const response = await app.inject({ method: 'POST', url: '/api/v1/auth/logout', headers })
      t.equal(response.statusCode, 403)
    })
  })

  t.equal(app.undeclaredErrors.size, 0, [...app.undeclaredErrors].join(', '))
})
