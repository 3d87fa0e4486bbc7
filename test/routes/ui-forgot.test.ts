// The pages of a forgotten password: equal for every address, counted with the API, and the way from the sign-in to a new password.
import t from 'tap'
import type { LightMyRequestResponse } from 'fastify'
import { PASSWORD, startApp } from '../support/app.js'
import { type Pages, pagesOf } from '../support/pages.js'
import { workedOff } from '../support/queue.js'
import { startMailServer } from '../support/smtp.js'

const NEW = 'a quiet mountain of paper'

t.test('a forgotten password, by its pages', async (t) => {
  const server = await startMailServer(t)
  const { app, as, database } = await startApp(t, { config: { smtpUrl: server.url, publicUrl: 'https://auth.example.com' } })
  const browser = (): Pages => pagesOf(app)
  const work = () => workedOff(app, database)
  await as.admin()
  await as.signUp('ada@example.com')

  t.test('leads from the sign-in to a mail, and from there to a new password', async (t) => {
    const ada = browser()
    t.match((await ada.open('/ui/sign-in?return_to=%2Fui%2Faccount')).body, '/ui/forgot?return_to=')
    const asked = await ada.submit('/ui/forgot', { email: ' Ada@Example.com ' })
    t.equal(asked.statusCode, 303)
    t.equal(asked.headers.location, '/ui/sent?what=forgot')
    t.match((await ada.open('/ui/sent?what=forgot')).body, /If\s+Ada@Example.com\s+can be used here/)
    await work()
    const link = /https:\/\/auth\.example\.com(\/ui\/reset\?token=[\w-]+)/.exec(server.last('ada@example.com', /Choose a new password/).text)?.[1] ?? ''
    t.equal((await ada.open(link)).headers.location, '/ui/reset')
    t.equal((await ada.submit('/ui/reset', { 'new-password': NEW })).headers.location, '/ui/sign-in?done=reset')
    t.equal((await ada.submit('/ui/sign-in', { email: 'ada@example.com', 'current-password': PASSWORD })).statusCode, 422)
    t.equal((await ada.submit('/ui/sign-in', { email: 'ada@example.com', 'current-password': NEW })).statusCode, 303)
  })

  t.test('the same statuses, headers and bytes for a known and an unknown address', async (t) => {
    const bare = ({ body, headers, statusCode }: LightMyRequestResponse, email: string): string =>
      JSON.stringify([statusCode, Object.keys(headers), headers.location, body]).replaceAll(email, 'EMAIL').replaceAll(/name=\\"csrf\\" value=\\"[^"]*"/g, 'CSRF')
    const seen = await Promise.all(['ada@example.com', 'eve@example.com'].map(async (email) => {
      const one = browser()
      return [bare(await one.submit('/ui/forgot', { email }), email), bare(await one.open('/ui/sent?what=forgot'), email), bare(await one.open('/ui/forgot'), email)]
    }))
    t.same(seen[0], seen[1])
  })

  t.test('what is no address is said, and nothing is asked', async (t) => {
    const before = server.received.length
    for (const email of ['', '   ', 'no address', '<script>alert(1)</script>@example.com']) {
      const answer = await browser().submit('/ui/forgot', { email })
      t.equal(answer.statusCode, 422, email)
      t.match(answer.body, '<a href="#email">')
      t.notMatch(answer.body, '<script>')
    }
    t.equal((await browser().submit('/ui/forgot', { email: 'ada@example.com' }, { csrf: '' })).statusCode, 403, 'no other site asks')
    await work()
    t.equal(server.received.filter(({ to }) => !to.includes('ada@example.com')).length, 0)
    t.ok(server.received.length >= before)
  })

  t.test('the page of a browser that has asked for nothing names nobody, in its language', async (t) => {
    t.match((await browser().open('/ui/sent')).body, 'If the address can be used here')
    t.match((await browser().open('/ui/sent?what=elsewhere', { 'accept-language': 'de' })).body, 'Wenn die Adresse hier verwendet werden kann')
    t.notMatch((await browser().open('/ui/sent?what=elsewhere')).body, 'with another address', 'what is no word of ours leads nowhere')
  })

  t.test('an address is counted together with what it asks of the API', async (t) => {
    const token = await browser().token('/ui/forgot')
    t.not(token, '')
    for (let n = 0; n < 20; n += 1) await app.inject({ method: 'POST', url: '/api/v1/auth/password/forgot', payload: { email: 'nobody@example.com' } })
    const answer = await browser().submit('/ui/forgot', { email: 'ada@example.com' })
    t.equal(answer.statusCode, 429)
    t.match(answer.body, 'Too many requests')
  })
})
