// A look and words of one's own: what GATEHOUSE_UI_DIR may hold, and what becomes of the rest.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { createPages } from '../../src/pages/index.js'
import { startApp } from '../support/app.js'
import { pagesOf } from '../support/pages.js'

function folderWith(t: Test, files: Record<string, string>): string {
  const folder = mkdtempSync(join(tmpdir(), 'gatehouse-ui-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  mkdirSync(join(folder, 'messages'))
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text)
  return folder
}

const LOGO = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><script>alert(1)</script><path d="M0 0h9v9"/></svg>'

t.test('colours, a logo and words', async (t) => {
  const uiDir = folderWith(t, {
    'theme.css': ':root { --accent: light-dark(#003366, #99ccff); }', 'logo.svg': LOGO, 'logo-dark.svg': LOGO,
    'messages/en.json': '{"sign-in.title":"Come in"}', 'messages/fr.json': '{"sign-in.title":"Connexion"}',
  })
  const { app } = await startApp(t, { config: { uiDir } })
  const page = (await pagesOf(app).open('/ui/sign-in')).body
  t.match(page, '<h1>Come in</h1>')
  const addresses = [...page.matchAll(/(?:href|src|srcset)="(\/ui\/assets\/[^"]+)"/g)].map(([, address = '']) => address)
  const theme = addresses.find((one) => one.includes('theme')) ?? ''
  t.ok(addresses.indexOf(theme) > addresses.findIndex((one) => one.includes('pages')), 'the theme comes after what it changes')
  t.equal((await app.inject({ url: theme })).body, ':root {\n  --accent: light-dark(#003366, #99ccff);\n}\n')
  const logos = addresses.filter((one) => one.includes('logo'))
  t.equal(logos.length, 2)
  for (const url of logos) {
    const { headers, statusCode } = await app.inject({ url })
    t.equal(statusCode, 200)
    t.match(headers, { 'content-type': 'image/svg+xml', 'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'; sandbox; frame-ancestors 'none'", 'x-content-type-options': 'nosniff' }, 'nothing in it runs')
  }
  const french = (await pagesOf(app).open('/ui/sign-in', { 'accept-language': 'fr-CA' })).body
  t.match(french, '<html lang="fr"')
  t.match(french, 'Connexion')
  t.match(french, 'Password', 'what is missing is English')
  t.match(french, 'français')
})

t.test('what cannot be used is said, and left out', async (t) => {
  const uiDir = folderWith(t, {
    'theme.css': ':root { --accent: #eeeeee; --stranger: 1px; } body { display: none }', 'logo.svg': 'x'.repeat(300_000),
    'messages/en.json': '{"sign-in.title":"{name} comes in","nothing":"x","sign-in.do":"{","sign-in.or":7}', 'messages/de.json': '[]', 'messages/not a language.json': '{}',
  })
  const warnings: string[] = []
  const { pages } = createPages({ config: { uiDir, uiLocale: 'en' }, log: { warn: (_details, message) => void warnings.push(message) } })
  const { html } = await pages.render({ name: 'signed-out', props: {} }, { wishes: [], here: '/', csrf: '', requestId: '', isSignedIn: false, isScripted: false })
  t.match(html, 'You are signed out')
  t.equal(pages.assets.logo, null)
  const said = warnings.join('\n')
  for (const part of ['--on-accent on --accent has a contrast', '--stranger is no token', 'tokens alone', 'logo.svg is larger', 'sign-in.title asks for what it is not given', 'there is no text nothing', 'sign-in.do is no ICU message',
    'there is no text sign-in.or', 'messages/de.json is no JSON object', 'not a language.json is named after no language']) t.ok(said.includes(part), part)
  const none: string[] = []
  createPages({ config: { uiDir: join(uiDir, 'nowhere'), uiLocale: 'en' }, log: { warn: (_details, message) => void none.push(message) } })
  t.same(none, ['GATEHOUSE_UI_DIR: there is no such folder'])
})

t.test('a language of the installation is for whoever wishes for none that there is', async (t) => {
  const { app } = await startApp(t, { config: { uiLocale: 'de-AT' } })
  t.match((await pagesOf(app).open('/ui/sign-in', { 'accept-language': 'xx' })).body, '<html lang="de"')
})
