// Ada signs in with her browser, changes her name, notices a stranger's session, and throws it out. Cookies are kept as
// a browser keeps them: whatever Set-Cookie says, and nothing else, is sent back.
import t from 'tap'
import type { FastifyInstance, LightMyRequestResponse } from 'fastify'
import { expectJson, PASSWORD, startApp } from '../support/app.js'

interface Me {
  user: { id: string; name: string | null }
  session: { id: string }
  csrfToken: string
}

/** A browser on one page of our origin: a cookie jar, and the headers browsers add by themselves. */
function browserOn(app: FastifyInstance, userAgent: string) {
  const jar = new Map<string, string>()
  let csrfToken = ''
  return {
    jar,
    trust: (token: string) => {
      csrfToken = token
    },
    async fetch(method: 'GET' | 'POST' | 'PATCH' | 'DELETE', url: string, payload?: object, more: Record<string, string> = {}): Promise<LightMyRequestResponse> {
      const cookie = [...jar].map(([name, value]) => `${name}=${value}`).join('; ')
      const headers = {
        'user-agent': userAgent, 'sec-fetch-site': 'same-origin', ...(cookie ? { cookie } : {}), ...(method === 'GET' ? {} : { 'x-csrf-token': csrfToken }), ...more,
      }
      const response = await app.inject({ method, url: `/api/v1${url}`, headers, ...(payload ? { payload } : {}) })
      for (const { name, value, maxAge } of response.cookies) {
        if (maxAge === 0) jar.delete(name)
        else jar.set(name, value)
      }
      return response
    },
  }
}

t.test('Ada and her browser', async (t) => {
  const { app, as, clock, database } = await startApp(t)
  const { user } = await as.signUp('ada@example.com')
  const login = { email: 'ada@example.com', password: PASSWORD }
  const ada = browserOn(app, 'Ada on Linux')
  const stranger = browserOn(app, 'Somebody on a phone')

  t.equal((await ada.fetch('GET', '/auth/session')).statusCode, 401, 'nobody is signed in at first')

  const wrong = await ada.fetch('POST', '/auth/session', { ...login, password: 'wrong horse battery staple' })
  t.equal(wrong.statusCode, 401)
  t.equal(ada.jar.size, 0, 'a failed login leaves no cookie')

  const opened = expectJson<Me>(await ada.fetch('POST', '/auth/session', login), 201)
  t.same([...ada.jar.keys()], ['gatehouse', 'gatehouse-device'])
  t.equal(opened.user.id, user.id)

  t.equal((await ada.fetch('PATCH', '/me', { name: 'Ada' }, { 'if-match': '*' })).statusCode, 403, 'the page has to send the token')
  ada.trust(opened.csrfToken)
  t.equal((await ada.fetch('PATCH', '/me', { name: 'Ada' }, { 'if-match': '*' })).statusCode, 200)

  clock.advance(60 * 60_000)
  const reloaded = expectJson<Me>(await ada.fetch('GET', '/auth/session'), 200)
  t.equal(reloaded.user.name, 'Ada', 'an hour later, after a reload, she is still there')
  ada.trust(reloaded.csrfToken)

  const theirs = expectJson<Me>(await stranger.fetch('POST', '/auth/session', login), 201)
  stranger.trust(theirs.csrfToken)
  const { data } = expectJson<{ data: { id: string; userAgent: string; current: boolean }[] }>(await ada.fetch('GET', '/sessions?kind=cookie'), 200)
  t.same(data.map(({ userAgent, current }) => [userAgent, current]), [['Somebody on a phone', false], ['Ada on Linux', true]])

  const evil = await ada.fetch('DELETE', `/sessions/${data[0]?.id ?? ''}`, undefined, { 'sec-fetch-site': 'cross-site' })
  t.equal(evil.statusCode, 403, 'a page elsewhere cannot do it for her')
  t.equal((await ada.fetch('DELETE', `/sessions/${data[0]?.id ?? ''}`)).statusCode, 204)
  t.equal((await stranger.fetch('GET', '/auth/session')).statusCode, 401, 'the stranger is out at once')
  t.equal((await stranger.fetch('PATCH', '/me', { name: 'Eve' }, { 'if-match': '*' })).statusCode, 401)

  await stranger.fetch('POST', '/auth/session', login)
  const changed = await ada.fetch('POST', '/me/password', { currentPassword: PASSWORD, newPassword: 'a new horse, another staple' })
  t.equal(changed.statusCode, 204)
  t.equal((await stranger.fetch('GET', '/auth/session')).statusCode, 401, 'a new password puts everybody else out')
  t.equal((await ada.fetch('GET', '/auth/session')).statusCode, 200, 'but not Ada')

  const old = new Map(ada.jar)
  t.equal((await ada.fetch('DELETE', '/auth/session')).statusCode, 204)
  t.same([...ada.jar.keys()], ['gatehouse-device'], 'signing out drops the cookie; the device stays known')
  for (const [name, value] of old) ada.jar.set(name, value)
  t.equal((await ada.fetch('GET', '/auth/session')).statusCode, 401, 'and a kept copy of it is worth nothing')

  const actions = (await database.prisma.auditEvent.findMany({ where: { OR: [{ actorId: user.id }, { targetId: user.id }] }, orderBy: [{ at: 'asc' }, { id: 'asc' }] })).map(({ action }) => action)
  t.same(actions.filter((action) => /^(login|session)/.test(action)), ['login.succeeded', 'login.failed', 'login.succeeded', 'login.succeeded', 'session.ended', 'login.succeeded', 'session.ended'])
  t.equal(app.undeclaredErrors.size, 0, [...app.undeclaredErrors].join(', '))
})
