// How many statements the OAuth endpoints send to PostgreSQL: what is in memory costs none.
import t from 'tap'
import { expectJson, startApp } from '../support/app.js'
import { API, basic, CALLBACK, oauthHouse, personOf, requestOf, type TokenBody } from '../support/oauth.js'
import { watchStatements } from '../support/statements.js'

t.test('statements', async (t) => {
  const house = await startApp(t, { config: { publicUrl: 'http://localhost:3000' } })
  const { app, as, database } = house
  const { post, client, resource, token } = await oauthHouse(house)
  await resource(API)
  const service = await client({ kind: 'service', resources: [API], scopes: ['read'] })
  const reader = await client({ kind: 'resource', resources: [API] })
  const web = await client({ kind: 'web', redirectUris: [CALLBACK], firstParty: true })
  const own = basic(web.clientId, web.clientSecret ?? '')
  const watched = watchStatements(database.pool)
  const count = async (work: () => Promise<unknown>): Promise<number> => (await watched.during(work)).length

  await token(service)
  t.equal(await count(() => token(service)), 0, 'a token for a service')
  const value = await token(service)
  const introspect = async () => void (await post('introspect', { token: value }, basic(reader.clientId, reader.clientSecret ?? '')))
  await introspect()
  t.equal(await count(introspect), 0, 'what a token is worth')
  for (const url of ['/.well-known/openid-configuration', '/.well-known/jwks.json']) {
    await app.inject(url)
    t.ok(await count(async () => void (await app.inject(url))) <= 1, url)
  }
  const person = personOf(app, (await as.signUp()).user.email)
  await person.signIn()
  const { query, redeem } = requestOf(web, { scope: 'openid offline_access' })
  await person.open(query)
  let code = ''
  t.ok(await count(async () => (code = (await person.open(query)).back?.get('code') ?? '')) <= 1, 'a code, to somebody who is signed in')
  let body: TokenBody | undefined
  t.ok(await count(async () => (body = expectJson(await post('token', redeem(code), own), 200))) <= 2, 'a code for tokens')
  t.equal(await count(async () => expectJson(await post('token', { grant_type: 'refresh_token', refresh_token: body?.refresh_token ?? '' }, own), 200)), 2, 'a refresh')
})
