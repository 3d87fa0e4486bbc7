// Domains of organizations, with everybody at once on two nodes and a database that goes away at any statement: a domain has one organization, a person one membership.
import t from 'tap'
import { TAKING_IN } from '../../src/domains/index.js'
import { createActors } from '../support/actors.js'
import { expectJson, startApp } from '../support/app.js'
import { startDnsServer } from '../support/dns.js'
import { failStatements } from '../support/failing-statements.js'
import { createCustomers, type House } from '../support/organizations.js'

interface Domain { id: string; record: { name: string; value: string } }

const dns = await startDnsServer(t)
const config = { dnsServers: [dns.address], accessTokenSeconds: 8_640_000 }
const { app, as, database, clock } = await startApp(t, { config })
const { app: second } = await startApp(t, { config, database, clock })
const { prisma } = database
const admin = await as.admin()
const { house, someone } = createCustomers(app, admin)
const { send, patch } = await createActors(app, as)
const ask = async ({ path, owner }: House, domain: string): Promise<Domain> => expectJson<Domain>(await send('POST', `${path}/domains`, owner.headers, { domain, automatic: true }), 201)
const verify = (node: typeof app, { path, owner }: House, { id }: Domain) => node.inject({ method: 'POST', url: `/api/v1${path}/domains/${id}/verify`, headers: owner.headers })
const confirmed = async (email: string): Promise<string> => {
  const { user: { id } } = await someone()
  await prisma.user.update({ where: { id }, data: { email, emailVerifiedAt: null } })
  await prisma.user.update({ where: { id }, data: { emailVerifiedAt: new Date(clock.now()) } })
  return id
}

/** How many mails were promised to an address of late, sent or not: a mail that is sent twice is one. */
const promised = async (address: string): Promise<number> => {
  const waiting = (await prisma.queuedWork.findMany({ where: { about: { path: ['to'], equals: address } } })).map(({ id }) => id)
  return new Set([...waiting, ...[app, second].flatMap((node) => node.outbox.list()).flatMap(({ id, kind, to }) => (kind === 'organization.joined' && to === address ? [id] : []))]).size
}

t.test('six organizations prove one domain at once on two nodes: one has it', async (t) => {
  const houses: House[] = []
  for (let n = 0; n < 6; n += 1) houses.push(await house())
  for (let round = 0; round < 2; round += 1) {
    const domain = `wanted-${round}.example`
    const asked = await Promise.all(houses.map((one) => ask(one, domain)))
    dns.txt.set(`_gatehouse.${domain}`, asked.map(({ record }) => record.value))
    const statuses = (await Promise.all(houses.map((one, at) => verify(at % 2 === 0 ? app : second, one, asked[at] ?? asked[0] as Domain)))).map(({ statusCode }) => statusCode)
    t.same(statuses.toSorted((a, b) => a - b), [200, ...Array.from({ length: 5 }, () => 409)])
    t.equal(await prisma.organizationDomain.count({ where: { domain, verifiedAt: { not: null } } }), 1)
    // and it is taken from who has it by many at once, once its record is gone
    const holder = await prisma.organizationDomain.findFirstOrThrow({ where: { domain, verifiedAt: { not: null } } })
    dns.txt.set(`_gatehouse.${domain}`, asked.filter(({ id }) => id !== holder.id).map(({ record }) => record.value))
    clock.advance(10_000)
    const again = (await Promise.all(houses.map((one, at) => verify(at % 2 === 0 ? app : second, one, asked[at] ?? asked[0] as Domain)))).map(({ statusCode }) => statusCode)
    t.equal(again.filter((status) => status === 200).length, 1, again.join(' '))
    t.ok(again.every((status) => status === 200 || status === 409), again.join(' '))
    t.not((await prisma.organizationDomain.findFirstOrThrow({ where: { domain, verifiedAt: { not: null } } })).id, holder.id)
  }
})

t.test('twenty people, looked at by two nodes at once: a membership each, and none for whoever is taken out meanwhile', async (t) => {
  const acme = await house()
  const made = await ask(acme, 'acme.example')
  dns.txt.set(made.record.name, [made.record.value])
  expectJson(await verify(app, acme, made), 200)
  const ids: string[] = []
  for (let at = 0; at < 20; at += 1) ids.push(await confirmed(`person-${at}@acme.example`))
  await Promise.all([app, second, app, second].map((node) => node.jobs.run(TAKING_IN)))
  t.equal(await prisma.organizationMember.count({ where: { organizationId: acme.id, userId: { in: ids } } }), 20)
  t.equal(await prisma.auditEvent.count({ where: { action: 'organization_member.added', targetId: acme.id, actorType: 'host' } }), 20)
  for (const at of ids.keys()) t.equal(await promised(`person-${at}@acme.example`), 1, 'and each is told, once')
  // taken out while they are looked at once more
  await prisma.user.updateMany({ where: { id: { in: ids } }, data: { emailVerifiedAt: new Date(clock.now() + 1) } })
  const [out] = await Promise.all([
    Promise.all(ids.map((userId, at) => (at % 2 === 0 ? app : second).inject({ method: 'DELETE', url: `/api/v1${acme.path}/members/${userId}`, headers: acme.owner.headers }))),
    app.jobs.run(TAKING_IN), second.jobs.run(TAKING_IN),
  ])
  t.ok(out.every(({ statusCode }) => statusCode === 204))
  await app.jobs.run(TAKING_IN)
  t.equal(await prisma.organizationMember.count({ where: { organizationId: acme.id, userId: { in: ids } } }), 0)
})

t.test('switched off while people come: whoever is in was let in before it', async (t) => {
  const acme = await house()
  const made = await ask(acme, 'switched.example')
  dns.txt.set(made.record.name, [made.record.value])
  expectJson(await verify(app, acme, made), 200)
  const ids: string[] = []
  for (let at = 0; at < 10; at += 1) ids.push(await confirmed(`person-${at}@switched.example`))
  const [, off] = await Promise.all([second.jobs.run(TAKING_IN), patch(`${acme.path}/domains/${made.id}`, acme.owner.headers, { automatic: false }), app.jobs.run(TAKING_IN)])
  t.equal(off.statusCode, 200)
  const { id: offId } = await prisma.auditEvent.findFirstOrThrow({ where: { action: 'organization_domain.changed', targetId: acme.id } })
  await app.jobs.run(TAKING_IN)
  const late = await prisma.organizationMember.count({ where: { organizationId: acme.id, userId: { in: ids }, createdAt: { gt: (await prisma.auditEvent.findFirstOrThrow({ where: { id: offId } })).at } } })
  t.equal(late, 0)
  t.equal(await prisma.organizationArrival.count(), 0)
})

t.test('the database goes away at any statement of it: nobody is lost, nobody is in twice', { timeout: 120_000 }, async (t) => {
  const acme = await house()
  const made = await ask(acme, 'fails.example')
  dns.txt.set(made.record.name, [made.record.value])
  expectJson(await verify(app, acme, made), 200)
  const { during } = failStatements(database.pool)
  let tried = 0
  for (const after of [false, true]) {
    for (let n = 1, isHit = true; isHit; n += 1) {
      const userId = await confirmed(`person-${n}-${String(after)}@fails.example`)
      isHit = await during(n, after, async () => app.jobs.run(TAKING_IN).catch(() => undefined))
      clock.advance(300_000)
      await app.jobs.run(TAKING_IN)
      t.equal(await prisma.organizationMember.count({ where: { organizationId: acme.id, userId } }), 1, `${n} ${after ? 'after' : 'before'}`)
      t.equal(await prisma.auditEvent.count({ where: { action: 'organization_member.added', targetId: acme.id, details: { path: ['userId'], equals: userId } } }), 1)
      t.equal(await promised(`person-${n}-${String(after)}@fails.example`), 1, 'and is told once')
      tried += 1
    }
  }
  t.ok(tried > 16, `${tried} statements`)
  t.equal(await prisma.organizationArrival.count(), 0)
})
