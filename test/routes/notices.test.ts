// What happens to an account is told to its owner, by a mail that is promised with it: not sent for what was refused, and sent once.
import t from 'tap'
import { expectJson, PASSWORD, startApp } from '../support/app.js'
import { factorHelpers } from '../support/factors.js'
import { addProvider, Browser, FEDERATED, freshAdmin } from '../support/federation.js'
import { workedOff } from '../support/queue.js'
import { startMailServer } from '../support/smtp.js'
import { startUpstream } from '../support/upstream.js'

t.test('notices', async (t) => {
  const server = await startMailServer(t)
  const house = await startApp(t, { config: { ...FEDERATED, smtpUrl: server.url } })
  const { app, as, clock, database } = house
  const factors = factorHelpers(app, as, clock)
  const send = factors.send
  await as.admin()
  let seen = 0
  /** what was sent since the last look, to whom and with which subject, but for what comes with signing up and in */
  async function sent(): Promise<string[]> {
    await workedOff(app, database)
    const news = server.received.slice(seen).map(({ to, headers }) => `${to.join()}: ${headers['subject']}`).filter((one) => !/Confirm your address|A new device/.test(one))
    seen = server.received.length
    return news.toSorted()
  }

  t.test('a factor that is added or removed, and a new set of codes', async (t) => {
    const { user, headers } = await as.signUp('factors@example.com')
    const { secret, factor } = await factors.addTotp(headers)
    t.same(await sent(), ['factors@example.com: A second factor was added'], 'codes that come with it are no news of their own')
    t.match(server.last(user.email).text, /an authenticator app was added[^]*\/ui\/account\/factors/)
    t.notMatch(server.last(user.email).raw, secret)
    expectJson(await send('POST', '/me/factors/recovery-codes', headers), 201)
    await sent()
    t.match(server.last(user.email).text, /a set of recovery codes was added/)
    const passkey = await factors.addPasskey(headers)
    await sent()
    t.match(server.last(user.email).text, /a passkey was added/)
    t.equal((await send('DELETE', `/me/factors/${factor.id}`, headers)).statusCode, 204)
    t.same(await sent(), ['factors@example.com: A second factor was removed'])
    t.equal((await send('DELETE', `/me/factors/${factor.id}`, headers)).statusCode, 404)
    await database.prisma.role.update({ where: { name: 'member' }, data: { requiresMfa: true } })
    t.match((await send('DELETE', `/me/factors/${passkey.factor.id}`, headers)).json(), { code: 'factor.needed' })
    await database.prisma.role.update({ where: { name: 'member' }, data: { requiresMfa: false } })
    t.same(await sent(), [], 'what was refused is told to nobody')
  })

  t.test('an identity that is linked or unlinked, by its owner or for them; not the one that an account is opened with', async (t) => {
    const upstream = await startUpstream(t)
    const provider = await addProvider(house, upstream.issuer)
    upstream.reset('newcomer')
    upstream.says.claims = { sub: 'newcomer', email: 'newcomer@example.com', email_verified: true }
    t.equal((await new Browser(app).signIn(provider.id)).federation, 'signed_in')
    t.same((await sent()).filter((one) => one.includes('newcomer')), [])
    const { user, headers } = await as.signUp('linked@example.com')
    const link = async (subject: string): Promise<string> => {
      upstream.reset(subject)
      upstream.says.claims = { sub: subject, email: 'elsewhere@example.com', email_verified: true }
      t.equal((await new Browser(app).link(provider.id, headers)).federation, 'linked')
      t.same(await sent(), ['linked@example.com: A way to sign in was added'])
      return expectJson<{ data: { id: string }[] }>(await send('GET', '/me/identities', headers), 200).data[0]?.id ?? ''
    }
    t.equal((await send('DELETE', `/me/identities/${await link('one')}`, headers)).statusCode, 204)
    t.same(await sent(), ['linked@example.com: A way to sign in was removed'])
    const second = await link('two')
    t.equal((await send('DELETE', `/users/${user.id}/identities/${second}`, await freshAdmin(house))).statusCode, 204)
    t.same((await sent()).filter((one) => one.startsWith('linked')), ['linked@example.com: A way to sign in was removed'])
    t.notMatch(server.last('linked@example.com').raw, 'elsewhere@example.com', 'no mail repeats what another system says')
  })

  t.test('one\'s own change of the password', async (t) => {
    const { headers } = await as.signUp('changer@example.com')
    await sent()
    const change = async (currentPassword: string) => (await send('POST', '/me/password', headers, { currentPassword, newPassword: 'a quiet mountain of paper' })).statusCode
    t.equal(await change('wrong'), 401)
    t.same(await sent(), [])
    t.equal(await change(PASSWORD), 204)
    t.same(await sent(), ['changer@example.com: Your password was changed'])
  })

  t.test('that an administrator acts in one\'s name', async (t) => {
    const { user } = await as.signUp('helped@example.com')
    await sent()
    expectJson(await send('POST', `/users/${user.id}/impersonate`, await freshAdmin(house), { reason: 'a secret reason' }), 201)
    t.ok((await sent()).includes('helped@example.com: An administrator acted in your name'))
    t.notMatch(server.last('helped@example.com').raw, 'secret reason')
  })

  t.test('that an account was deleted, by its owner or by an administrator', async (t) => {
    const own = await as.signUp('leaver@example.com')
    const other = await as.signUp('removed@example.com')
    await sent()
    t.equal((await send('DELETE', '/me', own.headers)).statusCode, 204)
    t.equal((await send('DELETE', `/users/${other.user.id}`, await freshAdmin(house))).statusCode, 200)
    t.same((await sent()).filter((one) => one.includes('deleted')), ['leaver@example.com: Your account was deleted', 'removed@example.com: Your account was deleted'])
    t.match((await send('DELETE', `/users/${(await as.adminUser()).user.id}`, await freshAdmin(house))).json(), { code: 'admin.last' })
    t.same((await sent()).filter((one) => one.includes('deleted')), [])
  })
})
