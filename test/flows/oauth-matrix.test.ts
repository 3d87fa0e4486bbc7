// The table "What ends what" of docs/oauth.md, cell by cell, on two nodes: done at one, looked at on the other.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { expectJson, PASSWORD, startApp } from '../support/app.js'
import { basic, CALLBACK, oauthHouse, personOf, requestOf, type TokenBody } from '../support/oauth.js'
import { ROOT } from '../support/sources.js'

const text = readFileSync(join(ROOT, 'docs/oauth.md'), 'utf8').split('## What ends what\n')[1]?.split('\n## ')[0] ?? ''
const [head = [], , ...rows] = text.split('\n').filter((line) => line.startsWith('|')).map((line) => line.split('|').slice(1, -1).map((cell) => cell.trim()))

const config = { publicUrl: 'http://localhost:3000' }
const one = await startApp(t, { config })
const { app, as, database, clock } = one
const { app: other } = await startApp(t, { config, database, clock })
const { post, client } = await oauthHouse(one)
const admin = await as.admin()

async function somebody() {
  const made = await client({ kind: 'web', redirectUris: [CALLBACK] })
  const own = basic(made.clientId, made.clientSecret ?? '')
  const { user, headers } = await as.signUp()
  const person = personOf(app, user.email)
  await person.signIn()
  const codeOf = async (scope: string) => {
    const { query, redeem } = requestOf(made, { scope })
    return { code: (await person.through(query)).back?.get('code') ?? '', redeem }
  }
  const tokens = async (scope: string): Promise<TokenBody> => {
    const { code, redeem } = await codeOf(scope)
    return expectJson(await post('token', redeem(code), own), 200)
  }
  const online = await tokens('openid')
  const offline = await tokens('openid offline_access')
  return { made, own, user, headers, person, online, offline, waiting: await codeOf('openid') }
}
type Somebody = Awaited<ReturnType<typeof somebody>>

const userinfo = async ({ access_token: token }: TokenBody): Promise<boolean> => (await other.inject({ url: '/oauth/userinfo', headers: as.bearer(token) })).statusCode === 200
const refresh = async ({ refresh_token: token = '' }: TokenBody, own: Record<string, string>): Promise<boolean> => (await post('token', { grant_type: 'refresh_token', refresh_token: token }, own, other)).statusCode === 200

const STANDS: Record<string, (who: Somebody) => Promise<boolean>> = {
  token: ({ online }) => userinfo(online),
  'offline token': ({ offline }) => userinfo(offline),
  'refresh token': ({ online, own }) => refresh(online, own),
  'offline refresh token': ({ offline, own }) => refresh(offline, own),
  code: async ({ waiting: { code, redeem }, own }) => (await post('token', redeem(code), own, other)).statusCode === 200,
  consent: async ({ user, made }) => (await database.prisma.oAuthConsent.count({ where: { userId: user.id, clientId: made.id } })) === 1,
}

const send = (method: 'POST' | 'PATCH' | 'DELETE', url: string, headers: Record<string, string>, payload?: object) => app.inject({ method, url: `/api/v1${url}`, headers: { ...headers, ...(method === 'PATCH' ? { 'if-match': '*' } : {}) }, ...(payload ? { payload } : {}) })

const ACTS: Record<string, (who: Somebody) => Promise<{ statusCode: number }>> = {
  'signing out': ({ person }) => person.pages.submit('/ui/sign-out', {}),
  'a new password': ({ headers }) => send('POST', '/me/password', headers, { currentPassword: PASSWORD, newPassword: 'a quiet mountain of paper' }),
  suspension: ({ user }) => send('PATCH', `/users/${user.id}`, admin, { status: 'suspended' }),
  'deletion of the account': ({ user }) => send('DELETE', `/users/${user.id}`, admin),
  'withdrawing the consent': ({ headers, made }) => send('DELETE', `/me/grants/${made.id}`, headers),
  'disabling the client': ({ made }) => send('PATCH', `/clients/${made.id}`, admin, { enabled: false }),
  'deleting the client': ({ made }) => send('DELETE', `/clients/${made.id}`, admin),
  'deleting the client\'s secret': async ({ made }) => {
    const { id } = await database.prisma.oAuthClientSecret.findFirstOrThrow({ where: { clientId: made.id } })
    return send('DELETE', `/clients/${made.id}/secrets/${id}`, admin)
  },
  'giving the refresh token back': ({ online, own }) => post('revoke', { token: online.refresh_token ?? '' }, own),
}

t.test('the table is whole', async (t) => {
  t.same(head.slice(1), Object.keys(STANDS))
  t.same(rows.map(([act = '']) => act), Object.keys(ACTS))
})

for (const [act, perform] of Object.entries(ACTS)) {
  t.test(act, async (t) => {
    const who = await somebody()
    t.ok((await userinfo(who.online)) && (await userinfo(who.offline)), 'both stand before, in the other node\'s memory')
    const { statusCode } = await perform(who)
    t.ok(statusCode >= 200 && statusCode < 400, `${act}: ${statusCode}`)
    await other.revocations.pollNow()
    const found: string[] = []
    for (const stands of Object.values(STANDS)) found.push((await stands(who)) ? 'stays' : 'ends') // oxlint-disable-line no-await-in-loop
    t.same(found, rows.find(([name]) => name === act)?.slice(1))
  })
}
