// Pages while the database does not answer: each says so with the id of its request, gives nothing of what was typed away, changes nothing, and is itself again
// as soon as there is an answer.
import t from 'tap'
import { PASSWORD, startApp } from '../support/app.js'
import { createTestDatabase } from '../support/database.js'
import { breakingWire } from '../support/database-proxy.js'
import { csrfOf, pagesOf } from '../support/pages.js'
import { eventually } from '../support/redis.js'
import { connectDatabase } from '../../src/database/connect.js'

t.test('pages while the database does not answer', { timeout: 120_000 }, async (t) => {
  const { url } = await createTestDatabase(t)
  const wire = await breakingWire(t, url)
  const database = connectDatabase({ connection: { connectionString: wire.url }, poolMax: 4, onError: () => undefined })
  t.teardown(() => database.close())
  const { app, as, clock } = await startApp(t, { database: { ...database, url: wire.url }, config: { signUp: 'open' } })
  const { user } = await as.signUp()
  const member = pagesOf(app)
  await member.submit('/ui/sign-in', { email: user.email, 'current-password': PASSWORD })
  t.equal((await member.open('/ui/account/sessions')).statusCode, 200)
  const stranger = pagesOf(app)
  const csrf = csrfOf(await stranger.open('/ui/sign-in'))
  const send = (path: string, fields: Record<string, string>) => app.inject({
    method: 'POST', url: path, payload: new URLSearchParams({ csrf, ...fields }).toString(),
    headers: { 'content-type': 'application/x-www-form-urlencoded', 'sec-fetch-site': 'same-origin', cookie: [...stranger.jar].map(([name, value]) => `${name}=${value}`).join('; ') },
  })

  wire.stall()
  // what is held of the session has had its time
  clock.advance(2_000)
  const answers = await Promise.all([
    member.open('/ui/account/sessions'), member.open('/ui/account/profile'),
    send('/ui/sign-in', { email: user.email, 'current-password': PASSWORD }), send('/ui/sign-up', { email: 'somebody@example.com', 'new-password': PASSWORD }), send('/ui/forgot', { email: user.email }),
  ])
  for (const { statusCode, headers, body, raw } of answers) {
    const path = String(raw.req.url)
    t.equal(statusCode, 503, path)
    t.match(headers['content-type'], 'text/html', path)
    t.match(headers['cache-control'], 'no-store', path)
    t.match(body, String(headers['x-request-id']), `${path} names its request`)
    t.notMatch(body, PASSWORD, path)
    t.match(body, 'We cannot look that up right now', path)
    t.notMatch(body, /postgres|prisma|ECONN|timeout/i, `${path} speaks of no inside`)
    t.notOk(headers['set-cookie']?.toString().includes('gatehouse='), `${path} signs nobody in or out`)
  }
  t.equal((await stranger.open('/ui/signed-out')).statusCode, 200, 'a page that needs nothing of it is there')

  wire.resume()
  await eventually(async () => (await member.open('/ui/account/sessions')).statusCode === 200, 15_000)
  t.equal((await stranger.submit('/ui/sign-in', { email: user.email, 'current-password': PASSWORD })).statusCode, 303, 'and signing in goes on')
})
