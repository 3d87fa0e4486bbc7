// The pages of mailed links, without a browser: each does what the API does, uses nothing up by being looked at, and keeps the token out of the address.
import t from 'tap'
import { PASSWORD, startApp } from '../support/app.js'
import { pagesOf } from '../support/pages.js'
import { workOff } from '../support/queued-work.js'
import { startMailServer } from '../support/smtp.js'

const server = await startMailServer(t)
const { app, as } = await startApp(t, { config: { smtpUrl: server.url, publicUrl: 'https://auth.example.com' } })
await as.admin()
const pathOf = (to: string, subject: RegExp): string => /https:\/\/auth\.example\.com(\/ui\/\S+)/.exec(server.last(to, subject).text)?.[1] ?? ''
const work = async (): Promise<void> => workOff(app)

t.test('the address of an account is changed by a page, from the browser that asked and from another', async (t) => {
  await as.signUp('ada@example.com')
  const [ada, phone] = [pagesOf(app), pagesOf(app)]
  await ada.submit('/ui/sign-in', { email: 'ada@example.com', 'current-password': PASSWORD })
  t.match((await ada.open('/ui/account/profile')).body, 'ada@example.com')
  for (const email of ['', 'no address', 'ada@example.com']) t.equal((await ada.submit('/ui/account/email', { email })).statusCode, 422, email)
  t.equal((await ada.submit('/ui/account/email', { email: 'new@example.com' })).headers.location, '/ui/account/email?done=mailed')
  await work()
  const link = pathOf('new@example.com', /Confirm your new address/)
  for (let n = 0; n < 3; n += 1) {
    const opened = await phone.open(link)
    t.same([opened.statusCode, opened.headers.location], [303, '/ui/confirm-address'], 'the token leaves the address')
  }
  t.match((await phone.open('/ui/confirm-address')).body, 'new@example.com becomes the address of your account')
  const done = await phone.submit('/ui/confirm-address', { kind: 'change' })
  t.equal(done.headers.location, '/ui/sign-in?done=address')
  t.match((await ada.open('/ui/account/email')).body, 'It is new@example.com')
  t.equal((await phone.open('/ui/confirm-address')).statusCode, 410)
})

t.test('an address is proven by a page', async (t) => {
  await as.signUp('lea@example.com')
  const lea = pagesOf(app)
  await lea.submit('/ui/sign-in', { email: 'lea@example.com', 'current-password': PASSWORD })
  t.match((await lea.open('/ui/account/email')).body, 'Not confirmed yet')
  t.equal((await lea.submit('/ui/account/email', { prove: 'true' })).statusCode, 303)
  await work()
  await lea.open(pathOf('lea@example.com', /Confirm your address/))
  t.equal((await lea.submit('/ui/confirm-address', { kind: 'verify' })).headers.location, '/ui/account/email?done=address')
  t.notMatch((await lea.open('/ui/account/email')).body, 'Not confirmed yet')
})

t.test('an address that is another\'s by now is told to who has the link', async (t) => {
  await as.signUp('max@example.com')
  const max = pagesOf(app)
  await max.submit('/ui/sign-in', { email: 'max@example.com', 'current-password': PASSWORD })
  await max.submit('/ui/account/email', { email: 'lea@example.com' })
  await work()
  await max.open(pathOf('lea@example.com', /Confirm your new address/))
  const answer = await max.submit('/ui/confirm-address', { kind: 'change' })
  t.equal(answer.statusCode, 422)
  t.match(answer.body, 'belongs to another account')
})

t.test('signing up by pages: the same for every address, then by the link, which is signed in to', async (t) => {
  const confirmed = await startApp(t, { config: { smtpUrl: server.url, publicUrl: 'https://auth.example.com', emailVerification: 'required' } })
  const { as: there, app: app2 } = confirmed
  const admin = await there.admin()
  await app2.inject({ method: 'POST', url: '/api/v1/users', headers: admin, payload: { email: 'known@example.com', password: PASSWORD } })
  const ask = async (email: string) => {
    const browser = pagesOf(app2)
    const form = await browser.open('/ui/sign-up')
    t.notMatch(form.body, 'new-password', 'the password is chosen later')
    const answer = await browser.submit('/ui/sign-up', { email })
    return { browser, answer, sent: (await browser.open('/ui/sent?what=sign-up')).body.replaceAll(email, 'EMAIL').replaceAll(/name="csrf" value="[^"]*"/g, '').replaceAll(/[\w-]+-\w+(?=<\/code>)/g, '') }
  }
  const [known, unknown] = [await ask('known@example.com'), await ask('noone@example.com')]
  t.same([known.answer.statusCode, known.answer.headers.location], [303, '/ui/sent?what=sign-up'])
  t.same([unknown.answer.statusCode, unknown.answer.headers.location], [known.answer.statusCode, known.answer.headers.location])
  t.equal(unknown.sent, known.sent)
  t.equal((await pagesOf(app2).submit('/ui/sign-up', { email: 'no address' })).statusCode, 422)
  await workOff(app2)
  t.equal(pathOf('known@example.com', /have an account already/), '/ui/sign-in')
  const phone = pagesOf(app2)
  t.equal((await phone.open(pathOf('noone@example.com', /Confirm your address/))).headers.location, '/ui/confirm')
  t.match((await phone.open('/ui/confirm')).body, 'value="noone@example.com"', 'password managers see whose it is')
  const weak = await phone.submit('/ui/confirm', { email: 'noone@example.com', 'new-password': 'dragon' })
  t.equal(weak.statusCode, 422)
  const done = await phone.submit('/ui/confirm', { email: 'eve@example.com', name: 'Nina', 'new-password': PASSWORD })
  t.equal(done.headers.location, '/ui/account')
  const account = await phone.open('/ui/account')
  t.match(account.body, 'noone@example.com', 'the address is the link\'s, whatever the form says')
  t.match(account.body, 'Nina')
  t.equal((await phone.open('/ui/confirm')).statusCode, 410)
  await known.browser.open('/ui/confirm?token=gl_nothing')
  t.equal((await known.browser.open('/ui/confirm')).statusCode, 410)
})

t.test('an invitation is accepted by a page', async (t) => {
  await app.inject({ method: 'POST', url: '/api/v1/invitations', headers: await as.admin(), payload: { email: 'guest@example.com' } })
  await work()
  const guest = pagesOf(app)
  t.equal((await guest.open(pathOf('guest@example.com', /You are invited/))).headers.location, '/ui/invitation')
  t.match((await guest.open('/ui/invitation', { 'accept-language': 'de' })).body, 'Konto eröffnen')
  t.equal((await guest.submit('/ui/invitation', { email: 'guest@example.com', 'new-password': '' })).statusCode, 422)
  t.equal((await guest.submit('/ui/invitation', { email: 'guest@example.com', name: 'Gast', 'new-password': PASSWORD })).headers.location, '/ui/account')
  t.match((await guest.open('/ui/account')).body, 'guest@example.com')
  t.equal((await guest.open('/ui/invitation')).statusCode, 410)
})
