// Signing in to an application in a real browser: the way over our pages and back, with and without JavaScript, which the policy of our forms does not stop.
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { PASSWORD } from '../support/app.js'
import { noBrowser, openHouse } from '../support/browser.js'
import { formOf, oauthHouse, requestOf } from '../support/oauth.js'

t.test('signing in to an application', { skip: noBrowser() }, async (t) => {
  const house = await openHouse(t)
  const { as, origin, visit } = house
  await as.signUp('ada@example.com')
  const { client } = await oauthHouse(house)
  // the application: it goes on to another address of its own, as they do
  const server = createServer((request, response) => {
    const isBack = (request.url ?? '').startsWith('/cb')
    if (isBack) response.writeHead(302, { location: `/in${(request.url ?? '').slice(3)}` }).end()
    else response.writeHead(200, { 'content-type': 'text/html' }).end('<!doctype html><title>In</title><h1>You are in</h1>')
  })
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  const app = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const web = await client({ kind: 'web', name: 'Reports', redirectUris: [`${app}/cb`] })
  const address = (more: Record<string, string> = {}): string => `${origin}/oauth/authorize?${formOf(requestOf(web, { redirect_uri: `${app}/cb`, ...more }).query)}`

  for (const javaScript of [true, false]) {
    await t.test(`over the sign-in and the question, ${javaScript ? 'with' : 'without'} JavaScript, and back`, async (t) => {
      const { page, send, violations } = await visit(t, { javaScript, others: [app] })
      await page.goto(address({ prompt: 'consent' }))
      t.match(page.url(), `${origin}/ui/sign-in?return_to=`)
      await send({ email: 'ada@example.com', 'current-password': PASSWORD }, 'Sign in')
      t.match(page.url(), `${origin}/ui/consent?`)
      const text = await page.locator('main').innerText()
      for (const part of ['Reports asks to act for you, ada@example.com', 'Know that it is you', 'See your e-mail address', new URL(app).host, 'on this device']) t.match(text, part)
      if (javaScript) t.same(await violations(), [])
      await page.getByRole('button', { name: 'Allow', exact: true }).click()
      await page.waitForURL(`${app}/in**`)
      t.match(await page.locator('h1').innerText(), 'You are in')
      const back = new URL(page.url()).searchParams
      t.same([back.get('state'), back.get('iss'), back.has('code')], ['st', origin, true])
      await page.goto(address())
      await page.waitForURL(`${app}/in**`)
      t.ok(new URL(page.url()).searchParams.get('code'), 'the next time straight back')
      await page.goto(`${origin}/ui/account/applications`)
      t.match(await page.locator('main').innerText(), 'Reports')
      if (javaScript) t.same(await violations(), [])
      await page.getByRole('button', { name: 'Take back: Reports' }).click()
      await page.waitForLoadState()
      t.match(await page.locator('main').innerText(), 'No application may act for you')
    })
  }

  await t.test('no leads back, too, and what an application does wrong is said here', async (t) => {
    const { page, send, isTooWide } = await visit(t, { others: [app], width: 320 })
    await page.goto(address({ prompt: 'consent' }))
    await send({ email: 'ada@example.com', 'current-password': PASSWORD }, 'Sign in')
    t.notOk(await isTooWide())
    await page.getByRole('button', { name: 'Cancel', exact: true }).click()
    await page.waitForURL(`${app}/in**`)
    t.equal(new URL(page.url()).searchParams.get('error'), 'access_denied')
    await page.goto(address({ redirect_uri: 'http://127.0.0.1:1/evil' }))
    t.match(await page.locator('main').innerText(), 'This application cannot sign you in')
    t.notOk(await isTooWide())
  })
})
