// /clients and /resources: who may let an application in, what it may be let in to, and its secrets.
import { join } from 'node:path'
import { Readable } from 'node:stream'
import t from 'tap'
import { runAdmin } from '../../src/admin/main.js'
import { sha256 } from '../../src/kernel/secrets.js'
import { createActors } from '../support/actors.js'
import { expectJson, SECRET, startApp } from '../support/app.js'

interface Client {
  id: string
  clientId: string
  clientSecret: string | null
  version: number
  secrets: { id: string; start: string; expiresAt: string | null }[]
}

const API = 'https://api.example.com'
const WEB = { kind: 'web', name: 'Reports', redirectUris: ['https://reports.example.com/cb'] }

t.test('clients and resources', async (t) => {
  const { app, as, clock, database } = await startApp(t)
  const actors = await createActors(app, as)
  const { send, patch, outcome, person, machine } = actors
  const admin = await as.admin()
  const create = async (body: object, headers: Record<string, string> = admin): Promise<Client> => expectJson(await send('POST', '/clients', headers, body), 201)
  const resource = async (identifier: string, permissions: string[], more: object = {}) =>
    expectJson<{ id: string; version: number }>(await send('POST', '/resources', admin, { identifier, name: 'An API', scopes: [{ name: 'read', description: 'Read', permissions }], ...more }), 201)
  const api = await resource(API, ['reports:read'])
  const audited = async (id: string): Promise<string[]> => (await database.prisma.auditEvent.findMany({ where: { targetId: id }, orderBy: { id: 'asc' } })).map(({ action }) => action)
  const tags = async (tag: string): Promise<number> => (await database.prisma.revocationLog.findMany({ where: { tag } })).length

  t.test('201 with a secret that is shown once; only its hash is kept', async (t) => {
    const made = await create(WEB)
    t.match(made, { clientId: made.id, kind: 'web', authMethod: 'client_secret_basic', grantTypes: ['authorization_code', 'refresh_token'], requirePkce: true, firstParty: false, registration: 'administrator', version: 1 })
    t.match(made.clientSecret, /^gcs_[\w-]{43}$/)
    const read = await send('GET', `/clients/${made.id}`, admin)
    t.notMatch(read.body, made.clientSecret ?? '')
    t.equal(read.headers.etag, `"${made.id}.1"`)
    t.equal((await database.prisma.oAuthClientSecret.findMany({ where: { clientId: made.id } })).map(({ secretHash }) => Buffer.from(secretHash).toString('hex')).join(' '), sha256(made.clientSecret ?? '').toString('hex'))
    t.same(await audited(made.id), ['client.created'])
    t.notMatch(JSON.stringify(await database.prisma.auditEvent.findMany({ where: { targetId: made.id } })), made.clientSecret ?? '')
    const list = await send('GET', '/clients?kind=web', admin)
    t.ok(expectJson<{ data: Client[] }>(list, 200).data.some(({ id }) => id === made.id))
    t.notMatch(list.body, /gcs_/)
    t.equal((await create({ kind: 'native', name: 'Phone', redirectUris: ['com.example.app:/cb'] })).clientSecret, null)
  })

  t.test('400 for what does not fit, a resource or scope that there is not, and unknown fields', async (t) => {
    for (const body of [{ ...WEB, redirectUris: ['javascript:alert(1)'] }, { ...WEB, resources: ['https://nowhere.example'] }, { ...WEB, scopes: ['openid', 'read'] }, { ...WEB, skipConsent: true }, { ...WEB, jwksUri: 'https://127.0.0.1/jwks' }, { ...WEB, backchannelLogoutUri: 'http://169.254.169.254/' }, { ...WEB, kind: 'robot' }, { ...WEB, name: 'a\u202eb' }]) {
      t.equal(await outcome(send('POST', '/clients', admin, body)), '400 request.invalid', JSON.stringify(body))
    }
    for (const body of [{ identifier: API, name: 'x' }]) t.equal(await outcome(send('POST', '/resources', admin, body)), '409 resource.taken')
    for (const body of [{ identifier: app.publicOrigin(), name: 'x' }, { identifier: 'https://g.example', name: 'x', scopes: [{ name: 'g', description: '', permissions: ['gatehouse:users.read'] }] }]) t.equal(await outcome(send('POST', '/resources', admin, body)), '400 request.invalid', JSON.stringify(body))
  })

  t.test('401 and 403: strangers, members and those who may only look write nothing', async (t) => {
    const member = await as.signUp()
    const reader = await person(['gatehouse:clients.read'])
    const made = await create(WEB)
    for (const [method, path, body] of [['GET', '/clients', undefined], ['POST', '/clients', WEB], ['GET', '/resources', undefined], ['DELETE', `/clients/${made.id}`, undefined], ['POST', `/clients/${made.id}/secrets`, {}]] as const) {
      t.equal(await outcome(send(method, path, {}, body)), '401 credentials.missing')
      t.equal(await outcome(send(method, path, member.headers, body)), '403 access.denied')
      if (method !== 'GET') t.equal(await outcome(send(method, path, reader.headers, body)), '403 access.denied')
    }
  })

  t.test('403: nobody lets a client in to what they do not hold, nor has a hand in one that may more', async (t) => {
    const writer = await person(['gatehouse:clients.write'])
    const holder = await person(['gatehouse:clients.write', 'reports:read'])
    const reaching = { kind: 'service', name: 'Nightly', resources: [API], scopes: ['read'] }
    t.equal(await outcome(send('POST', '/clients', writer.headers, reaching)), '403 permission.not_held')
    const made = await create(reaching, holder.headers)
    t.match(expectJson(await send('GET', `/clients/${made.id}`, admin), 200), { issuedBy: holder.id })
    for (const attempt of [send('POST', `/clients/${made.id}/secrets`, writer.headers, {}), patch(`/clients/${made.id}`, writer.headers, { name: 'mine' }), patch(`/clients/${made.id}`, writer.headers, { authMethod: 'client_secret_post', enabled: false })]) t.equal(await outcome(attempt), '403 permission.not_held')
    t.equal(await outcome(patch(`/clients/${made.id}`, writer.headers, { enabled: false })), '200', 'a brake takes no more than the right to write clients')
    t.equal(await outcome(patch(`/clients/${made.id}`, writer.headers, { enabled: true })), '403 permission.not_held')
    const narrow = await create({ kind: 'service', name: 'Narrow' }, writer.headers)
    t.equal(await outcome(patch(`/clients/${narrow.id}`, writer.headers, { resources: [API], scopes: ['read'] })), '403 permission.not_held')
    t.equal(await outcome(patch(`/resources/${api.id}`, writer.headers, { scopes: [] })), '403 permission.not_held', 'nor in what a scope is worth')
    t.equal(await outcome(send('POST', '/resources', writer.headers, { identifier: 'https://w.example', name: 'w', scopes: [{ name: 's', description: '', permissions: ['reports:read'] }] })), '403 permission.not_held')
    const key = await machine(['gatehouse:clients.write'])
    t.equal(await outcome(send('POST', '/clients', key.headers, reaching)), '403 permission.not_held')
    t.equal(await outcome(send('POST', '/clients', key.headers, WEB)), '201')
    // demoted in the middle: what was cached gives nothing that lasts
    await app.inject({ method: 'PATCH', url: `/api/v1/users/${holder.id}`, headers: { ...admin, 'if-match': '*' }, payload: { roles: ['member'] } })
    t.equal(await outcome(send('POST', '/clients', holder.headers, reaching)), '403 access.denied')
  })

  t.test('403: a client that is trusted without being asked is an administrator\'s, from its making to its secrets', async (t) => {
    const writer = await person(['gatehouse:clients.write', '*:*'])
    t.equal(await outcome(send('POST', '/clients', writer.headers, { ...WEB, firstParty: true })), '403 access.denied')
    const own = await create(WEB, writer.headers)
    t.equal(await outcome(patch(`/clients/${own.id}`, writer.headers, { firstParty: true })), '403 access.denied')
    const trusted = await create({ ...WEB, firstParty: true })
    for (const attempt of [patch(`/clients/${trusted.id}`, writer.headers, { redirectUris: ['https://evil.example/cb'] }), patch(`/clients/${trusted.id}`, writer.headers, { firstParty: false }), send('POST', `/clients/${trusted.id}/secrets`, writer.headers, {})]) t.equal(await outcome(attempt), '403 access.denied')
  })

  t.test('secrets overlap, end, and are no more than five; each change is told to every node', async (t) => {
    const made = await create(WEB)
    const before = await tags(`client:${made.id}`)
    const added = expectJson<{ id: string; clientSecret: string }>(await send('POST', `/clients/${made.id}/secrets`, admin, { othersEndInSeconds: 60 }), 201)
    t.ok(await tags(`client:${made.id}`) > before)
    const secrets = async () => expectJson<Client>(await send('GET', `/clients/${made.id}`, admin), 200).secrets
    t.same((await secrets()).map(({ expiresAt }) => expiresAt !== null), [true, false])
    clock.advance(61_000)
    t.same((await secrets()).map(({ id }) => id), [added.id])
    for (let count = 2; count <= 5; count += 1) expectJson(await send('POST', `/clients/${made.id}/secrets`, admin, {}), 201)
    t.equal(await outcome(send('POST', `/clients/${made.id}/secrets`, admin, {})), '409 client.secrets_full')
    t.equal(await outcome(send('DELETE', `/clients/${made.id}/secrets/${added.id}`, admin)), '204')
    t.equal(await outcome(send('DELETE', `/clients/${made.id}/secrets/${added.id}`, admin)), '404 client.secret_not_found')
    const other = await create(WEB)
    t.equal(await outcome(send('DELETE', `/clients/${made.id}/secrets/${other.secrets[0]?.id ?? ''}`, admin)), '404 client.secret_not_found', 'nor another client\'s')
    t.equal(await outcome(send('POST', `/clients/${made.id}/secrets`, admin, { expiresAt: '2020-01-01T00:00:00Z' })), '400 request.invalid')
    const open = await create({ kind: 'native', name: 'n', redirectUris: ['http://127.0.0.1/cb'] })
    t.equal(await outcome(send('POST', `/clients/${open.id}/secrets`, admin, {})), '409 client.no_secret')
    t.same((await audited(made.id)).filter((action) => action.startsWith('client.secret')).length, 6)
  })

  t.test('PATCH and DELETE are of the version that was read, and told to every node', async (t) => {
    const made = await create(WEB)
    t.equal((await send('PATCH', `/clients/${made.id}`, admin, { name: 'x' })).statusCode, 428)
    t.equal((await send('PATCH', `/clients/${made.id}`, { ...admin, 'if-match': `"${made.id}.7"` }, { name: 'x' })).statusCode, 412)
    const before = await tags(`client:${made.id}`)
    t.match(expectJson(await patch(`/clients/${made.id}`, admin, { name: 'Reports, new', scopes: ['openid'] }), 200), { version: 2, name: 'Reports, new', scopes: ['openid'] })
    t.equal(await tags(`client:${made.id}`), before + 1)
    t.equal(await outcome(send('DELETE', `/clients/${made.id}`, admin)), '204')
    t.equal(await tags(`client:${made.id}`), before + 2)
    t.equal(await database.prisma.oAuthClientSecret.count({ where: { clientId: made.id } }), 0)
    for (const attempt of [send('GET', `/clients/${made.id}`, admin), send('DELETE', `/clients/${made.id}`, admin), patch(`/clients/${made.id}`, admin, { name: 'x' })]) t.equal(await outcome(attempt), '404 client.not_found')
    const seen = await tags(`res:${api.id}`)
    expectJson(await patch(`/resources/${api.id}`, admin, { tokenSeconds: 600 }), 200)
    t.equal(await tags(`res:${api.id}`), seen + 1)
  })

  t.test('a client whose resource has gone is still changed and ended', async (t) => {
    const gone = await resource('https://gone.example', ['gone:read'])
    const made = await create({ kind: 'service', name: 's', resources: ['https://gone.example'], scopes: ['read'] })
    t.equal(await outcome(send('DELETE', `/resources/${gone.id}`, admin)), '204')
    t.equal(await outcome(send('GET', `/resources/${gone.id}`, admin)), '404 resource.not_found')
    t.match(expectJson(await patch(`/clients/${made.id}`, admin, { name: 'renamed' }), 200), { name: 'renamed' })
    t.equal(await outcome(patch(`/clients/${made.id}`, admin, { scopes: ['read'] })), '400 request.invalid')
    t.equal(await outcome(patch(`/clients/${made.id}`, admin, { scopes: [], resources: [] })), '200')
  })

  t.test('npm run admin -- client create: on the host, whoever is an administrator', async (t) => {
    const said: string[] = []
    const run = (...args: string[]): Promise<number> => runAdmin(['client', 'create', ...args], { DATABASE_URL: database.url, GATEHOUSE_SECRET: SECRET, GATEHOUSE_DATA_DIR: join(t.testdir(), 'data') }, { out: (text) => said.push(text), err: (text) => said.push(text), input: Readable.from([]) })
    t.equal(await run('Console', '--redirect-uri', 'https://console.example.com/cb', '--first-party'), 0, said.join('\n'))
    const id = /^client_id (\S+)$/.exec(said[0] ?? '')?.[1] ?? ''
    t.match(said[1], /^client_secret gcs_/)
    t.match(expectJson(await send('GET', `/clients/${id}`, admin), 200), { name: 'Console', firstParty: true, issuedBy: null, issuedVia: 'host' })
    t.equal(await run('Bad', '--redirect-uri', 'http://evil.example/'), 1)
    t.equal(await run('Robot', '--kind', 'robot'), 1)
    t.match(await database.prisma.auditEvent.findFirst({ where: { targetId: id } }), { actorType: 'host', action: 'client.created' })
  })
})
