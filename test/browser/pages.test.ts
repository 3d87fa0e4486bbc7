// Every page as people see it: for assistive technology, in the light and in the dark, narrow and wide, zoomed, in a language that is longer and runs
// from right to left, and by the keyboard alone.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { brotliCompressSync } from 'node:zlib'
import t from 'tap'
import { PASSWORD } from '../support/app.js'
import { noBrowser, openHouse, type Visit } from '../support/browser.js'

const MOST_BYTES = 20 * 1024
const ENGLISH = join(import.meta.dirname, '../../ui/messages/en.json')

/** English, 40 % longer, in a language that runs from right to left. */
function longer(): Record<string, string> {
  const messages = JSON.parse(readFileSync(ENGLISH, 'utf8')) as Record<string, string>
  const filler = (length: number): string => 'ךלב שדומ רפע '.repeat(20).slice(0, Math.ceil(length * 0.4))
  return Object.fromEntries(Object.entries(messages).map(([key, message]) => [key, `${message} ${filler(message.length)}`]))
}

const STRANGERS = ['/ui/sign-in', '/ui/sign-up', '/ui/signed-out', '/ui/forgot', '/ui/sent', '/ui/sent?what=forgot', '/ui/magic-link', '/ui/magic-link/open', '/ui/reset', '/ui/nowhere', '/ui/account-deleted', '/ui/problem', '/ui/confirm-address', '/ui/confirm']
const MEMBERS = ['/ui/account', '/ui/account/profile', '/ui/account/password', '/ui/account/sessions', '/ui/account/factors', '/ui/account/factors/app', '/ui/account/factors/passkey', '/ui/step-up', '/ui/account/identities', '/ui/account/keys', '/ui/account/delete', '/ui/sign-out', '/ui/account/email']

t.test('the pages', { skip: noBrowser() }, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'gatehouse-ui-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  mkdirSync(join(folder, 'messages'))
  writeFileSync(join(folder, 'messages/he.json'), JSON.stringify(longer()))
  const house = await openHouse(t, { uiDir: folder, magicLink: true })
  await house.as.signUp('ada@example.com')
  const { app, origin, visit } = house
  const style = brotliCompressSync((await app.inject({ url: app.pages.assets.style })).rawPayload).length

  async function each({ page, send }: Visit, look: (path: string) => Promise<void>): Promise<void> {
    const open = async (path: string): Promise<void> => {
      await page.goto(`${origin}${path}`)
      await look(path)
    }
    for (const path of STRANGERS) await open(path)
    await page.goto(`${origin}/ui/sign-in`)
    const words = await page.locator('button[type=submit]').first().innerText()
    await send({ email: 'ada@example.com', 'current-password': 'wrong' }, words)
    await look('/ui/sign-in, refused')
    await send({ 'current-password': PASSWORD }, words)
    for (const path of MEMBERS) await open(path)
    await page.goto(`${origin}/ui/account/keys`)
    await page.locator('#name').fill('my script')
    await page.locator('#name').press('Enter')
    await page.waitForSelector('output')
    await look('/ui/account/keys, issued')
  }

  for (const [isDark, width] of [[false, 1280], [true, 390]] as const) {
    await t.test(`nothing is in anybody's way, in the ${isDark ? 'dark' : 'light'}, ${width} px wide`, async (t) => {
      const visited = await visit(t, { isDark, width })
      await each(visited, async (path) => {
        t.same(await visited.violations(), [], path)
        for (const other of [width === 390 ? 768 : 1440, width]) {
          await visited.page.setViewportSize({ width: other, height: 900 })
          t.notOk(await visited.isTooWide(), `${path} does not scroll sideways, ${other} px wide`)
        }
        const html = await visited.page.content()
        t.notMatch(html.replace(/<script>.*?<\/script>/gs, ''), /<style| style="| on[a-z]+="/, `${path} has nothing inline`)
        t.ok(brotliCompressSync(Buffer.from(html)).length + style < MOST_BYTES, `${path} is light`)
      })
    })
  }

  await t.test('targets are large enough for a finger', async (t) => {
    const visited = await visit(t, { width: 390 })
    await each(visited, async (path) => {
      const small = await visited.page.evaluate<string[]>(`[...document.querySelectorAll('button, input:not([type=hidden]):not([type=checkbox]), select, .nav a, a.button')]
        .map((one) => [one, one.getBoundingClientRect()]).filter(([, { width, height }]) => width > 0 && height < 44).map(([one, { height }]) => one.outerHTML.slice(0, 80) + ' ' + height)`)
      t.same(small, [], path)
    })
  })

  await t.test('a longer language from right to left breaks no layout, nor does a zoom of 400 %', async (t) => {
    const visited = await visit(t, { width: 320, locale: 'he' })
    await each(visited, async (path) => {
      t.equal(await visited.page.locator('html').getAttribute('dir'), 'rtl', path)
      t.notOk(await visited.isTooWide(), `${path} does not scroll sideways`)
    })
  })

  await t.test('the keyboard alone signs in; where it is can be seen', async (t) => {
    const { page } = await visit(t)
    await page.goto(`${origin}/ui/sign-in`)
    t.equal(await page.evaluate('document.activeElement.id'), 'email', 'the first field has the focus')
    await page.keyboard.type('ada@example.com')
    await page.keyboard.press('Tab')
    t.equal(await page.evaluate('document.activeElement.id'), 'current-password')
    t.not(await page.evaluate('getComputedStyle(document.activeElement).outlineStyle'), 'none')
    await page.keyboard.type(PASSWORD)
    await page.keyboard.press('Enter')
    await page.waitForURL(`${origin}/ui/account`)
    const seen: unknown[] = []
    for (let step = 0; step < 15; step += 1) {
      await page.keyboard.press('Tab')
      seen.push(await page.evaluate("document.activeElement === document.body ? 'body' : getComputedStyle(document.activeElement).outlineWidth"))
    }
    t.ok(seen.every((one) => one === 'body' || one === '2px'), seen.join())
  })

  await t.test('colours that a system forces keep borders and words', async (t) => {
    const { page } = await visit(t)
    await page.emulateMedia({ forcedColors: 'active', reducedMotion: 'reduce' })
    await page.goto(`${origin}/ui/sign-in`)
    t.not(await page.evaluate("getComputedStyle(document.querySelector('.button')).borderTopWidth"), '0px')
    t.equal(await page.evaluate("getComputedStyle(document.querySelector('.button')).transitionDuration"), '0s, 0s')
  })
})
