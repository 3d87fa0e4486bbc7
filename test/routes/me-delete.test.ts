// DELETE /me and GET /me/export: the whole of one's account, to have and to have gone.
import t from 'tap'
import { createActors } from '../support/actors.js'
import { expectJson, PASSWORD, startApp } from '../support/app.js'
import { basic, CALLBACK, oauthHouse, personOf, requestOf } from '../support/oauth.js'

const { app, as, database } = await startApp(t, { config: { publicUrl: 'http://localhost:3000' } })
const actors = await createActors(app, as)

t.test('204 deletes the account with its sessions and keys, at once and for ever', async (t) => {
  const { user, headers, refreshToken } = await as.signUp('gone@example.com')
  const { key } = await actors.issue(headers)
  const other = expectJson<{ accessToken: string }>(await actors.send('POST', '/auth/login', {}, { email: 'gone@example.com', password: PASSWORD }), 200)
  t.equal((await actors.send('DELETE', '/me?wait=true', headers)).statusCode, 204)
  t.equal(await actors.outcome(actors.send('GET', '/me', headers)), '401 session.invalid')
  t.equal(await actors.outcome(actors.send('GET', '/me', as.bearer(other.accessToken))), '401 session.invalid')
  t.equal(await actors.outcome(actors.send('POST', '/auth/refresh', {}, { refreshToken })), '401 refresh.invalid')
  t.equal(await actors.verify(key), 'not_found')
  t.equal(await actors.outcome(actors.send('POST', '/auth/login', {}, { email: 'gone@example.com', password: PASSWORD })), '401 credentials.invalid')
  const { rows } = await database.pool.query<{ actor_id: string; details: object }>("SELECT actor_id, details FROM audit_events WHERE action = 'user.deleted' AND target_id = $1", [user.id])
  t.same(rows, [{ actor_id: user.id, details: { roles: ['member'], own: true } }])
  t.equal((await as.signUp('gone@example.com')).user.id === user.id, false, 'the address is free, for another account')
})

t.test('what the person gave to others stands', async (t) => {
  const seller = await actors.person(['gatehouse:keys.write', 'reports:read'])
  const { user } = await as.signUp()
  const { key } = await actors.issue(seller.headers, { ownerUserId: user.id, permissions: ['reports:read'] })
  t.equal((await actors.send('DELETE', '/me', seller.headers)).statusCode, 204)
  t.equal(await actors.verify(key, ['reports:read']), 'valid')
})

t.test('409 the last administrator stays', async (t) => {
  t.equal(await actors.outcome(actors.send('DELETE', '/me', await as.admin())), '409 admin.last')
  t.equal((await actors.send('GET', '/me', await as.admin())).statusCode, 200, 'and nothing else happened')
})

t.test('403 a key deletes nobody; 401 for nobody', async (t) => {
  const { headers } = await as.key(['gatehouse:users.write'])
  t.equal(await actors.outcome(actors.send('DELETE', '/me', headers)), '403 access.denied')
  t.equal(await actors.outcome(actors.send('DELETE', '/me', {})), '401 credentials.missing')
})

t.test('200 the export holds what is kept, and no secret', async (t) => {
  const { user, headers } = await as.signUp('kept@example.com')
  const issued = await actors.issue(headers, { name: 'mine' })
  const { user: stranger } = await as.signUp()
  const answer = await actors.send('GET', '/me/export', headers)
  const everything = expectJson<Record<string, unknown>>(answer, 200)
  t.equal(answer.headers['content-disposition'], 'attachment; filename="account.json"')
  t.match(everything, { account: { id: user.id, email: 'kept@example.com' }, sessions: [{ current: true }], keys: [{ id: issued.id, name: 'mine' }], devices: [], identities: [], activity: [{ action: 'key.issued' }] })
  t.notMatch(answer.body, issued.key)
  t.notMatch(answer.body, stranger.id)
  t.notMatch(answer.body, /\$2[aby]\$|_hash|Hash/)
})

t.test('the export tells of the applications that may act for somebody, and of the organizations they are in', async (t) => {
  const { client, post } = await oauthHouse({ app, as })
  const [asked, trusted, gone] = await Promise.all([{ name: 'Asked' }, { name: 'Trusted', firstParty: true }, { name: 'Gone' }].map((more) => client({ kind: 'web', redirectUris: [CALLBACK], ...more })))
  if (!asked || !trusted || !gone) throw new Error('no clients')
  const { user, headers } = await as.signUp()
  const person = personOf(app, user.email)
  for (const of of [asked, trusted, gone]) {
    const { query, redeem } = requestOf(of)
    expectJson(await post('token', redeem((await person.through(query)).back?.get('code') ?? ''), basic(of.clientId, of.clientSecret ?? '')), 200)
  }
  await actors.send('DELETE', `/me/grants/${gone.id}`, headers)
  const organization = expectJson<{ id: string }>(await actors.send('POST', '/organizations', await as.admin(), { name: 'Acme', slug: 'acme', ownerUserId: user.id }), 201)
  const other = await as.signUp()
  const { applications, organizations } = expectJson<{ applications: { client: { name: string } }[]; organizations: object[] }>(await actors.send('GET', '/me/export', headers), 200)
  t.match(applications.toSorted((a, b) => a.client.name.localeCompare(b.client.name)), [
    { client: { clientId: asked.clientId, name: 'Asked' }, scopes: ['openid', 'email'], grantedAt: String, sessions: 1 }, { client: { name: 'Trusted', firstParty: true }, sessions: 1 },
  ])
  t.equal(applications.length, 2, 'what was withdrawn is in the activity')
  t.match(organizations, [{ id: organization.id, name: 'Acme' }])
  t.match(expectJson(await actors.send('GET', '/me/export', other.headers), 200), { applications: [], organizations: [] })
})

t.test('whoever may see all keys exports their own alone', async (t) => {
  const { user, headers } = await as.signUp()
  await actors.issue(headers, { name: 'somebody else\'s' })
  const { keys } = expectJson<{ keys: { ownerUserId: string }[] }>(await actors.send('GET', '/me/export', await as.admin()), 200)
  t.notOk(keys.some(({ ownerUserId }) => ownerUserId === user.id))
})
