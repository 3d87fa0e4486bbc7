// Second factors in a real browser: an app and recovery codes without JavaScript, passkeys with Chromium's virtual authenticator.
import t, { type Test } from 'tap'
import type { CDPSession } from 'playwright-core'
import { Secret, TOTP } from 'otpauth'
import { PASSWORD } from '../support/app.js'
import { noBrowser, openHouse, type Visit } from '../support/browser.js'

/** An authenticator that always has its owner's finger. */
async function authenticator({ page, context }: Visit, hasFinger = true): Promise<CDPSession> {
  const session = await context.newCDPSession(page)
  await session.send('WebAuthn.enable', { enableUI: false })
  await session.send('WebAuthn.addVirtualAuthenticator', {
    options: { protocol: 'ctap2', transport: 'internal', hasResidentKey: true, hasUserVerification: true, isUserVerified: hasFinger, automaticPresenceSimulation: true },
  })
  return session
}

t.test('second factors', { skip: noBrowser() }, async (t) => {
  const house = await openHouse(t)
  const { as, clock, origin, visit } = house
  let count = 0

  /** A new member, signed in in a browser. */
  async function member(t: Test, options: Parameters<typeof visit>[1] = {}): Promise<Visit & { email: string }> {
    const email = `member-${(count += 1)}@example.com`
    await as.signUp(email)
    const visited = await visit(t, options)
    await visited.page.goto(`${origin}/ui/sign-in`)
    await visited.send({ email, 'current-password': PASSWORD }, 'Sign in')
    return { ...visited, email }
  }
  const codeOf = (secret: string): string => new TOTP({ secret: Secret.fromBase32(secret.replaceAll(' ', '')) }).generate({ timestamp: clock.now() })

  await t.test('an authenticator app and recovery codes, without JavaScript', async (t) => {
    const { page, send, email } = await member(t, { javaScript: false, width: 390 })
    await page.goto(`${origin}/ui/account/factors`)
    await page.getByRole('link', { name: 'Add an authenticator app' }).click()
    await send({ name: 'Phone' }, 'Go on')
    t.ok(await page.getByRole('img', { name: 'The key as a QR code' }).isVisible())
    const secret = await page.locator('output').innerText()
    await send({ code: '000000' }, 'Add the app')
    t.match(await page.locator('.notice[role=alert]').innerText(), 'That code is not right, or has been used.')
    t.equal(await page.locator('output').innerText(), secret, 'the same key, once more')
    await send({ code: codeOf(secret) }, 'Add the app')
    const codes = await page.locator('.secret li').allInnerTexts()
    t.equal(codes.length, 10)
    await page.goto(`${origin}/ui/sign-out`)
    await send({}, 'Sign out')

    clock.advance(60_000)
    await page.goto(`${origin}/ui/sign-in?return_to=%2Fui%2Faccount%2Fkeys`)
    await send({ email, 'current-password': PASSWORD }, 'Sign in')
    t.equal(page.url(), `${origin}/ui/verify?return_to=%2Fui%2Faccount%2Fkeys`)
    t.equal(await page.locator('#email').inputValue(), email, 'a password manager sees whose code it is')
    const code = codeOf(secret)
    await send({ code: `${code.slice(0, 3)} ${code.slice(3)}` }, 'Go on')
    t.equal(page.url(), `${origin}/ui/account/keys`, 'in, and on to where one wanted to go')
    await page.goto(`${origin}/ui/sign-out`)
    await send({}, 'Sign out')

    await page.goto(`${origin}/ui/sign-in`)
    await send({ email, 'current-password': PASSWORD }, 'Sign in')
    await send({ code }, 'Go on')
    t.match(await page.locator('.notice[role=alert]').innerText(), 'not right, or has been used')
    await page.getByRole('link', { name: 'Use a recovery code' }).click()
    await send({ 'recovery-code': codes[0] ?? '' }, 'Go on')
    t.equal(page.url(), `${origin}/ui/account`)
    await page.goto(`${origin}/ui/account/factors`)
    t.match(await page.locator('main').innerText(), '9 are left')
  })

  await t.test('a passkey is made, is both factors by itself, and signs in by a button', async (t) => {
    const visited = await member(t)
    const { page, send, violations } = visited
    await authenticator(visited)
    await page.goto(`${origin}/ui/account/factors`)
    t.same(await violations(), [])
    await page.getByRole('link', { name: 'Add a passkey' }).click()
    t.same(await violations(), [])
    await page.getByRole('button', { name: 'Make a passkey' }).click()
    await page.getByRole('heading', { name: 'Recovery codes' }).waitFor()
    t.same(await violations(), [])
    await page.goto(`${origin}/ui/account/factors`)
    t.match(await page.locator('main').innerText(), 'passkey')
    await page.goto(`${origin}/ui/sign-out`)
    await send({}, 'Sign out')
    await page.goto(`${origin}/ui/sign-in`)
    await page.waitForURL(`${origin}/ui/account`, { timeout: 5_000 }).catch(() => page.getByRole('button', { name: 'Sign in with a passkey' }).click())
    await page.waitForURL(`${origin}/ui/account`)
    t.equal(await page.locator('h1').innerText(), 'Your account')
  })

  await t.test('a passkey is the second factor after a password', async (t) => {
    const visited = await member(t, { isDark: true, width: 390 })
    const { page, send, violations, email } = visited
    await authenticator(visited)
    await page.goto(`${origin}/ui/account/factors/passkey`)
    await page.getByRole('button', { name: 'Make a passkey' }).click()
    await page.getByRole('heading', { name: 'Recovery codes' }).waitFor()
    await page.goto(`${origin}/ui/sign-out`)
    await send({}, 'Sign out')
    // what the browser would fill in by itself is left alone here
    await page.addInitScript('PublicKeyCredential.isConditionalMediationAvailable = async () => false')
    await page.goto(`${origin}/ui/sign-in`)
    await send({ email, 'current-password': PASSWORD }, 'Sign in')
    t.equal(page.url(), `${origin}/ui/verify`)
    t.same(await violations(), [])
    await page.getByRole('button', { name: 'Use a passkey' }).click()
    await page.waitForURL(`${origin}/ui/account`)
    t.pass('in')
  })

  await t.test('an act that asks for a recent proof gets one, and goes on', async (t) => {
    const { page, send, violations } = await member(t)
    clock.advance(20 * 60_000)
    await page.goto(`${origin}/ui/account/delete`)
    t.equal(page.url(), `${origin}/ui/step-up?return_to=%2Fui%2Faccount%2Fdelete`)
    t.same(await violations(), [])
    await send({ 'current-password': 'wrong' }, 'Go on')
    t.match(await page.locator('.notice[role=alert]').innerText(), 'not your current password')
    await send({ 'current-password': PASSWORD }, 'Go on')
    t.equal(page.url(), `${origin}/ui/account/delete`)
  })

  await t.test('a passkey that is called off is said, and the password is there', async (t) => {
    const visited = await visit(t)
    const { page } = visited
    await authenticator(visited, false)
    await page.goto(`${origin}/ui/sign-in`)
    t.ok(await page.getByRole('button', { name: 'Show password' }).isVisible())
    t.notOk(await page.getByText('No passkey was used').isVisible(), 'nothing is said before anything was called off')
    await page.locator('#current-password').fill('seen')
    await page.getByRole('button', { name: 'Show password' }).click()
    t.equal(await page.locator('#current-password').getAttribute('type'), 'text')
    await page.getByRole('button', { name: 'Hide password' }).click()
    t.equal(await page.locator('#current-password').getAttribute('type'), 'password')
  })
})
