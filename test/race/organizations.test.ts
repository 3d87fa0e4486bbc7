// Organizations, with everybody at once on two nodes: each invitation and each slug has one winner, the last owner stays, and who is taken out keeps nothing.
import t from 'tap'
import { createActors } from '../support/actors.js'
import { expectJson, startApp } from '../support/app.js'
import { createCustomers } from '../support/organizations.js'
import { QUEUED_WORK } from '../../src/queue/index.js'
import { startMailServer } from '../support/smtp.js'

type Headers = Record<string, string>

const server = await startMailServer(t)
const config = { smtpUrl: server.url, publicUrl: 'https://auth.example.com', accessTokenSeconds: 8_640_000, keysPerOwner: 10_000 }
const { app, as, database, clock } = await startApp(t, { config })
const { app: second } = await startApp(t, { config, database, clock })
const MANY = 50
const nodes = Array.from({ length: MANY }, (_, at) => (at % 2 === 0 ? app : second))
const admin = await as.admin()
const { house, someone, signIn, add } = createCustomers(app, admin)
const { send, patch } = await createActors(app, as)
const { prisma } = database
const statusesOf = async (ask: (node: typeof app, at: number) => Promise<{ statusCode: number }>): Promise<Record<number, number>> => {
  const counts: Record<number, number> = {}
  for (const { statusCode } of await Promise.all(nodes.map(ask))) counts[statusCode] = (counts[statusCode] ?? 0) + 1
  return counts
}
const post = (node: typeof app, path: string, headers: Headers, payload: object) => node.inject({ method: 'POST', url: `/api/v1${path}`, headers, payload })

t.test('one invitation, fifty times on two nodes: one membership', async (t) => {
  const { id, path, owner } = await house()
  const guest = await someone()
  expectJson(await send('POST', `${path}/invitations`, owner.headers, { email: guest.user.email }), 201)
  await app.jobs.run(QUEUED_WORK)
  const token = /\/ui\/join\?token=(gl_[\w-]{43})/.exec(server.last(guest.user.email, /invited into/).text)?.[1] ?? ''
  t.same(await statusesOf((node) => post(node, '/organizations/join', guest.headers, { token })), { 200: 1, 410: MANY - 1 })
  t.equal(await prisma.organizationMember.count({ where: { organizationId: id, userId: guest.user.id } }), 1)
})

t.test('one slug, fifty times on two nodes: one organization', async (t) => {
  t.same(await statusesOf((node) => post(node, '/organizations', admin, { slug: 'wanted', name: 'Wanted' })), { 201: 1, 409: MANY - 1 })
  t.equal(await prisma.organization.count({ where: { slug: 'wanted' } }), 1)
})

t.test('ten owners leave at once on two nodes: one stays', async (t) => {
  for (let round = 0; round < 3; round += 1) {
    const { id, path, owner } = await house()
    const owners = [owner, ...(await Promise.all(Array.from({ length: 9 }, () => someone())))]
    for (const one of owners.slice(1)) await add(id, one, { owner: true })
    // half of them leave, half demote themselves
    const answers = await Promise.all(owners.map(({ user, headers }, at) => (nodes[at] ?? app).inject(at % 3 === 0
      ? { method: 'PATCH', url: `/api/v1${path}/members/${user.id}`, headers: { ...headers, 'if-match': '*' }, payload: { owner: false } }
      : { method: 'DELETE', url: `/api/v1${path}/members/${user.id}`, headers })))
    t.equal(answers.filter(({ statusCode }) => statusCode === 409).length, 1, answers.map(({ statusCode }) => statusCode).join(' '))
    t.equal(await prisma.organizationMember.count({ where: { organizationId: id, isOwner: true } }), 1)
  }
})

t.test('the cap on what one person owns holds for fifty at once', async (t) => {
  const { name } = expectJson<{ name: string }>(await send('POST', '/roles', admin, { name: 'founders', permissions: ['gatehouse:own.organizations'] }), 201)
  const founder = await someone()
  await patch(`/users/${founder.user.id}`, admin, { roles: [name] })
  t.same(await statusesOf((node, at) => post(node, '/organizations', founder.headers, { slug: `mine-${at}`, name: 'Mine' })), { 201: 20, 409: MANY - 20 })
})

t.test('as many OAuth clients as its operator says, also by fifty at once', async (t) => {
  const { path, owner } = await house()
  await patch(path, admin, { clientsMax: 3 })
  t.same(await statusesOf((node, at) => post(node, `${path}/clients`, owner.headers, { kind: 'web', name: `App ${at}`, redirectUris: ['https://app.example/cb'] })), { 201: 3, 409: MANY - 3 })
})

t.test('as many webhook endpoints as its operator says, also by fifty at once', async (t) => {
  const { id, path, owner } = await house()
  await patch(path, admin, { webhooksMax: 3 })
  t.same(await statusesOf((node, at) => post(node, `${path}/webhooks`, owner.headers, { url: `https://hooks.example/${at}` })), { 201: 3, 409: MANY - 3 })
  t.equal(await prisma.webhookEndpoint.count({ where: { organizationId: id } }), 3)
})

t.test('switching while being taken out: nobody acts there afterwards; issuing while being taken out: none is issued later', async (t) => {
  const { id, path, owner, clerk } = await house(['reports:*'], ['keys.write'])
  const sessions = await Promise.all(Array.from({ length: MANY }, () => signIn(clerk.user.id)))
  const [switched, issued] = await Promise.all([
    Promise.all(sessions.slice(0, 25).map(({ headers }, at) => post(nodes[at] ?? app, '/auth/organization', headers, { organizationId: id }))),
    Promise.all(sessions.slice(25).map(({ headers }, at) => post(nodes[at] ?? app, '/keys', headers, { name: 'k', organizationId: id, permissions: ['reports:read'] }))),
    second.inject({ method: 'DELETE', url: `/api/v1${path}/members/${clerk.user.id}`, headers: owner.headers }),
  ])
  await Promise.all([app.revocations.restore(), second.revocations.restore()])
  t.same([...new Set(switched.map(({ statusCode }) => statusCode))].filter((status) => status !== 200 && status !== 404), [])
  for (const answer of switched.filter(({ statusCode }) => statusCode === 200)) {
    const headers = as.bearer(answer.json<{ accessToken: string }>().accessToken)
    for (const node of [app, second]) t.equal((await node.inject({ url: '/api/v1/whoami', headers })).statusCode, 401)
  }
  t.same([...new Set(issued.map(({ statusCode }) => statusCode))].filter((status) => ![201, 403, 404].includes(status)), [])
  const removal = await prisma.auditEvent.findFirst({ where: { action: 'organization_member.removed', targetId: id } })
  t.ok(removal)
  t.equal(await prisma.apiKey.count({ where: { organizationId: id } }), issued.filter(({ statusCode }) => statusCode === 201).length)
  t.equal((await post(app, '/keys', clerk.headers, { name: 'k', organizationId: id })).statusCode, 404)
})
