// Signing in and out in a real browser, with and without JavaScript.
import t from 'tap'
import { PASSWORD } from '../support/app.js'
import { noBrowser, openHouse } from '../support/browser.js'

t.test('signing in and out', { skip: noBrowser() }, async (t) => {
  const house = await openHouse(t)
  await house.as.signUp('ada@example.com')
  const { origin, visit } = house

  for (const javaScript of [true, false]) {
    await t.test(`a person signs in, and out again, ${javaScript ? 'with' : 'without'} JavaScript`, async (t) => {
      const { page, send } = await visit(t, { javaScript })
      await page.goto(`${origin}/ui/account`)
      t.equal(page.url(), `${origin}/ui/sign-in?return_to=%2Fui%2Faccount`)
      await send({ email: 'ada@example.com', 'current-password': 'wrong' }, 'Sign in')
      t.match(await page.title(), /^Problem: Sign in/)
      t.equal(await page.locator('#email').inputValue(), 'ada@example.com', 'what was typed stays')
      await send({ 'current-password': PASSWORD }, 'Sign in')
      t.equal(page.url(), `${origin}/ui/account`)
      t.match(await page.locator('main').innerText(), 'ada@example.com')
      await page.getByRole('link', { name: 'Sign out' }).click()
      await send({}, 'Sign out')
      t.equal(page.url(), `${origin}/ui/signed-out`)
      await page.goBack()
      t.equal(page.url(), `${origin}/ui/sign-in?return_to=%2Fui%2Fsign-out`, 'Back shows nothing of the account')
    })
  }

  await t.test('a form of another origin signs nobody in', async (t) => {
    const { page, context } = await visit(t, { others: ['http://evil.test'] })
    await page.goto(`${origin}/ui/sign-in`)
    const csrf = await page.locator('input[name=csrf]').first().inputValue()
    const fields = { email: 'ada@example.com', 'current-password': PASSWORD, csrf }
    const inputs = Object.entries(fields).map(([name, value]) => `<input name="${name}" value="${value}">`).join('')
    await context.route('http://evil.test/**', (route) => route.fulfill({ contentType: 'text/html', body: `<form method="post" action="${origin}/ui/sign-in">${inputs}<button>go</button></form>` }))
    await page.goto('http://evil.test/')
    await page.getByRole('button').click()
    await page.waitForURL(`${origin}/ui/sign-in`)
    t.match(await page.locator('main').innerText(), 'The form did not come from here')
    t.notOk((await context.cookies()).some(({ name }) => name === 'gatehouse'))
  })

  await t.test('no page can be framed', async (t) => {
    const { page, context } = await visit(t, { others: ['http://evil.test'] })
    const refused: string[] = []
    page.on('requestfailed', (request) => void refused.push(request.url()))
    await context.route('http://evil.test/**', (route) => route.fulfill({ contentType: 'text/html', body: `<iframe src="${origin}/ui/signed-out"></iframe>` }))
    await page.goto('http://evil.test/')
    t.same(page.frames().filter((frame) => frame.url().startsWith(origin)).length, 0)
    t.ok(refused.length <= 1)
  })
})
