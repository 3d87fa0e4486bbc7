// The pages of signing in and out, without a browser: what is sent, what is refused, what is told to nobody.
import t from 'tap'
import type { LightMyRequestResponse } from 'fastify'
import { PASSWORD, startApp } from '../support/app.js'
import { pagesOf } from '../support/pages.js'

const { app, as, clock, database } = await startApp(t)
const { user } = await as.signUp('ada@example.com')
const browser = () => pagesOf(app)
const EMAIL = { email: 'ada@example.com', 'current-password': PASSWORD }

t.test('a page is kept by nobody, framed by nobody, and runs nothing', async (t) => {
  const page = await browser().open('/ui/signed-out')
  t.equal(page.statusCode, 200)
  t.equal(page.headers['content-type'], 'text/html; charset=utf-8')
  t.equal(page.headers['cache-control'], 'no-store')
  t.equal(page.headers['referrer-policy'], 'same-origin')
  t.equal(page.headers['content-security-policy'], "default-src 'none'; style-src 'self'; font-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
  t.equal(page.headers['x-content-type-options'], 'nosniff')
  t.notMatch(page.body, /<script|<style| style=| on[a-z]+=/i)
  t.match(page.body, /<html lang="en" dir="ltr">/)
})

t.test('GET shows the form; with passkeys, a page runs our one script, which makes no markup of text', async (t) => {
  const page = await browser().open('/ui/sign-in')
  t.match(page.headers['content-security-policy'], / script-src 'self'; connect-src 'self'; require-trusted-types-for 'script'; trusted-types 'none'$/)
  t.match(page.body, 'autocomplete="username webauthn"')
  t.match(page.body, 'autocomplete="current-password"')
  t.equal([...page.body.matchAll(/<script/g)].length, 1)
  t.match(page.body, /<script src="\/ui\/assets\/passkeys-[A-Z0-9]+\.js" type="module"><\/script>/)
  t.notMatch(page.body, /<style| style=| on[a-z]+=/i)
})

t.test('the right password signs in with the cookie, and leads on', async (t) => {
  const ada = browser()
  const answer = await ada.submit('/ui/sign-in', EMAIL)
  t.equal(answer.statusCode, 303)
  t.equal(answer.headers.location, '/ui/account')
  t.ok(ada.jar.has('gatehouse'))
  const account = await ada.open('/ui/account')
  t.equal(account.statusCode, 200)
  t.match(account.body, 'ada@example.com')
  const { rows } = await database.pool.query<{ kind: string }>("SELECT kind FROM sessions WHERE user_id = $1 AND kind = 'cookie'", [user.id])
  t.equal(rows.length, 1)
})

t.test('signing in again ends the session that the browser came with; a planted id is never signed in', async (t) => {
  const ada = browser()
  await ada.submit('/ui/sign-in', EMAIL)
  const first = ada.jar.get('gatehouse')
  await ada.submit('/ui/sign-in', EMAIL)
  t.not(ada.jar.get('gatehouse'), first)
  const old = browser()
  old.jar.set('gatehouse', first ?? '')
  t.equal((await old.open('/ui/account')).statusCode, 303)
})

t.test('422 with the page for a wrong password, and the same bytes for an account that is not there', async (t) => {
  const bare = ({ body }: LightMyRequestResponse, email: string): string => body.replaceAll(email, 'EMAIL').replaceAll(/name="csrf" value="[^"]*"/g, 'CSRF').replaceAll(/challenge&quot;:&quot;[\w-]+/g, 'CHALLENGE')
  const pages = await Promise.all(['ada@example.com', 'eve@example.com'].map(async (email) => {
    const answer = await browser().submit('/ui/sign-in', { email, 'current-password': 'wrong horse battery staple' })
    t.equal(answer.statusCode, 422)
    t.match(answer.body, 'E-mail or password is not right, or this account cannot sign in.')
    t.match(answer.body, /<title>Problem: Sign in/)
    t.notMatch(answer.body, 'wrong horse', 'a password is never sent back')
    return bare(answer, email)
  }))
  t.equal(pages[0], pages[1])
})

t.test('an empty field is said with a link to it, and nothing is asked', async (t) => {
  const answer = await browser().submit('/ui/sign-in', { email: '', 'current-password': '' })
  t.equal(answer.statusCode, 422)
  t.match(answer.body, /<a href="#email">/)
  t.match(answer.body, /id="email"[^>]*aria-invalid="true"|aria-invalid="true"[^>]*id="email"/)
})

t.test('too many tries are told with a time, known or not', async (t) => {
  const texts: string[] = []
  for (const email of ['bob@example.com', 'nobody@example.com']) {
    if (email === 'bob@example.com') await as.signUp(email)
    let last = await browser().submit('/ui/sign-in', { email, 'current-password': 'wrong' })
    for (let at = 0; at < 30 && !last.body.includes('Too many tries'); at += 1) last = await browser().submit('/ui/sign-in', { email, 'current-password': 'wrong' })
    texts.push(/Too many tries[^<]*/.exec(last.body)?.[0] ?? '')
  }
  t.match(texts[0], /Try again at .*UTC/)
  t.equal(texts[0], texts[1])
  clock.advance(60 * 60_000)
})

t.test('a form needs its field and the word of the browser; silence is refused', async (t) => {
  const payload = { ...EMAIL }
  for (const [what, how] of [
    ['another site', { headers: { 'sec-fetch-site': 'cross-site' } }],
    ['a site beside', { headers: { 'sec-fetch-site': 'same-site' } }],
    ['another origin', { headers: { 'sec-fetch-site': undefined, origin: 'https://evil.example' } }],
    ['an origin without a name', { headers: { 'sec-fetch-site': undefined, origin: 'null' } }],
    ['silence', { headers: { 'sec-fetch-site': undefined } }],
    ['no field', { csrf: '' }],
    ['the field of another browser', { csrf: await browser().token('/ui/sign-in') }],
  ] as const) {
    const visitor = browser()
    const answer = await visitor.submit('/ui/sign-in', payload, how)
    t.equal(answer.statusCode, 403, what)
    t.match(answer.body, 'The form did not come from here')
    t.notOk(visitor.jar.has('gatehouse'), `${what} signs nobody in`)
  }
  const said = browser()
  t.equal((await said.submit('/ui/sign-in', payload, { headers: { 'sec-fetch-site': undefined, origin: app.publicOrigin() } })).statusCode, 303, 'an older browser says its origin')
})

t.test('a page is for a browser that is signed in: no token and no key opens it', async (t) => {
  const { headers } = await as.signUp()
  t.equal((await app.inject({ url: '/ui/account', headers })).statusCode, 403)
  const { headers: keyed } = await as.key([])
  t.equal((await app.inject({ url: '/ui/account', headers: keyed })).statusCode, 403)
})

t.test('whoever is not signed in is led to the sign-in, and back', async (t) => {
  const ada = browser()
  const answer = await ada.open('/ui/account?tab=1')
  t.equal(answer.statusCode, 303)
  t.equal(answer.headers.location, '/ui/sign-in?return_to=%2Fui%2Faccount%3Ftab%3D1')
  const back = await ada.submit(String(answer.headers.location), EMAIL)
  t.equal(back.headers.location, '/ui/account?tab=1')
})

t.test('return_to leads to a path of this origin, or to the account', async (t) => {
  for (const spelling of [
    'https://evil.example/', '//evil.example', '/\\evil.example', '/%5cevil.example', '/%2fevil.example', 'https:evil.example', 'https:/evil.example', '\\\\evil.example', '/\t/evil.example', '/\r\n/evil.example',
    ' //evil.example', '/.//evil.example', '/x/..//evil.example', 'javascript:alert(1)', '/\u2025/evil', '///evil.example', '/@evil.example\\', 'evil.example', '', '/a b', `/${'a'.repeat(9_000)}`,
  ]) {
    const answer = await browser().submit(`/ui/sign-in?${new URLSearchParams({ return_to: spelling }).toString()}`, EMAIL)
    t.ok(answer.statusCode === 400 || answer.headers.location === '/ui/account', JSON.stringify(spelling))
  }
  for (const path of ['/console', '/ui/account/keys?a=b#c', '/a%20b']) {
    const answer = await browser().submit(`/ui/sign-in?${new URLSearchParams({ return_to: path }).toString()}`, EMAIL)
    t.equal(answer.headers.location, path)
  }
})

t.test('signing out is asked for by a link and done by a form', async (t) => {
  const ada = browser()
  await ada.submit('/ui/sign-in', EMAIL)
  const cookie = ada.jar.get('gatehouse') ?? ''
  t.equal((await ada.open('/ui/sign-out')).statusCode, 200)
  t.equal((await ada.open('/ui/account')).statusCode, 200, 'looking ends nothing')
  const answer = await ada.submit('/ui/sign-out', {})
  t.equal(answer.headers.location, '/ui/signed-out')
  t.notOk(ada.jar.has('gatehouse'))
  t.equal((await ada.open('/ui/signed-out')).statusCode, 200)
  ada.jar.set('gatehouse', cookie)
  t.equal((await ada.open('/ui/account')).statusCode, 303, 'the cookie is worth nothing any more')
})

t.test('the field of one session is worth nothing in another', async (t) => {
  await as.signUp('carol@example.com')
  const [ada, carol] = [browser(), browser()]
  await ada.submit('/ui/sign-in', EMAIL)
  await carol.submit('/ui/sign-in', { ...EMAIL, email: 'carol@example.com' })
  t.equal((await carol.submit('/ui/sign-out', {}, { csrf: await ada.token('/ui/sign-out') })).statusCode, 403)
})

t.test('an unknown page, a method that a page lacks and a body that is no form are pages, too', async (t) => {
  const unknown = await app.inject({ url: '/ui/nowhere' })
  t.equal(unknown.statusCode, 404)
  t.match(unknown.body, 'There is no such page')
  t.equal(unknown.headers['content-security-policy'], "default-src 'none'; style-src 'self'; font-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
  t.equal(unknown.headers['set-cookie'], undefined)
  t.equal((await app.inject({ method: 'POST', url: '/ui/signed-out' })).statusCode, 405)
  const form = { 'content-type': 'application/x-www-form-urlencoded' }
  for (const payload of ['email=a&email=b', 'email=%ff', 'email=%zz', 'email=\u00e9', 'stranger=1', Array.from({ length: 60 }, (_, at) => `f${at}=1`).join('&'), '__proto__=1']) {
    t.equal((await app.inject({ method: 'POST', url: '/ui/sign-in', headers: { ...form, 'sec-fetch-site': 'same-origin' }, payload })).statusCode, payload.startsWith('stranger') || payload.startsWith('__proto__') ? 403 : 400, payload)
  }
  t.equal((await app.inject({ method: 'POST', url: '/ui/sign-in', headers: form, payload: `email=${'a'.repeat(40_000)}` })).statusCode, 413)
})

t.test('an answer of the page is in the language of whoever looks', async (t) => {
  const ada = browser()
  t.match((await ada.open('/ui/sign-in', { 'accept-language': 'fr, de-AT;q=0.8, en;q=0.1' })).body, /<html lang="de"/)
  t.match((await ada.open('/ui/sign-in', { 'accept-language': 'xx' })).body, /<html lang="en"/)
  t.match((await ada.open('/ui/sign-in?ui_locales=xx%20de')).body, /<html lang="de"/)
  t.match((await ada.open('/ui/sign-in', { 'accept-language': 'en' })).body, /<html lang="de"/, 'the browser keeps what was chosen')
})

t.test('a problem elsewhere is shown in one of our own sentences', async (t) => {
  for (const [code, status] of [['denied', 403], ['constructor', 400], ['<b>', 400]] as const) {
    const answer = await app.inject({ url: `/ui/problem?${new URLSearchParams({ code }).toString()}` })
    t.equal(answer.statusCode, status)
    t.notMatch(answer.body, '<b>')
  }
})

t.test('password managers find the page, and files are kept for ever', async (t) => {
  const found = await app.inject({ url: '/.well-known/change-password' })
  t.equal(found.statusCode, 303)
  t.equal(found.headers.location, '/ui/account/password')
  const { body } = await browser().open('/ui/sign-in')
  const style = /href="(\/ui\/assets\/[^"]+\.css)"/.exec(body)?.[1] ?? ''
  const plain = await app.inject({ url: style })
  t.equal(plain.statusCode, 200)
  t.equal(plain.headers['cache-control'], 'public, max-age=31536000, immutable')
  const small = await app.inject({ url: style, headers: { 'accept-encoding': 'gzip, br' } })
  t.equal(small.headers['content-encoding'], 'br')
  t.ok(small.rawPayload.length < 6_000)
  for (const name of ['..%2fpages.js', 'manifest.json', 'constructor', 'pages.js', '.gatehouse-pages']) t.equal((await app.inject({ url: `/ui/assets/${name}` })).statusCode, 404, name)
})

t.test('where it is open, a stranger opens an account and is signed in; where it is not, nothing is looked at', async (t) => {
  const eve = browser()
  t.match((await eve.open('/ui/sign-in')).body, 'href="/ui/sign-up"')
  t.equal((await eve.submit('/ui/sign-up', { email: 'new@example.com', 'new-password': 'dragon' })).statusCode, 422, 'not with any password')
  t.equal((await eve.submit('/ui/sign-up', { email: 'no address', 'new-password': PASSWORD })).statusCode, 422)
  const answer = await eve.submit('/ui/sign-up?return_to=%2Fui%2Faccount%2Fkeys', { email: 'new@example.com', name: 'New', 'new-password': PASSWORD })
  t.equal(answer.statusCode, 303)
  t.equal(answer.headers.location, '/ui/account/keys')
  t.match((await eve.open('/ui/account')).body, 'new@example.com')
  t.equal((await browser().submit('/ui/sign-up', { email: 'new@example.com', 'new-password': PASSWORD })).statusCode, 422, 'once')
  const { rows } = await database.pool.query<{ count: string }>("SELECT count(*) FROM users WHERE email = 'new@example.com'")
  t.equal(rows[0]?.count, '1')

  const closed = await startApp(t, { config: { signUp: 'closed' } })
  const stranger = pagesOf(closed.app)
  t.equal((await stranger.open('/ui/sign-up')).statusCode, 403)
  t.notMatch((await stranger.open('/ui/sign-in')).body, 'sign-up')
  const refused = await stranger.submit('/ui/sign-up', { email: 'x@example.com', 'new-password': PASSWORD }, { csrf: await stranger.token('/ui/sign-in') })
  t.equal(refused.statusCode, 403)
  t.match(refused.body, 'Accounts are not opened here by themselves')
})
