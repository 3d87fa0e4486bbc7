// What a client of an organization has of an API is measured by what the organization is entitled to, and what that does not measure it has not: neither a scope that is worth no permission,
// which a gate or an API asks for by its name, nor the name of an API alone, at which the organization is entitled to nothing. Only what is open to all is open to it, too.
import t from 'tap'
import { createActors } from '../support/actors.js'
import { expectJson, startApp } from '../support/app.js'
import { API, basic, CALLBACK, type OAuthClientBody, oauthHouse, OTHER_API } from '../support/oauth.js'
import { createCustomers, type House } from '../support/organizations.js'

t.test('beyond what an organization is entitled to', async (t) => {
  const node = await startApp(t, { config: { publicUrl: 'https://auth.example.com', accessTokenSeconds: 3_600 } })
  const { app, as, clock, database } = node
  const { app: second } = await startApp(t, { config: { publicUrl: 'https://auth.example.com', accessTokenSeconds: 3_600 }, database, clock })
  const { send, patch, outcome } = await createActors(app, as)
  const { post, gate } = await oauthHouse(node)
  const admin = await as.admin()
  const customers = createCustomers(app, admin)
  const scope = (name: string, permissions: string[] = []): object => ({ name, description: name, permissions })
  const resource = async (identifier: string, scopes: object[], openToAll = false): Promise<string> => expectJson<{ id: string }>(await send('POST', '/resources', admin, { identifier, name: 'An API', scopes, openToAll, tokenSeconds: 3_600 }), 201).id
  await resource(API, [scope('read', ['reports:read']), scope('payout')])
  const other = await resource(OTHER_API, [scope('ledger'), scope('close', ['books:close'])])
  for (const [path, audience, scopes] of [['/read', API, ['read']], ['/payout', API, ['payout']], ['/any', API, []], ['/ledger', OTHER_API, ['ledger']], ['/books', OTHER_API, []]] as const) {
    expectJson(await send('POST', '/gate-rules', admin, { host: 'api.example.com', path, audience, scopes }), 201)
  }
  const house = async (): Promise<House> => {
    const made = await customers.house(['reports:read'], ['clients.write'])
    await patch(made.path, admin, { clientsMax: 20 })
    return made
  }
  const acme = await house()
  const make = (body: object) => send('POST', `${acme.path}/clients`, acme.owner.headers, { kind: 'service', name: 'Theirs', ...body })
  const ask = async ({ clientId, clientSecret }: OAuthClientBody, fields: Record<string, string> = {}): Promise<{ token: string; answer: string }> => {
    const body = (await post('token', { grant_type: 'client_credentials', ...fields }, basic(clientId, clientSecret ?? ''))).json<{ access_token?: string; scope?: string; error?: string }>()
    return { token: body.access_token ?? '', answer: body.error ?? body.scope ?? '' }
  }
  const tried = async (bearer: string, path: string): Promise<number[]> => {
    await Promise.all([app.revocations.restore(), second.revocations.restore()])
    return Promise.all([app, second].map(async (one) => (await gate(path, as.bearer(bearer), one)).statusCode))
  }
  /** As it may stand in the database from before. */
  const widen = (id: string, data: { resources: string[]; scopes: string[] }): Promise<unknown> => database.prisma.oAuthClient.update({ where: { id }, data })

  t.test('a scope that is worth no permission', async (t) => {
    t.equal(await outcome(make({ resources: [API], scopes: ['read', 'payout'] })), '400 request.invalid')
    const made = expectJson<OAuthClientBody>(await make({ resources: [API], scopes: ['read'] }), 201)
    t.equal(await outcome(patch(`${acme.path}/clients/${made.id}`, acme.owner.headers, { scopes: ['read', 'payout'] })), '400 request.invalid')
    const old = expectJson<OAuthClientBody>(await make({ resources: [API], scopes: ['read'] }), 201)
    await widen(old.id, { resources: [API], scopes: ['read', 'payout'] })
    const { token, answer } = await ask(old)
    t.equal(answer, 'read')
    t.equal((await ask(old, { scope: 'payout' })).answer, 'invalid_scope')
    t.same([await tried(token, '/read'), await tried(token, '/any'), await tried(token, '/payout')], [[200, 200], [200, 200], [403, 403]])
    t.equal(await outcome(patch(`${acme.path}/clients/${old.id}`, acme.owner.headers, { name: 'Renamed' })), '200', 'what it has not hinders nobody')
  })

  t.test('an API at which it is entitled to nothing, by its name alone, now or since', async (t) => {
    const made = expectJson<OAuthClientBody>(await make({ resources: [OTHER_API], scopes: [] }), 201)
    t.equal((await ask(made)).answer, 'invalid_target')
    const grown = expectJson<OAuthClientBody>(await make({ resources: [API], scopes: ['read'] }), 201)
    const { token } = await ask(grown)
    t.same(await tried(token, '/any'), [200, 200])
    await patch(acme.path, admin, { entitlement: [] })
    t.same([await tried(token, '/any'), await tried(token, '/read'), await tried(token, '/payout')], [[401, 401], [401, 401], [401, 401]], 'a token that is out')
    t.equal((await ask(grown)).answer, 'invalid_target')
    await patch(acme.path, admin, { entitlement: ['reports:read'] })
    t.same(await tried(token, '/any'), [200, 200])
  })

  t.test('people are not asked for it either', async (t) => {
    const made = expectJson<OAuthClientBody>(await make({ kind: 'web', redirectUris: [CALLBACK], resources: [OTHER_API], scopes: ['openid'] }), 201)
    const query = new URLSearchParams({ client_id: made.clientId, response_type: 'code', redirect_uri: CALLBACK, scope: 'openid ledger', resource: OTHER_API, code_challenge: 'a'.repeat(43), code_challenge_method: 'S256' })
    const { headers } = await app.inject({ url: `/oauth/authorize?${query}` })
    t.match(headers.location, /error=invalid_target/)
  })

  t.test('what is open to all is open to it; and an operator\'s client has what its operator gave it', async (t) => {
    const mine = expectJson<OAuthClientBody>(await send('POST', '/clients', admin, { kind: 'service', name: 'Ours', resources: [OTHER_API], scopes: ['ledger'] }), 201)
    const own = await ask(mine)
    t.same([own.answer, await tried(own.token, '/ledger'), await tried(own.token, '/books')], ['ledger', [200, 200], [200, 200]])
    expectJson(await patch(`/resources/${other}`, admin, { openToAll: true }), 200)
    const made = expectJson<OAuthClientBody>(await make({ resources: [OTHER_API], scopes: ['ledger'] }), 201)
    const { token, answer } = await ask(made)
    t.same([answer, await tried(token, '/ledger')], ['ledger', [200, 200]])
    t.equal(await outcome(make({ resources: [OTHER_API], scopes: ['close'] })), '403 permission.not_held')
    expectJson(await patch(`/resources/${other}`, admin, { openToAll: false }), 200)
    t.same(await tried(token, '/ledger'), [401, 401], 'and closed at once')
  })
})
