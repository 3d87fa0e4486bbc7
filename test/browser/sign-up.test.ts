// Opening an account with mailed links in a real browser, without a script of ours, and changing its address: each page with axe, narrow and wide.
import t from 'tap'
import { PASSWORD } from '../support/app.js'
import { noBrowser, openHouse, type Visit } from '../support/browser.js'
import { workOff } from '../support/queued-work.js'
import { startMailServer } from '../support/smtp.js'

t.test('signing up, an invitation, and another address', { skip: noBrowser() }, async (t) => {
  const server = await startMailServer(t)
  const { app, as, clock, origin, visit } = await openHouse(t, { smtpUrl: server.url, emailVerification: 'required' })
  const admin = await as.admin()

  async function linkFor(to: string): Promise<string> {
    await workOff(app)
    return /http:\/\/\S+token=\S+/.exec(server.last(to).text)?.[0] ?? ''
  }
  async function isFine({ page, violations, isTooWide }: Visit): Promise<void> {
    t.same(await violations(), [], page.url())
    t.notOk(await isTooWide(), `${page.url()} does not scroll sideways`)
  }

  for (const [width, isDark] of [[1280, false], [390, true]] as const) {
    await t.test(`${width} px wide, in the ${isDark ? 'dark' : 'light'}`, async (t) => {
      const visited = await visit(t, { width, isDark })
      const { page, context, send } = visited
      const email = `nina-${width}@example.com`
      await page.goto(`${origin}/ui/sign-up`)
      await isFine(visited)
      await send({ email }, 'Send the link')
      t.equal(page.url(), `${origin}/ui/sent?what=sign-up`)
      await page.goto(await linkFor(email))
      t.equal(page.url(), `${origin}/ui/confirm`, 'the token is in no address')
      await isFine(visited)
      await send({ 'new-password': 'dragon' }, 'Create the account')
      t.match(await page.title(), /^Problem: /)
      await isFine(visited)
      await send({ name: 'Nina', 'new-password': PASSWORD }, 'Create the account')
      t.equal(page.url(), `${origin}/ui/account`)

      await page.goto(`${origin}/ui/account/email`)
      await isFine(visited)
      await send({ email: `new-${email}` }, 'Send the link')
      await page.goto(await linkFor(`new-${email}`))
      t.match(await page.locator('main').innerText(), `new-${email} becomes the address`)
      await isFine(visited)
      await send({}, 'Confirm')
      t.match(await page.locator('main').innerText(), 'The address is confirmed')
      t.match(await page.locator('main').innerText(), `It is new-${email}`)

      await app.inject({ method: 'POST', url: '/api/v1/invitations', headers: admin, payload: { email: `guest-${width}@example.com` } })
      const link = await linkFor(`guest-${width}@example.com`)
      await context.clearCookies()
      await page.goto(link)
      await isFine(visited)
      await send({ 'new-password': PASSWORD }, 'Create the account')
      t.match(await page.locator('main').innerText(), `guest-${width}@example.com`)
      await page.goto(link)
      t.match(await page.locator('h1').innerText(), 'This link does not work any more')
      await isFine(visited)
      clock.advance(60_000)
    })
  }
})
