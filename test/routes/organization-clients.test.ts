// OAuth clients that an organization owns: made and changed by who has the right in it, worth no more than it is entitled to, counted as it is, and over with it, on two nodes.
import t from 'tap'
import { createActors } from '../support/actors.js'
import { expectJson, startApp } from '../support/app.js'
import { API, basic, CALLBACK, type OAuthClientBody, oauthHouse, personOf, requestOf, type TokenBody } from '../support/oauth.js'
import { createCustomers, type House } from '../support/organizations.js'

type Headers = Record<string, string>
interface Client extends OAuthClientBody { organizationId: string; secrets: { id: string }[] }

const SERVICE = { kind: 'service', name: 'Nightly', resources: [API], scopes: ['read'] }
const RIGHTS = ['members.write', 'clients.write']

t.test('OAuth clients of an organization', async (t) => {
  const config = { publicUrl: 'https://auth.example.com', accessTokenSeconds: 3_600 }
  const node = await startApp(t, { config })
  const { app, as, database, clock } = node
  const { app: second } = await startApp(t, { config, database, clock })
  const { send, patch, outcome, person } = await createActors(app, as)
  const { post, token, gate, resource, outcome: oauthOutcome } = await oauthHouse(node)
  const admin = await as.admin()
  const customers = createCustomers(app, admin)
  const { someone, role } = customers
  await resource(API, { tokenSeconds: 3_600 })
  for (const [path, more] of [['/read', { permissions: ['reports:read'] }], ['/scoped', { scopes: ['read'] }], ['/write', { permissions: ['reports:write'] }]] as const) {
    expectJson(await send('POST', '/gate-rules', admin, { host: 'api.example.com', path, audience: API, ...more }), 201)
  }
  const house = async (clientsMax = 3, entitlement = ['reports:*']): Promise<House> => {
    const made = await customers.house(entitlement, RIGHTS)
    await patch(made.path, admin, { clientsMax })
    return made
  }
  const create = async ({ path, clerk }: House, body: object = SERVICE, headers: Headers = clerk.headers): Promise<Client> => expectJson(await send('POST', `${path}/clients`, headers, body), 201)
  const tried = async (bearer: string, path = '/read'): Promise<number[]> => {
    await Promise.all([app.revocations.restore(), second.revocations.restore()])
    return Promise.all([app, second].map(async (one) => (await gate(path, as.bearer(bearer), one)).statusCode))
  }

  t.test('201 for who has the right, of what they hold in it and its operator lets it have', async (t) => {
    const acme = await house(1)
    const { path, id, owner, clerk, member } = acme
    const refused: [Headers, object, string][] = [
      [clerk.headers, { ...SERVICE, scopes: ['read', 'write'] }, '403 permission.not_held'], [member.headers, SERVICE, '403 access.denied'], [(await someone()).headers, SERVICE, '404 organization.not_found'],
      [owner.headers, { ...SERVICE, kind: 'resource', scopes: [] }, '400 request.invalid'], [owner.headers, { ...SERVICE, firstParty: true }, '400 request.invalid'], [owner.headers, { ...SERVICE, organizationId: id }, '400 request.invalid'],
      [owner.headers, { ...SERVICE, resources: ['https://nowhere.example'] }, '400 request.invalid'], [owner.headers, { ...SERVICE, jwksUri: 'http://169.254.169.254/' }, '400 request.invalid'],
    ]
    for (const [headers, body, expected] of refused) t.equal(await outcome(send('POST', `${path}/clients`, headers, body)), expected, JSON.stringify(body))
    const made = await create(acme)
    t.match(made, { organizationId: id, registration: 'administrator', issuedBy: clerk.user.id, firstParty: false, scopes: ['read'] })
    t.equal(await outcome(send('POST', `${path}/clients`, owner.headers, SERVICE)), '409 client.cap_reached', 'as many as its operator says')
    t.equal(await outcome(patch(path, owner.headers, { clientsMax: 9 })), '403 access.denied')
    t.equal((await database.prisma.organization.findUnique({ where: { id: (await customers.open()).id } }))?.clientsMax, 0, 'none, unless somebody says so')
    t.match(await database.prisma.auditEvent.findFirst({ where: { targetId: made.id } }), { action: 'client.created', details: { organizationId: id } })
    t.equal(expectJson<{ data: object[] }>(await send('GET', `/clients?organizationId=${id}`, admin), 200).data.length, 1)
  })

  t.test('seen, changed and ended by who has the right; another\'s is none', async (t) => {
    const [acme, rival] = [await house(), await house()]
    const { path, owner, clerk, member } = acme
    const [made, theirs] = [await create(acme), await create(rival)]
    const wide = await create(acme, { ...SERVICE, scopes: ['write'] }, owner.headers)
    const own = expectJson<Client>(await send('POST', '/clients', admin, { ...SERVICE, name: 'the operator\'s' }), 201)
    t.equal(expectJson<{ data: object[] }>(await send('GET', `${path}/clients`, clerk.headers), 200).data.length, 2)
    t.equal(await outcome(send('GET', `${path}/clients`, member.headers)), '403 access.denied')
    for (const of of [theirs, own]) {
      for (const [method, at, body] of [['GET', '', undefined], ['PATCH', '', { name: 'x' }], ['DELETE', '', undefined], ['POST', '/secrets', {}], ['DELETE', `/secrets/${of.secrets[0]?.id ?? ''}`, undefined]] as const) {
        t.equal(await outcome(send(method, `${path}/clients/${of.id}${at}`, { ...owner.headers, 'if-match': '*' }, body)), '404 client.not_found', `${method} ${at}`)
      }
    }
    t.equal(await outcome(patch(`${path}/clients/${made.id}`, clerk.headers, { name: 'renamed' })), '200')
    t.equal(await outcome(patch(`${path}/clients/${made.id}`, clerk.headers, { scopes: ['read', 'write'] })), '403 permission.not_held')
    t.equal(await outcome(patch(`${path}/clients/${wide.id}`, clerk.headers, { name: 'mine' })), '403 permission.not_held')
    t.equal(await outcome(send('POST', `${path}/clients/${wide.id}/secrets`, clerk.headers, {})), '403 permission.not_held', 'nobody gets a secret that opens more than they hold')
    t.equal(await outcome(patch(`${path}/clients/${wide.id}`, clerk.headers, { enabled: false })), '200', 'but may stop it')
    t.equal(await outcome(send('POST', `${path}/clients/${made.id}/secrets`, clerk.headers, { othersEndInSeconds: 0 })), '201')
    t.equal(await outcome(patch(`/clients/${made.id}`, admin, { firstParty: true })), '400 request.invalid', 'nor does its operator make it one that nobody is asked about')
    await send('DELETE', `${path}/members/${clerk.user.id}`, owner.headers)
    t.equal(await outcome(send('GET', `${path}/clients/${made.id}`, clerk.headers)), '404 organization.not_found')
    t.equal(await outcome(send('DELETE', `${path}/clients/${made.id}`, owner.headers)), '204')
  })

  t.test('an Idempotency-Key gives a secret again to who still may have it, and to nobody else', async (t) => {
    const acme = await house()
    const once = { ...acme.clerk.headers, 'idempotency-key': 'one-client' }
    const made = await create(acme, SERVICE, once)
    t.equal((await create(acme, SERVICE, once)).clientSecret, made.clientSecret)
    await patch(`${acme.path}/members/${acme.clerk.user.id}`, acme.owner.headers, { roles: [] })
    t.equal(await outcome(send('POST', `${acme.path}/clients`, once, SERVICE)), '403 access.denied')
    await send('DELETE', `${acme.path}/members/${acme.clerk.user.id}`, acme.owner.headers)
    t.equal(await outcome(send('POST', `${acme.path}/clients`, once, SERVICE)), '404 organization.not_found')
  })

  t.test('its tokens are the organization\'s: within what it may at each moment, and over while it is suspended', async (t) => {
    const acme = await house()
    const made = await create(acme, { ...SERVICE, scopes: ['read', 'write'] }, acme.owner.headers)
    const bearer = await token(made)
    t.same([await tried(bearer), await tried(bearer, '/write'), await tried(bearer, '/scoped')], [[200, 200], [200, 200], [200, 200]])
    t.equal((await gate('/read', as.bearer(bearer))).headers['x-auth-organization'], acme.id)
    await patch(acme.path, admin, { entitlement: ['reports:read'] })
    t.same([await tried(bearer), await tried(bearer, '/write'), await tried(bearer, '/scoped')], [[200, 200], [403, 403], [200, 200]])
    t.equal(await oauthOutcome(post('token', { grant_type: 'client_credentials', scope: 'write' }, basic(made.clientId, made.clientSecret ?? ''))), '400 invalid_scope', 'nor is a token issued that says so')
    await patch(acme.path, admin, { entitlement: ['exports:read'] })
    t.same([await tried(bearer), await tried(bearer, '/scoped')], [[401, 401], [401, 401]], 'a scope that is worth more is none, and an API without one it may not ask for')
    await patch(acme.path, admin, { entitlement: ['reports:*'] })
    t.same(await tried(bearer), [200, 200])
    await patch(acme.path, admin, { status: 'suspended' })
    t.same(await tried(bearer), [401, 401])
    for (const one of [app, second]) t.equal(await oauthOutcome(post('token', { grant_type: 'client_credentials' }, basic(made.clientId, made.clientSecret ?? ''), one)), '401 invalid_client')
    await patch(acme.path, admin, { status: 'active' })
    t.same(await tried(bearer), [200, 200])
    t.equal(await outcome(send('DELETE', acme.path, acme.owner.headers)), '204')
    t.same(await tried(bearer), [401, 401])
    t.equal(await oauthOutcome(post('token', { grant_type: 'client_credentials' }, basic(made.clientId, made.clientSecret ?? ''))), '401 invalid_client', 'and it goes with it')
    t.equal(await database.prisma.oAuthClient.count({ where: { id: made.id } }), 0)
  })

  t.test('a plan of the organization counts over all its keys and clients; its usage is read and exported by who has the right', async (t) => {
    const acme = await house()
    await patch(acme.path, admin, { limits: [{ name: 'calls', quota: 3, windowSeconds: 60 }] })
    const [one, other] = [await create(acme), await create(acme)]
    const { key, id: keyId } = expectJson<{ key: string; id: string }>(await send('POST', '/keys', admin, { name: 'k', organizationId: acme.id, permissions: ['reports:read'] }), 201)
    t.equal((await gate('/read', as.bearer(await token(one)))).statusCode, 200)
    t.equal((await gate('/read', as.bearer(await token(other)))).statusCode, 200)
    const verify = async (): Promise<string> => expectJson<{ code: string }>(await send('POST', '/keys/verify', admin, { key }), 200).code
    t.same([await verify(), await verify()], ['valid', 'rate_limited'])
    t.equal((await gate('/read', as.bearer(await token(one)))).statusCode, 429)
    await app.usageLedger.flush()
    const read = (await send('GET', `/usage?ownerId=${acme.id}`, acme.owner.headers)).json<{ total: { allowed: number; rateLimited: number } }>()
    t.match(read, { total: { allowed: 3, rateLimited: 2 } })
    const lines = (await send('GET', `/usage/export?ownerId=${acme.id}&granularity=minute`, acme.owner.headers)).body.trim().split('\n').map((line) => JSON.parse(line) as { keyId: string; ownerUserId: string })
    t.same(new Set(lines.map((line) => line.keyId)), new Set([one.id, other.id, keyId]))
    t.ok(lines.every(({ ownerUserId }) => ownerUserId === acme.id))
    for (const { headers } of [acme.clerk, acme.member, await someone(), (await house()).owner]) t.equal(await outcome(send('GET', `/usage/export?ownerId=${acme.id}`, headers)), '403 access.denied')
  })

  t.test('people are asked, are told that nobody vouches for it, and what it may do for them is within both', async (t) => {
    const acme = await house(3, ['reports:read'])
    const client = await create(acme, { kind: 'web', name: 'Their app', redirectUris: [CALLBACK], scopes: ['openid', 'read'], resources: [API] })
    const { email, headers } = await person(['reports:*'])
    t.ok(headers)
    const { query, redeem } = requestOf(client, { scope: 'openid read', resource: API })
    const visitor = personOf(app, email)
    await visitor.signIn()
    const { location } = await visitor.open(query)
    t.match(location, /^\/ui\/consent/)
    if (app.pages) t.match((await visitor.pages.open(location)).body, 'notice')
    const { back } = await visitor.through(query)
    const tokens = expectJson<TokenBody>(await post('token', redeem(back?.get('code') ?? ''), basic(client.clientId, client.clientSecret ?? '')), 200)
    t.same([await tried(tokens.access_token), await tried(tokens.access_token, '/write')], [[200, 200], [403, 403]])
    await patch(acme.path, admin, { entitlement: [] })
    t.same(await tried(tokens.access_token), [401, 401])
    await patch(acme.path, admin, { entitlement: ['reports:read'], status: 'suspended' })
    t.same(await tried(tokens.access_token), [401, 401])
  })

  t.test('a client of before is nobody\'s and goes on; the database refuses what no route writes', async (t) => {
    const own = expectJson<Client>(await send('POST', '/clients', admin, SERVICE), 201)
    t.equal(own.organizationId, null)
    t.same(await tried(await token(own)), [200, 200])
    const acme = await house()
    const made = await create(acme)
    await t.rejects(database.prisma.oAuthClient.update({ where: { id: made.id }, data: { firstParty: true } }))
    await t.rejects(database.prisma.oAuthClient.update({ where: { id: made.id }, data: { kind: 'resource' } }))
    t.ok(await role(acme.id, acme.owner.headers, [], ['clients.read']))
  })
})
