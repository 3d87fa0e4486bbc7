// Refreshes of one token at the same moment: one rotation, one successor, never two families.
import t from 'tap'
import { startApp } from '../support/app.js'
import { createCursors } from '../../src/kernel/page.js'
import { createSessionStore } from '../../src/sessions/session-store.js'

interface Pair {
  refreshToken: string
}

t.test('refreshes at once', async (t) => {
  const { app, as, clock, database } = await startApp(t)
  const send = (refreshToken: string) => app.inject({ method: 'POST', url: '/api/v1/auth/refresh', payload: { refreshToken } })
  const sessionOf = (userId: string) => database.prisma.session.findFirstOrThrow({ where: { userId } })

  t.test('two at once get the same successor, and the session was rotated once', async (t) => {
    for (let round = 0; round < 5; round += 1) {
      const { refreshToken, user } = await as.signUp()
      const answers = await Promise.all([send(refreshToken), send(refreshToken)])
      t.same(answers.map(({ statusCode }) => statusCode), [200, 200])
      t.equal(new Set(answers.map((answer) => answer.json<Pair>().refreshToken)).size, 1, 'one successor')
      const session = await sessionOf(user.id)
      t.equal(session.refreshGeneration, 1)
      t.equal(session.endedAt, null)
    }
  })

  t.test('of many rotations of one generation one wins, and a late one takes nothing back', async (t) => {
    const { user } = await as.signUp()
    const { id } = await sessionOf(user.id)
    const store = createSessionStore({ ...database, cursors: createCursors(app.secrets) })
    const at = { now: new Date(clock.now()), idleSince: new Date(0) }
    const wins = await Promise.all(Array.from({ length: 8 }, () => store.rotate(id, 0, at)))
    t.equal(wins.filter(Boolean).length, 1)
    t.ok(await store.rotate(id, 1, at))
    t.notOk(await store.rotate(id, 0, at), 'one that was held up')
    t.equal((await sessionOf(user.id)).refreshGeneration, 2)
  })

  t.test('twelve at once, through two nodes', async (t) => {
    const other = await startApp(t, { database, clock })
    const { refreshToken, user } = await as.signUp()
    const answers = await Promise.all(Array.from({ length: 12 }, (_, at) => (at % 2 === 0 ? app : other.app)
      .inject({ method: 'POST', url: '/api/v1/auth/refresh', payload: { refreshToken } })))
    t.ok(answers.every(({ statusCode }) => statusCode === 200))
    t.equal(new Set(answers.map((answer) => answer.json<Pair>().refreshToken)).size, 1)
    t.equal((await sessionOf(user.id)).refreshGeneration, 1)
  })

  t.test('of many stale uses at once one ends the session and writes the audit row', async (t) => {
    const { refreshToken, user } = await as.signUp()
    await send(refreshToken)
    clock.advance(10_001)
    const answers = await Promise.all(Array.from({ length: 6 }, () => send(refreshToken)))
    t.ok(answers.every(({ statusCode }) => statusCode === 401))
    const { id, endedAt } = await sessionOf(user.id)
    t.not(endedAt, null)
    t.equal(await database.prisma.auditEvent.count({ where: { action: 'refresh.reused', targetId: id } }), 1)
  })

  t.test('a refresh and a logout at once: afterwards nothing of the session works', async (t) => {
    for (let round = 0; round < 5; round += 1) {
      const { refreshToken, headers, user } = await as.signUp()
      const [refreshed] = await Promise.all([send(refreshToken), app.inject({ method: 'POST', url: '/api/v1/auth/logout', headers })])
      t.not((await sessionOf(user.id)).endedAt, null)
      const newest = refreshed.statusCode === 200 ? refreshed.json<Pair>().refreshToken : refreshToken
      t.equal((await send(newest)).statusCode, 401)
    }
  })
})
