// Signing in by another system in a real browser: out by our own page, for a form may not be redirected to another origin, and back.
import t from 'tap'
import { PASSWORD } from '../support/app.js'
import { noBrowser, openHouse } from '../support/browser.js'
import { addProvider } from '../support/federation.js'
import { startOidcProvider } from '../support/upstream.js'

t.test('signing in by a provider', { skip: noBrowser() }, async (t) => {
  const house = await openHouse(t, { outboundAllow: ['127.0.0.0/8'] })
  const { as, origin, visit } = house
  const upstream = await startOidcProvider(t)
  const provider = await addProvider(house, upstream.issuer, { name: 'Example & Co' })
  upstream.serve(provider.redirectUri)
  const others = [upstream.issuer]

  for (const javaScript of [true, false]) {
    await t.test(`out and back, and on to where one wanted to go, ${javaScript ? 'with' : 'without'} JavaScript`, async (t) => {
      const { page, violations } = await visit(t, { javaScript, others })
      await page.goto(`${origin}/ui/account/profile`)
      await page.getByRole('button', { name: 'Continue with Example & Co' }).click()
      await page.waitForURL(`${origin}/ui/account/profile`)
      t.equal(await page.locator('h1').innerText(), 'Profile')
      await page.goto(`${origin}/ui/account/identities`)
      t.match(await page.locator('main').innerText(), 'Example & Co')
      if (javaScript) t.same(await violations(), [])
    })
  }

  await t.test('an account that has the address is linked by its owner alone', async (t) => {
    await as.signUp('grace@example.com')
    Object.assign(upstream.account, { sub: 'grace', email: 'grace@example.com' })
    const { page, send, violations } = await visit(t, { others })
    await page.goto(`${origin}/ui/sign-in`)
    await page.getByRole('button', { name: 'Continue with Example & Co' }).click()
    await page.waitForURL(/\/ui\/sign-in\?return_to=/)
    t.match(await page.locator('main').innerText(), 'There is an account with this address')
    await send({ email: 'grace@example.com', 'current-password': PASSWORD }, 'Sign in')
    t.equal(page.url(), `${origin}/ui/link`)
    t.same(await violations(), [])
    await send({}, 'Yes, link them')
    t.match(await page.locator('main').innerText(), 'It is linked')
    await send({}, 'Unlink: Example & Co, grace@example.com')
    t.match(await page.locator('main').innerText(), 'no longer linked')
    await page.getByRole('button', { name: 'Continue with Example & Co' }).click()
    await page.waitForURL(/done=linked/)
    t.match(await page.locator('main').innerText(), 'grace@example.com', 'and linked again from within')
  })

  await t.test('what came of it elsewhere is said in words of ours', async (t) => {
    const { page } = await visit(t, { others })
    await page.goto(`${origin}/ui/federated?federation=failed&error=federation.denied&return_to=//evil.example`)
    t.match(await page.locator('.notice[role=alert]').innerText(), 'was told no')
    t.equal(await page.locator('form').first().getAttribute('action'), '/ui/sign-in')
    await page.goto(`${origin}/ui/federated?federation=mfa_required&federation_code=x`)
    t.match(await page.locator('.notice[role=alert]').innerText(), 'did not work')
  })
})
