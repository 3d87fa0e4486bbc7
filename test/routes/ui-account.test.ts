// The pages of one's own account and of links, without a browser: each does what the API does, and nothing by being looked at.
import t from 'tap'
import { createActors } from '../support/actors.js'
import { expectJson, PASSWORD, startApp } from '../support/app.js'
import { pagesOf, type Pages } from '../support/pages.js'

const { app, as, clock, database } = await startApp(t)
const actors = await createActors(app, as)
let count = 0

/** A new member in a browser of their own. */
async function member(): Promise<Pages & { email: string; id: string; headers: { authorization: string } }> {
  const email = `member-${(count += 1)}@example.com`
  const { user, headers } = await as.signUp(email)
  const pages = pagesOf(app)
  await pages.submit('/ui/sign-in', { email, 'current-password': PASSWORD })
  return { ...pages, email, id: user.id, headers }
}

t.test('every page of an account is for whoever is signed in', async (t) => {
  for (const path of ['', '/profile', '/email', '/password', '/sessions', '/identities', '/keys', '/delete']) {
    const answer = await pagesOf(app).open(`/ui/account${path}`)
    t.equal(answer.statusCode, 303, path)
    t.equal(answer.headers.location, `/ui/sign-in?return_to=${encodeURIComponent(`/ui/account${path}`)}`)
    t.equal((await app.inject({ method: 'POST', url: `/ui/account${path}`, headers: { 'sec-fetch-site': 'same-origin' } })).statusCode, 303, `${path}: a form leads there, too`)
  }
})

t.test('the name is changed where nobody else has changed it meanwhile', async (t) => {
  const ada = await member()
  const version = /name="version" value="(\d+)"/.exec((await ada.open('/ui/account/profile')).body)?.[1] ?? ''
  const saved = await ada.submit('/ui/account/profile', { name: ' Ada & <b>Co</b> ', version })
  t.equal(saved.headers.location, '/ui/account/profile?done=saved')
  const page = await ada.open('/ui/account/profile?done=saved')
  t.match(page.body, 'value="Ada &amp; &lt;b>Co&lt;/b>"')
  t.match(page.body, 'role="status"')
  t.equal((await ada.submit('/ui/account/profile', { name: 'Eve', version })).statusCode, 422)
  t.match((await ada.open('/ui/account')).body, 'Ada &amp; &lt;b>Co&lt;/b>', 'it stays')
  const now = /name="version" value="(\d+)"/.exec((await ada.open('/ui/account/profile')).body)?.[1] ?? ''
  t.equal((await ada.submit('/ui/account/profile', { name: 'Ada', locale: 'de', version: now })).statusCode, 303)
  t.equal((await database.prisma.user.findUniqueOrThrow({ where: { id: ada.id } })).locale, 'de', 'mails to her are German')
  t.match((await ada.open('/ui/account/profile')).body, /<option[^>]*value="de"[^>]*selected|<option[^>]*selected[^>]*value="de"/)
  t.equal((await ada.submit('/ui/account/profile', { name: 'a\u202eb', version })).statusCode, 400, 'text that reads otherwise than it is written')
})

t.test('the password is changed by whoever knows it, and ends every other session', async (t) => {
  const ada = await member()
  const elsewhere = pagesOf(app)
  await elsewhere.submit('/ui/sign-in', { email: ada.email, 'current-password': PASSWORD })
  const wrong = await ada.submit('/ui/account/password', { 'current-password': 'not it', 'new-password': 'a quiet mountain of paper' })
  t.equal(wrong.statusCode, 422)
  t.match(wrong.body, 'This is not your current password')
  const weak = await ada.submit('/ui/account/password', { 'current-password': PASSWORD, 'new-password': 'dragon' })
  t.equal(weak.statusCode, 422)
  t.match(weak.body, 'too easy to guess')
  t.match(weak.body, `value="${ada.email}"`, 'password managers see whose it is')
  t.equal((await elsewhere.open('/ui/account')).statusCode, 200, 'nothing has happened yet')
  const right = await ada.submit('/ui/account/password', { 'current-password': PASSWORD, 'new-password': 'a quiet mountain of paper' })
  t.equal(right.headers.location, '/ui/account/password?done=password')
  t.equal((await ada.open('/ui/account')).statusCode, 200)
  t.equal((await elsewhere.open('/ui/account')).statusCode, 303)
})

t.test('sessions are seen and ended, devices forgotten; nobody else\'s', async (t) => {
  const [ada, eve] = [await member(), await member()]
  const { data } = expectJson<{ data: { id: string; current: boolean }[] }>(await actors.send('GET', '/sessions', ada.headers), 200)
  const page = await ada.open('/ui/account/sessions')
  t.match(page.body, 'Ada on Linux')
  const tokenSession = data.find(({ current }) => current)?.id ?? ''
  t.equal((await eve.submit('/ui/account/sessions', { end: tokenSession })).statusCode, 404)
  t.equal((await actors.send('GET', '/me', ada.headers)).statusCode, 200, 'a stranger ends nothing')
  t.equal((await ada.submit('/ui/account/sessions', { end: tokenSession })).headers.location, '/ui/account/sessions?done=session-ended')
  t.equal((await actors.send('GET', '/me', ada.headers)).statusCode, 401)
  const other = pagesOf(app)
  await other.submit('/ui/sign-in', { email: ada.email, 'current-password': PASSWORD })
  t.equal((await ada.submit('/ui/account/sessions', { others: 'yes' })).headers.location, '/ui/account/sessions?done=sessions-ended')
  t.equal((await other.open('/ui/account')).statusCode, 303)
  t.equal((await ada.open('/ui/account')).statusCode, 200, 'this one stays')
  const forget = /name="forget" value="([^"]+)"/.exec((await ada.open('/ui/account/sessions')).body)?.[1] ?? ''
  t.equal((await eve.submit('/ui/account/sessions', { forget })).statusCode, 404)
  t.equal((await ada.submit('/ui/account/sessions', { forget })).headers.location, '/ui/account/sessions?done=device-forgotten')
})

t.test('a key is issued once for each page, shown once, and revoked', async (t) => {
  const ada = await member()
  const csrf = await ada.token('/ui/account/keys')
  const fields = { name: 'my script', days: '30', permissions: '' }
  const answers = await Promise.all([1, 2].map(() => ada.submit('/ui/account/keys', fields, { csrf })))
  const keys = answers.map(({ body }) => /<output[^>]*>([^<]+)<\/output>/.exec(body)?.[1] ?? '')
  t.ok(keys.some((key) => key.startsWith('gk_')))
  const { rows } = await database.pool.query<{ id: string }>('SELECT id FROM api_keys WHERE owner_user_id = $1', [ada.id])
  t.equal(rows.length, 1, 'a double click makes one key')
  const key = keys.find((one) => one.startsWith('gk_')) ?? ''
  t.equal(await actors.verify(key), 'valid')
  const list = await ada.open('/ui/account/keys')
  t.match(list.body, 'my script')
  t.notMatch(list.body, key)
  const revoke = rows[0]?.id ?? ''
  t.equal((await (await member()).submit('/ui/account/keys', { revoke })).statusCode, 404, 'nobody else\'s')
  t.equal((await ada.submit('/ui/account/keys', { revoke })).headers.location, '/ui/account/keys?done=key-revoked')
  t.equal(await actors.verify(key), 'revoked')
  const again = await ada.submit('/ui/account/keys', fields, { csrf })
  t.notMatch(again.body, key, 'and a repeated form does not show it any more')
})

t.test('nobody issues a key for more than they hold', async (t) => {
  const ada = await member()
  const answer = await ada.submit('/ui/account/keys', { name: 'more', days: '', permissions: 'billing:write' })
  t.equal(answer.statusCode, 422)
  t.equal((await ada.submit('/ui/account/keys', { name: 'odd', days: '', permissions: 'a::b *' })).statusCode, 422)
  t.equal((await ada.submit('/ui/account/keys', { name: '', days: '', permissions: '' })).statusCode, 422)
  t.notMatch((await ada.open('/ui/account/keys')).body, 'name="revoke"')
})

t.test('an account is deleted by whoever has ticked the box; the last administrator stays', async (t) => {
  const ada = await member()
  t.match((await ada.open('/ui/account/delete')).body, /no key<\/|no key and 2 sign-ins/)
  t.equal((await ada.submit('/ui/account/delete', {})).statusCode, 422)
  t.equal((await ada.open('/ui/account')).statusCode, 200)
  const gone = await ada.submit('/ui/account/delete', { sure: 'yes' })
  t.equal(gone.headers.location, '/ui/account-deleted')
  t.notOk(ada.jar.has('gatehouse'))
  t.equal((await ada.open('/ui/account-deleted')).statusCode, 200)
  t.equal((await ada.submit('/ui/sign-in', { email: ada.email, 'current-password': PASSWORD })).statusCode, 422)
  const admin = pagesOf(app)
  await admin.submit('/ui/sign-in', { email: 'admin@example.com', 'current-password': PASSWORD })
  const refused = await admin.submit('/ui/account/delete', { sure: 'yes' })
  t.equal(refused.statusCode, 422)
  t.match(refused.body, 'the last administrator')
})

t.test('a copy of all that is kept is one click away', async (t) => {
  const ada = await member()
  const answer = await ada.submit('/ui/account', {})
  t.equal(answer.statusCode, 200)
  t.equal(answer.headers['content-disposition'], 'attachment; filename="account.json"')
  t.match(answer.json(), { account: { email: ada.email } })
})

t.test('a link that sets a password is out of the address before anything is shown, and used by the form alone', async (t) => {
  const { user } = await as.signUp('lost@example.com')
  const { token } = expectJson<{ token: string }>(await actors.send('POST', `/users/${user.id}/password-reset`, await as.admin()), 201)
  const lost = pagesOf(app)
  const swapped = await lost.open(`/ui/reset?token=${token}`)
  t.equal(swapped.statusCode, 303)
  t.equal(swapped.headers.location, '/ui/reset')
  t.match(String(swapped.headers['set-cookie']), /gatehouse-reset=gp_[^;]+; Max-Age=\d+; Path=\/; HttpOnly; SameSite=Lax/)
  for (let look = 0; look < 3; look += 1) t.match((await lost.open('/ui/reset')).body, 'value="lost@example.com"', 'looking uses nothing up')
  t.equal((await lost.submit('/ui/reset', { 'new-password': 'dragon' })).statusCode, 422)
  const done = await lost.submit('/ui/reset', { 'new-password': 'a quiet mountain of paper' })
  t.equal(done.headers.location, '/ui/sign-in?done=reset')
  t.notOk(lost.jar.has('gatehouse-reset'))
  t.equal((await lost.submit('/ui/sign-in', { email: 'lost@example.com', 'current-password': 'a quiet mountain of paper' })).statusCode, 303)
  const late = pagesOf(app)
  await late.open(`/ui/reset?token=${token}`)
  t.equal((await late.open('/ui/reset')).statusCode, 410)
  t.equal((await late.submit('/ui/reset', { 'new-password': 'a quiet mountain of paper' })).statusCode, 403, 'without a form there is no field')
  t.equal((await late.submit('/ui/reset', { 'new-password': 'a quiet mountain of paper' }, { csrf: await late.token('/ui/sign-in') })).statusCode, 410)
  t.equal((await pagesOf(app).open('/ui/reset?token=x')).statusCode, 303, 'a wrong one is treated alike')
})

t.test('a session that ends during an edit leads to the sign-in', async (t) => {
  const ada = await member()
  const csrf = await ada.token('/ui/account/profile')
  clock.advance(15 * 86_400_000)
  const answer = await ada.submit('/ui/account/profile', { name: 'late', version: '1' }, { csrf })
  t.equal(answer.headers.location, '/ui/sign-in?return_to=%2Fui%2Faccount%2Fprofile')
})
