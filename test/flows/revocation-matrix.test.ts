// The table "What ends what" of docs/security.md, cell by cell, on two nodes: done at one, looked at on the other once it must know.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { systemClock } from '../../src/kernel/clock.js'
import { expectJson, PASSWORD, startApp } from '../support/app.js'
import { factorHelpers } from '../support/factors.js'
import { ROOT } from '../support/sources.js'

const NEW = 'a quiet mountain of paper'
const text = readFileSync(join(ROOT, 'docs/security.md'), 'utf8').split('## What ends what\n')[1]?.split('\n## ')[0] ?? ''
const [head = [], , ...rows] = text.split('\n').filter((line) => line.startsWith('|')).map((line) => line.split('|').slice(1, -1).map((cell) => cell.trim()))

// real time: what a node still remembers is about it
const clock = { ...systemClock, advance: () => undefined }
const one = await startApp(t, { clock })
const { app, as, database } = one
const { app: other } = await startApp(t, { clock, database })
const admin = await as.adminUser()
const { send, addTotp, challenge } = factorHelpers(app, as, clock)

/** One that somebody has given with the role that they have beside `member`. */
async function invitationOf(userId: string): Promise<string> {
  const email = `guest-of-${userId}@example.com`
  const { id, name } = await database.prisma.role.findUniqueOrThrow({ where: { name: 'looks' } })
  const details = { roles: [{ id, name }], via: '', locale: null }
  return (await database.transact((tx) => app.mailedLinks.give(tx, { kind: 'invitation', email, details, givenBy: { userId, keyId: null }, lifeMs: 600_000, mostAnHour: 3 })))?.token ?? ''
}

/** Somebody who has one of everything, and a role beside `member`. */
async function somebody() {
  const first = await as.signUp()
  const { id, email } = first.user
  await send('PATCH', `/users/${id}`, { ...admin.headers, 'if-match': '*' }, { roles: ['member', 'looks'] })
  const { factor, recoveryCodes } = await addTotp(first.headers)
  const key = expectJson<{ id: string; key: string }>(await send('POST', '/keys', first.headers, { name: 'mine', permissions: ['gatehouse:keys.read'] }), 201)
  const cookieAnswer = await app.inject({ method: 'POST', url: '/api/v1/auth/session', payload: { email, password: PASSWORD } })
  const session = await app.inject({ method: 'POST', url: '/api/v1/auth/session/mfa', payload: { challenge: expectJson<{ challenge: string }>(cookieAnswer, 200).challenge, method: 'recovery_code', code: recoveryCodes?.[0] } })
  if (session.statusCode >= 300) throw new Error(session.body)
  const cookie = session.cookies.find(({ name }) => name.endsWith('gatehouse'))?.value ?? ''
  const cookieSession = await database.prisma.session.findFirstOrThrow({ where: { userId: id, kind: 'cookie' } })
  await database.prisma.externalIdentity.create({ data: { id: crypto.randomUUID(), userId: id, providerId: provider.id, issuer: 'https://idp.example.com', subject: id, createdAt: new Date(), lastUsedAt: new Date() } })
  const identity = await database.prisma.externalIdentity.findFirstOrThrow({ where: { userId: id } })
  const tokenSession = await database.prisma.session.findFirstOrThrow({ where: { userId: id, kind: 'token' } })
  const link = (kind: 'password.reset' | 'magic.link' | 'email.change', to = email) => database.transact((tx) => app.mailedLinks.give(tx, { kind, email: to, userId: id, details: { sessionId: tokenSession.id }, lifeMs: 600_000, mostAnHour: 100 }))
  return {
    id, email, headers: first.headers, refreshToken: first.refreshToken, key, cookie, cookieSessionId: cookieSession.id, factorId: factor.id, identityId: identity.id, recoveryCodes: recoveryCodes ?? [],
    challenge: await challenge(email), resetToken: (await link('password.reset'))?.token ?? '', spareReset: (await link('password.reset'))?.token ?? '', magicToken: (await link('magic.link'))?.token ?? '', changeToken: (await link('email.change', admin.user.email))?.token ?? '', invitation: await invitationOf(id),
  }
}
type Somebody = Awaited<ReturnType<typeof somebody>>

/** How each thing is tried at the other node; none of these uses up what another tries. */
const STANDS: Record<string, (who: Somebody) => Promise<boolean>> = {
  'access token': async ({ headers }) => (await other.inject({ url: '/api/v1/whoami', headers })).statusCode === 200,
  'cookie session': async ({ cookie }) => (await other.inject({ url: '/api/v1/whoami', headers: { cookie: `gatehouse=${cookie}` } })).statusCode === 200,
  'API key': async ({ key }) => (await other.inject({ url: '/api/v1/whoami', headers: as.bearer(key.key) })).statusCode === 200,
  'granted permission': async ({ key }) => (await other.inject({ url: '/api/v1/keys', headers: as.bearer(key.key) })).statusCode === 200,
  'reset link': async ({ resetToken }) => (await other.inject({ method: 'POST', url: '/api/v1/auth/password/reset', payload: { token: resetToken, newPassword: 'x' } })).json<{ code: string }>().code === 'password.weak',
  'magic link': async ({ magicToken }) => (await other.mailedLinks.find('magic.link', magicToken)) !== null,
  // to an address that is somebody's: that is told of a good link, and uses nothing up
  'change of address': async ({ changeToken }) => (await other.inject({ method: 'POST', url: '/api/v1/auth/email/change', payload: { token: changeToken } })).statusCode === 409,
  'invitation given': async ({ invitation }) => (await other.inject({ method: 'POST', url: '/api/v1/auth/invitations/accept', payload: { token: invitation, password: NEW } })).statusCode === 201,
  'waiting sign-in': async ({ challenge: token, recoveryCodes }) => (await other.inject({ method: 'POST', url: '/api/v1/auth/mfa', payload: { challenge: token, method: 'recovery_code', code: recoveryCodes[1] } })).statusCode === 200,
  // last: a refresh may end a family that was left
  'refresh token': async ({ refreshToken }) => (await other.inject({ method: 'POST', url: '/api/v1/auth/refresh', payload: { refreshToken } })).statusCode === 200,
}

const ACTS: Record<string, (who: Somebody) => Promise<number>> = {
  'signing out': async ({ headers }) => (await send('POST', '/auth/logout', headers)).statusCode,
  'a new password, by its owner': async ({ headers }) => (await send('POST', '/me/password', headers, { currentPassword: PASSWORD, newPassword: NEW })).statusCode,
  'a new password, by a link': async ({ spareReset }) => (await send('POST', '/auth/password/reset', {}, { token: spareReset, newPassword: NEW })).statusCode,
  'suspension': async ({ id }) => (await send('PATCH', `/users/${id}`, { ...admin.headers, 'if-match': '*' }, { status: 'suspended' })).statusCode,
  'deletion': async ({ id }) => (await send('DELETE', `/users/${id}`, { ...admin.headers, 'if-match': '*' })).statusCode,
  'ending the cookie session': async ({ headers, cookieSessionId }) => (await send('DELETE', `/sessions/${cookieSessionId}`, headers)).statusCode,
  'removing the second factor': async ({ headers, factorId }) => (await send('DELETE', `/me/factors/${factorId}`, headers)).statusCode,
  'unlinking an identity': async ({ headers, identityId }) => (await send('DELETE', `/me/identities/${identityId}`, headers)).statusCode,
  'revoking the key': async ({ headers, key }) => (await send('DELETE', `/keys/${key.id}`, headers)).statusCode,
  'taking the role away': async ({ id }) => (await send('PATCH', `/users/${id}`, { ...admin.headers, 'if-match': '*' }, { roles: ['member'] })).statusCode,
}

/** Until the other node knows of all that was done before: a change that answers when every node does. */
async function untilKnown(): Promise<void> {
  const { id } = await as.key([])
  expectJson(await app.inject({ method: 'DELETE', url: `/api/v1/keys/${id}?wait=true`, headers: admin.headers }), 200)
}

await send('POST', '/roles', admin.headers, { name: 'looks', permissions: ['gatehouse:keys.read', 'gatehouse:users.write'] })
const provider = await database.prisma.identityProvider.findFirst() ?? expectJson<{ id: string }>(await send('POST', '/identity-providers', admin.headers, {
  kind: 'github', name: 'GitHub', clientId: 'x', clientSecret: 'y',
}), 201)

t.test('the table is whole', async (t) => {
  t.same(head.slice(1), Object.keys(STANDS))
  t.same(rows.map(([act = '']) => act), Object.keys(ACTS))
})

for (const [act, perform] of Object.entries(ACTS)) {
  t.test(act, async (t) => {
    const who = await somebody()
    // the other node holds what it is asked for most
    for (const name of ['access token', 'cookie session', 'API key']) t.ok(await STANDS[name]?.(who), `${name} stands before`)
    const status = await perform(who)
    t.ok(status >= 200 && status < 300, `${act}: ${status}`)
    await untilKnown()
    const found: string[] = []
    for (const stands of Object.values(STANDS)) found.push((await stands(who)) ? 'stays' : 'ends') // oxlint-disable-line no-await-in-loop
    t.same(found, rows.find(([name]) => name === act)?.slice(1))
  })
}
