// What an organization's people name as addresses of their OAuth clients opens nothing of the operator's networks (OUTBOUND_ALLOW): neither where keys are fetched nor where logouts are
// told, before and after the client has gone, by its literal address or by a name that leads there. What cannot be had there is no answer for an operator's client of the same address.
import { once } from 'node:events'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { newId } from '../../src/kernel/ids.js'
import { QUEUED_WORK } from '../../src/queue/index.js'
import { createActors } from '../support/actors.js'
import { expectJson, startApp } from '../support/app.js'
import { API, CALLBACK, clientKeys, type OAuthClientBody, oauthHouse } from '../support/oauth.js'
import { createCustomers } from '../support/organizations.js'

const ASSERTION = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'

t.test('addresses of an organization\'s clients', async (t) => {
  const node = await startApp(t, { config: { publicUrl: 'https://auth.example.com', accessTokenSeconds: 3_600, outboundAllow: ['127.0.0.0/8', '::1'] } })
  const { app, as, clock, database: { prisma } } = node
  const { send, patch, outcome } = await createActors(app, as)
  const { post, resource, outcome: oauthOutcome } = await oauthHouse(node)
  const admin = await as.admin()
  const customers = createCustomers(app, admin)
  await resource(API)
  const acme = await customers.house(['reports:*'], ['clients.write'])
  await patch(acme.path, admin, { clientsMax: 20 })
  let asked = 0
  const inside = createServer((socket) => {
    asked += 1
    socket.destroy()
  }).listen(0, '127.0.0.1')
  await once(inside, 'listening')
  t.teardown(() => void inside.close())
  const { port } = inside.address() as AddressInfo
  const [literal, name] = [`https://127.0.0.1:${port}/jwks`, `https://localhost:${port}/jwks`]
  const make = (body: object) => send('POST', `${acme.path}/clients`, acme.owner.headers, body)
  const service = { kind: 'service', name: 'Theirs', authMethod: 'private_key_jwt', resources: [API], scopes: ['read'] }
  const web = { kind: 'web', name: 'Their app', redirectUris: [CALLBACK], scopes: ['openid'] }
  const keys = clientKeys()
  let count = 0
  const prove = async ({ clientId }: OAuthClientBody): Promise<string> => oauthOutcome(post('token', {
    grant_type: 'client_credentials', client_assertion_type: ASSERTION,
    client_assertion: await keys.assertion({ iss: clientId, sub: clientId, aud: 'https://auth.example.com', exp: Math.floor(clock.now() / 1_000) + 60, jti: `j${(count += 1)}` }),
  }))
  const tell = async ({ id }: OAuthClientBody): Promise<void> => {
    await prisma.oAuthLogout.create({ data: { grantId: newId(), clientId: id, userId: acme.owner.user.id, createdAt: new Date(clock.now()) } })
    await app.jobs.run('promising to tell clients of logouts')
    await app.jobs.run(QUEUED_WORK)
  }

  t.test('by their literal address they are not stored', async (t) => {
    t.equal(await outcome(make({ ...service, jwksUri: literal })), '400 request.invalid')
    t.equal(await outcome(make({ ...web, backchannelLogoutUri: literal })), '400 request.invalid')
    t.equal(await outcome(send('POST', '/clients', admin, { ...service, jwksUri: literal })), '201', 'an operator\'s is')
  })

  t.test('by a name, or as they stand there from before, they are not asked; and what stands there keeps nobody from stopping the client', async (t) => {
    for (const address of [name, literal]) {
      const made = expectJson<OAuthClientBody>(await make({ ...service, jwksUri: 'https://keys.example.com/' }), 201)
      await prisma.oAuthClient.update({ where: { id: made.id }, data: { jwksUri: address } })
      t.equal(await prove(made), '401 invalid_client')
      t.equal(await outcome(patch(`${acme.path}/clients/${made.id}`, acme.owner.headers, { enabled: false })), '200')
      const told = expectJson<OAuthClientBody>(await make(web), 201)
      await prisma.oAuthClient.update({ where: { id: told.id }, data: { backchannelLogoutUri: address } })
      await tell(told)
      t.equal(await outcome(send('DELETE', `${acme.path}/clients/${told.id}`, acme.owner.headers)), '204')
      await tell(told)
    }
    t.equal(asked, 0)
  })

  t.test('an operator\'s client of the same address is asked all the same, and told', async (t) => {
    const made = expectJson<OAuthClientBody>(await send('POST', '/clients', admin, { ...service, jwksUri: name }), 201)
    t.equal(await prove(made), '401 invalid_client')
    t.equal(asked, 1)
    const told = expectJson<OAuthClientBody>(await send('POST', '/clients', admin, { ...web, backchannelLogoutUri: name }), 201)
    await tell(told)
    t.equal(asked, 2)
    t.equal(await outcome(send('DELETE', `/clients/${told.id}`, admin)), '204')
    await tell(told)
    t.ok(asked > 2)
  })
})
