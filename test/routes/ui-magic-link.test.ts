// The pages of signing in by mail: one way for every address, a code for the browser that asked, and a link that opens nothing elsewhere.
import t from 'tap'
import type { LightMyRequestResponse } from 'fastify'
import { startApp } from '../support/app.js'
import { factorHelpers } from '../support/factors.js'
import { type Pages, pagesOf } from '../support/pages.js'
import { workedOff } from '../support/queue.js'
import { startMailServer } from '../support/smtp.js'

t.test('signing in by mail, by its pages', async (t) => {
  const server = await startMailServer(t)
  const { app, as, clock, database } = await startApp(t, { config: { smtpUrl: server.url, publicUrl: 'https://auth.example.com', magicLink: true } })
  const browser = (): Pages => pagesOf(app)
  const mailOf = async (email: string) => {
    await workedOff(app, database)
    const { text } = server.last(email, /Your sign-in code/)
    return { code: /\b(\d{8})\b/.exec(text)?.[1] ?? '', link: /https:\/\/auth\.example\.com(\/ui\/magic-link\?token=[\w-]+)/.exec(text)?.[1] ?? '' }
  }
  await as.admin()
  await as.signUp('ada@example.com')

  t.test('404 where it is not switched on, and no word of it on the sign-in page', async (t) => {
    const off = pagesOf((await startApp(t)).app)
    t.notMatch((await off.open('/ui/sign-in')).body, 'magic-link')
    for (const path of ['/ui/magic-link', '/ui/magic-link?token=x', '/ui/magic-link/code', '/ui/magic-link/open']) t.equal((await off.open(path)).statusCode, 404, path)
    t.equal((await off.submit('/ui/magic-link', { email: 'ada@example.com' }, { csrf: await off.token('/ui/sign-in') })).statusCode, 404)
  })

  t.test('from the sign-in to the code, and on to where it began', async (t) => {
    const ada = browser()
    t.match((await ada.open('/ui/sign-in?return_to=%2Fui%2Faccount%2Fkeys')).body, '/ui/magic-link?return_to=')
    t.equal((await ada.submit('/ui/magic-link', { email: 'no address' })).statusCode, 422)
    const asked = await ada.submit('/ui/magic-link?return_to=%2Fui%2Faccount%2Fkeys', { email: 'ada@example.com' })
    t.equal(asked.headers.location, '/ui/magic-link/code?return_to=%2Fui%2Faccount%2Fkeys')
    const page = await ada.open('/ui/magic-link/code')
    t.match(page.body, /autocomplete="one-time-code"/)
    t.match(page.body, /If\s+ada@example.com\s+can be used here/)
    const { code } = await mailOf('ada@example.com')
    const wrong = await ada.submit('/ui/magic-link/code', { code: code === '000000' ? '000001' : '000000' })
    t.equal(wrong.statusCode, 422)
    t.match(wrong.body, 'That code is not right')
    t.equal((await browser().submit('/ui/magic-link/code', { code }, { csrf: await browser().token('/ui/sign-in') })).statusCode, 403, 'not without a form')
    const done = await ada.submit('/ui/magic-link/code?return_to=%2Fui%2Faccount%2Fkeys', { code })
    t.equal(done.statusCode, 303)
    t.equal(done.headers.location, '/ui/account/keys')
    t.match((await ada.open('/ui/account')).body, 'ada@example.com')
    t.notOk([...ada.jar.keys()].some((name) => /magic|sent/.test(name)), 'nothing of it is left in the browser')
  })

  t.test('the link: looking uses nothing up, another browser is told so, the one that asked signs in by its button', async (t) => {
    const ada = browser()
    await ada.submit('/ui/magic-link?return_to=%2Fui%2Faccount%2Fsessions', { email: 'ada@example.com' })
    const { link } = await mailOf('ada@example.com')
    const scanner = browser()
    for (let look = 0; look < 3; look += 1) t.equal((await scanner.open(link)).headers.location, '/ui/magic-link/open')
    const elsewhere = await scanner.open('/ui/magic-link/open')
    t.equal(elsewhere.statusCode, 403)
    t.match(elsewhere.body, 'Asked for elsewhere')
    t.notMatch(elsewhere.body, 'ada@example.com')
    t.equal((await scanner.submit('/ui/magic-link/open', {}, { csrf: await scanner.token('/ui/sign-in') })).statusCode, 403, 'and by hand it opens nothing either')
    t.notOk(scanner.jar.has('__Host-gatehouse'))
    t.equal((await ada.open(link)).headers.location, '/ui/magic-link/open')
    t.match((await ada.open('/ui/magic-link/open')).body, /a mail to\s+ada@example.com/)
    const done = await ada.submit('/ui/magic-link/open', {})
    t.equal(done.headers.location, '/ui/account/sessions')
    await ada.open(link)
    t.equal((await ada.open('/ui/magic-link/open')).statusCode, 410, 'once')
    await scanner.open(link)
    t.equal((await scanner.open('/ui/magic-link/open')).statusCode, 410)
    t.equal((await browser().open('/ui/magic-link/open')).statusCode, 410)
  })

  t.test('a second factor is asked for next', async (t) => {
    const { user } = await factorHelpers(app, as, clock).person()
    const visitor = browser()
    await visitor.submit('/ui/magic-link', { email: user.email })
    const { code } = await mailOf(user.email)
    t.equal((await visitor.submit('/ui/magic-link/code', { code })).headers.location, '/ui/verify')
    t.equal((await visitor.open('/ui/account')).statusCode, 303)
    t.equal((await visitor.open('/ui/verify')).statusCode, 200)
  })

  t.test('the same statuses, headers and bytes for a known and an unknown address, wrong codes included', async (t) => {
    clock.advance(3_600_000)
    const bare = ({ body, headers, statusCode }: LightMyRequestResponse, email: string): string =>
      JSON.stringify([statusCode, Object.keys(headers), headers.location, body]).replaceAll(email, 'EMAIL').replaceAll(/name=\\"csrf\\" value=\\"[^"]*"/g, 'CSRF')
    const seen = await Promise.all(['ada@example.com', 'eve@example.com'].map(async (email) => {
      const one = browser()
      const answers = [await one.submit('/ui/magic-link', { email }), await one.open('/ui/magic-link/code')]
      await workedOff(app, database)
      for (let n = 0; n < 7; n += 1) answers.push(await one.submit('/ui/magic-link/code', { code: '12345' }))
      return answers.map((answer) => bare(answer, email))
    }))
    t.same(seen[0], seen[1])
    const { rows } = await database.pool.query<{ tries: number }>("SELECT tries FROM mailed_links WHERE email IN ('ada@example.com', 'eve@example.com') AND created_at > $1", [new Date(clock.now() - 60_000)])
    t.same(rows.map(({ tries }) => tries), [5, 5])
  })
})
