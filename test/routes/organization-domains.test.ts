// /organizations/:id/domains: who proves a domain has it, and people whose confirmed address is at it come in; nobody else does, by no way.
import t from 'tap'
import { CHECKING_DOMAINS, TAKING_IN } from '../../src/domains/index.js'
import { EXPIRY } from '../../src/database/expiry.js'
import { createActors } from '../support/actors.js'
import { expectJson, startApp } from '../support/app.js'
import { startDnsServer } from '../support/dns.js'
import { QUEUED_WORK } from '../../src/queue/index.js'
import { startMailServer } from '../support/smtp.js'
import { createCustomers, type Customer, type House } from '../support/organizations.js'

interface Domain {
  id: string
  domain: string
  status: string
  record: { name: string; value: string }
  automatic: boolean
  roles: string[]
  missingSince: string | null
  expiresAt: string | null
  version: number
}
type Headers = Record<string, string>

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS

t.test('domains of organizations', async (t) => {
  const [dns, mails] = [await startDnsServer(t), await startMailServer(t)]
  const { app, as, clock, database } = await startApp(t, { config: { dnsServers: [dns.address], smtpUrl: mails.url, publicUrl: 'https://auth.example.com', accessTokenSeconds: 8_640_000, sessionIdleSeconds: 31_536_000, sessionAbsoluteSeconds: 31_536_000 } })
  const { prisma } = database
  const { send, patch, outcome, person } = await createActors(app, as)
  const admin = await as.admin()
  const { house, someone, role } = createCustomers(app, admin)
  let count = 0
  const name = (): string => `corp-${(count += 1)}.example`
  const ask = async ({ path, owner }: House, domain: string, more: object = {}): Promise<Domain> => expectJson<Domain>(await send('POST', `${path}/domains`, owner.headers, { domain, ...more }), 201)
  const publish = ({ record }: Domain): void => void dns.txt.set(record.name, ['v=spf1 -all', record.value])
  const verify = ({ path }: House, { id }: Domain, headers: Headers) => send('POST', `${path}/domains/${id}/verify`, headers)
  const read = async ({ path, owner }: House, { id }: Domain): Promise<Domain> => expectJson<Domain>(await send('GET', `${path}/domains/${id}`, owner.headers), 200)
  const proven = async (of: House, domain: string, more: object = {}): Promise<Domain> => {
    const made = await ask(of, domain, { automatic: true, ...more })
    publish(made)
    return expectJson<Domain>(await verify(of, made, of.owner.headers), 200)
  }
  /** somebody with an address, which they have confirmed or not */
  const at = async (email: string, isConfirmed = true): Promise<Customer> => {
    const { id } = expectJson<{ id: string }>(await send('POST', '/users', admin, { email }), 201)
    if (isConfirmed) await prisma.user.update({ where: { id }, data: { emailVerifiedAt: new Date(clock.now()) } })
    return { user: { id, email }, ...(await createCustomers(app, admin).signIn(id)) }
  }
  const takeIn = async (): Promise<void> => app.jobs.run(TAKING_IN)
  const isIn = async ({ id }: House, { user }: Customer): Promise<boolean> => (await prisma.organizationMember.count({ where: { organizationId: id, userId: user.id } })) === 1
  const audited = async (id: string): Promise<string[]> => (await prisma.auditEvent.findMany({ where: { targetId: id, action: { startsWith: 'organization_domain' } }, orderBy: { id: 'asc' } })).map(({ action }) => action.slice(20))

  t.test('a domain is one spelling of one that can be somebody\'s', async (t) => {
    const acme = await house()
    const made = await ask(acme, ' Bücher-42.EXAMPLE. ')
    t.match(made, { domain: 'xn--bcher-42-65a.example', status: 'unproven', automatic: false, roles: [], record: { name: '_gatehouse.xn--bcher-42-65a.example', value: /^gatehouse-domain=[0-9A-Za-z]{32}$/ } })
    t.equal(await outcome(send('POST', `${acme.path}/domains`, acme.owner.headers, { domain: 'xn--bcher-42-65a.example' })), '409 organization.domain_known')
    for (const domain of ['gmail.com', 'GMAIL.com.', 'ｇｍａｉｌ.com', 'fastmail.com', 'com', 'co.uk', 'github.io', 'example', 'localhost', '192.0.2.1', '0x7f.1', 'a..example', '-a.example', 'a_b.example', 'a b.example', 'a@b.example', '*.acme.example', 'ac\u200bme.example', `${'a'.repeat(64)}.example`, `${'a.'.repeat(120)}example`, '_gatehouse.acme.example']) {
      t.equal(await outcome(send('POST', `${acme.path}/domains`, acme.owner.headers, { domain })), '400 request.invalid', domain.slice(0, 30))
    }
    for (const { headers } of [acme.clerk, acme.member]) t.equal(await outcome(send('POST', `${acme.path}/domains`, headers, { domain: name() })), '403 access.denied')
    t.equal(await outcome(send('POST', `${acme.path}/domains`, (await someone()).headers, { domain: name() })), '404 organization.not_found')
    t.equal(await outcome(send('GET', `${acme.path}/domains`, acme.member.headers)), '403 access.denied')
    t.equal(await outcome(send('GET', `${acme.path}/domains`, acme.clerk.headers)), '200')
  })

  t.test('whoever puts the record there has it; asking keeps nobody from it', async (t) => {
    const [acme, rival] = [await house(), await house()]
    const domain = name()
    const [mine, theirs] = [await ask(acme, domain), await ask(rival, domain)]
    t.not(mine.record.value, theirs.record.value)
    t.equal(await outcome(verify(acme, mine, acme.owner.headers)), '409 organization.domain_unproven')
    t.equal(await outcome(verify(acme, mine, acme.owner.headers)), '429 rate.limited', 'every ten seconds')
    clock.advance(10_000)
    dns.txt.set(mine.record.name, [`${mine.record.value}x`, theirs.record.value.toLowerCase()])
    t.equal(await outcome(verify(acme, mine, acme.owner.headers)), '409 organization.domain_unproven')
    clock.advance(10_000)
    dns.failing.add(mine.record.name)
    t.equal(await outcome(verify(acme, mine, acme.owner.headers)), '409 organization.domain_unproven', 'nobody answers')
    dns.failing.delete(mine.record.name)
    clock.advance(10_000)
    // a wildcard alias leads to who has nothing to do with the domain
    dns.cname.set(mine.record.name, 'host.example')
    dns.txt.set('host.example', [mine.record.value])
    t.equal(await outcome(verify(acme, mine, acme.owner.headers)), '409 organization.domain_unproven', 'not behind an alias')
    dns.cname.delete(mine.record.name)
    clock.advance(10_000)
    // among so many that it takes TCP
    dns.txt.set(mine.record.name, [...Array.from({ length: 40 }, (_, n) => `other-service=${n}`), mine.record.value])
    t.match(expectJson<Domain>(await verify(acme, mine, acme.owner.headers), 200), { status: 'verified', expiresAt: null })
    dns.txt.set(theirs.record.name, [mine.record.value, theirs.record.value])
    t.equal(await outcome(verify(rival, theirs, rival.owner.headers)), '409 organization.domain_taken', 'while its record is there it stays')
    for (const { headers } of [acme.clerk, acme.member]) t.equal(await outcome(verify(acme, mine, headers)), '403 access.denied')
    t.same(await audited(acme.id), ['asked', 'verified'])
  })

  t.test('people come in whose address is confirmed and at the very domain, with the roles of its owner', async (t) => {
    const acme = await house()
    const domain = name()
    const reader = await role(acme.id, acme.owner.headers, ['reports:read'])
    const before = await at(`before@${domain}`)
    const made = await proven(acme, domain, { roles: [reader.id] })
    const [ada, unconfirmed, below, other, longer] = [await at(`Ada@${domain.toUpperCase()}`), await at(`bob@${domain}`, false), await at(`eve@mail.${domain}`), await at(`${domain}@elsewhere.example`), await at(`eve@x${domain}`)]
    await takeIn()
    for (const [who, expected] of [[before, true], [ada, true], [unconfirmed, false], [below, false], [other, false], [longer, false]] as const) t.equal(await isIn(acme, who), expected, who.user.email)
    t.match(expectJson(await send('GET', `${acme.path}/members/${ada.user.id}`, ada.headers), 200), { owner: false, roles: [reader.id] })
    t.match(await prisma.organizationMember.findFirst({ where: { userId: ada.user.id } }), { issuedVia: `domain:${made.id}` })
    t.match(await prisma.auditEvent.findFirst({ where: { action: 'organization_member.added', targetId: acme.id }, orderBy: { id: 'desc' } }), { actorType: 'host', details: { domain, owner: false } })
    await prisma.user.update({ where: { id: unconfirmed.user.id }, data: { emailVerifiedAt: new Date(clock.now()) } })
    await takeIn()
    t.ok(await isIn(acme, unconfirmed), 'once it is confirmed')
    t.equal(await prisma.organizationArrival.count(), 0, 'and nothing is left')
    await takeIn()
    await app.jobs.run(QUEUED_WORK)
    t.match(mails.last(before.user.email, /You are in Acme now/).text, domain)
    t.equal(mails.received.filter(({ to }) => to.includes(before.user.email)).length, 1, 'and each is told by mail, once')
    t.same([unconfirmed, below].map(({ user }) => mails.received.filter(({ to }) => to.includes(user.email)).length), [1, 0], 'who is in and nobody else')
    t.equal(await outcome(send('DELETE', `${acme.path}/roles/${reader.id}`, acme.owner.headers)), '409 role.held')
  })

  t.test('an address that was changed, an account that was suspended: nobody comes in by what is no more', async (t) => {
    const acme = await house()
    const domain = name()
    await proven(acme, domain)
    const [moved, suspended, machine] = [await at(`moved-${count}@elsewhere.example`), await at(`suspended@${domain}`, false), await at(`machine@${domain}`, false)]
    await patch(`/users/${suspended.user.id}`, admin, { status: 'suspended' })
    await prisma.user.update({ where: { id: suspended.user.id }, data: { emailVerifiedAt: new Date(clock.now()) } })
    await prisma.user.update({ where: { id: machine.user.id }, data: { emailVerifiedAt: new Date(clock.now()), kind: 'service' } })
    // as if they had been noted before
    for (const { user } of [moved, suspended, machine]) await prisma.organizationArrival.upsert({ where: { userId: user.id }, create: { userId: user.id }, update: {} })
    await takeIn()
    t.same([await isIn(acme, moved), await isIn(acme, suspended), await isIn(acme, machine)], [false, false, false])
    await patch(`/users/${suspended.user.id}`, admin, { status: 'active' })
    await takeIn()
    t.ok(await isIn(acme, suspended), 'whose account is brought back is looked at anew')
  })

  t.test('whoever left, or was taken out, is not taken in again', async (t) => {
    const acme = await house()
    const domain = name()
    const made = await proven(acme, domain)
    const [left, out] = [await at(`left@${domain}`), await at(`out@${domain}`)]
    await takeIn()
    t.equal(await outcome(send('DELETE', `${acme.path}/members/${left.user.id}`, left.headers)), '204')
    t.equal(await outcome(send('DELETE', `${acme.path}/members/${out.user.id}`, acme.owner.headers)), '204')
    for (const { user } of [left, out]) await prisma.user.update({ where: { id: user.id }, data: { emailVerifiedAt: new Date(clock.now() + 1) } })
    await patch(`${acme.path}/domains/${made.id}`, acme.owner.headers, { automatic: false })
    await patch(`${acme.path}/domains/${made.id}`, acme.owner.headers, { automatic: true })
    clock.advance(DAY_MS)
    await app.jobs.run(CHECKING_DOMAINS)
    await takeIn()
    t.same([await isIn(acme, left), await isIn(acme, out)], [false, false])
    // whoever opens another account with the same address is no other
    await send('DELETE', `/users/${out.user.id}`, admin)
    const again = await at(out.user.email)
    await takeIn()
    t.notOk(await isIn(acme, again))
    await send('POST', `${acme.path}/members`, admin, { userId: left.user.id })
    t.ok(await isIn(acme, left), 'but by somebody\'s word')
  })

  t.test('it is switched off, and on for those who are there', async (t) => {
    const acme = await house()
    const domain = name()
    const made = await proven(acme, domain, { automatic: false })
    const ada = await at(`ada@${domain}`)
    await takeIn()
    t.notOk(await isIn(acme, ada))
    t.equal((await send('PATCH', `${acme.path}/domains/${made.id}`, acme.owner.headers, { automatic: true })).statusCode, 428)
    t.equal(await outcome(patch(`${acme.path}/domains/${made.id}`, acme.clerk.headers, { automatic: true })), '403 access.denied')
    t.match(expectJson(await patch(`${acme.path}/domains/${made.id}`, acme.owner.headers, { automatic: true }), 200), { automatic: true })
    await takeIn()
    t.ok(await isIn(acme, ada))
    await patch(`${acme.path}/domains/${made.id}`, acme.owner.headers, { automatic: false })
    const bob = await at(`bob@${domain}`)
    await takeIn()
    t.notOk(await isIn(acme, bob))
    t.equal(await outcome(send('DELETE', `${acme.path}/domains/${made.id}`, acme.owner.headers)), '204')
    t.ok(await isIn(acme, ada), 'whoever came by it stays')
  })

  t.test('roles are those of the organization, within what it may and their giver holds; what is narrowed since is narrowed for who comes', async (t) => {
    const [acme, other] = [await house(), await house()]
    const domain = name()
    t.equal(await outcome(send('POST', `${acme.path}/domains`, acme.owner.headers, { domain, roles: [other.clerks.id] })), '400 role.unknown')
    const keeper = await person(['gatehouse:organizations.write'])
    t.equal(await outcome(send('POST', `${acme.path}/domains`, keeper.headers, { domain, roles: [acme.clerks.id] })), '403 permission.not_held', 'an operator gives what they hold')
    const made = await proven(acme, domain, { roles: [acme.clerks.id] })
    t.equal(await outcome(patch(`${acme.path}/domains/${made.id}`, keeper.headers, { automatic: true })), '403 permission.not_held')
    t.equal(await outcome(patch(`${acme.path}/domains/${made.id}`, keeper.headers, { automatic: false })), '200', 'and switches off what they like')
    await patch(`${acme.path}/domains/${made.id}`, acme.owner.headers, { automatic: true })
    await patch(acme.path, admin, { entitlement: [] })
    const ada = await at(`ada@${domain}`)
    await takeIn()
    const { accessToken } = expectJson<{ accessToken: string }>(await send('POST', '/auth/organization', ada.headers, { organizationId: acme.id }), 200)
    t.same(expectJson<{ permissions: string[] }>(await send('GET', '/me/permissions', as.bearer(accessToken)), 200).permissions.filter((one) => !one.startsWith('gatehouse:')), [])
  })

  t.test('nobody comes in while the record is gone, or nobody answers; a week without it and the domain is lost', async (t) => {
    const acme = await house()
    const domain = name()
    const made = await proven(acme, domain)
    clock.advance(2 * HOUR_MS)
    dns.failing.add(made.record.name)
    const ada = await at(`ada@${domain}`)
    await takeIn()
    t.notOk(await isIn(acme, ada), 'nobody answers')
    dns.failing.delete(made.record.name)
    clock.advance(300_000)
    await takeIn()
    t.ok(await isIn(acme, ada), 'but later')
    clock.advance(2 * HOUR_MS)
    dns.txt.delete(made.record.name)
    const bob = await at(`bob@${domain}`)
    await takeIn()
    t.notOk(await isIn(acme, bob), 'it is gone')
    t.ok((await read(acme, made)).missingSince)
    publish(made)
    clock.advance(HOUR_MS)
    await app.jobs.run(CHECKING_DOMAINS)
    await takeIn()
    t.equal((await read(acme, made)).missingSince, null)
    t.ok(await isIn(acme, bob), 'and there again: those who came meanwhile are not forgotten')
    dns.txt.delete(made.record.name)
    clock.advance(DAY_MS)
    await app.jobs.run(CHECKING_DOMAINS)
    clock.advance(6 * DAY_MS)
    await app.jobs.run(CHECKING_DOMAINS)
    t.match(await read(acme, made), { status: 'verified' })
    clock.advance(DAY_MS)
    await app.jobs.run(CHECKING_DOMAINS)
    const lost = await read(acme, made)
    t.match(lost, { status: 'unproven' })
    t.not(lost.record.value, made.record.value, 'the record of before proves nothing any more')
    t.same(await audited(acme.id), ['asked', 'verified', 'lost'])
    publish(made)
    clock.advance(10_000)
    t.equal(await outcome(verify(acme, lost, acme.owner.headers)), '409 organization.domain_unproven')
    clock.advance(7 * DAY_MS)
    await app.jobs.run(EXPIRY)
    t.equal(await outcome(send('GET', `${acme.path}/domains/${made.id}`, acme.owner.headers)), '404 organization.domain_not_found', 'and forgotten')
  })

  t.test('of a domain that changed hands the new hands have it, once the record of the old is gone', async (t) => {
    const [old, fresh] = [await house(), await house()]
    const domain = name()
    const before = await proven(old, domain)
    const after = await ask(fresh, domain, { automatic: true })
    publish(after)
    dns.failing.add(before.record.name)
    t.equal(await outcome(verify(fresh, after, fresh.owner.headers)), '409 organization.domain_unproven')
    dns.failing.delete(before.record.name)
    clock.advance(10_000)
    t.match(expectJson<Domain>(await verify(fresh, after, fresh.owner.headers), 200), { status: 'verified' })
    t.match(await read(old, before), { status: 'unproven' })
    t.same([await audited(old.id), await audited(fresh.id)], [['asked', 'verified', 'lost'], ['asked', 'verified']])
    const ada = await at(`ada@${domain}`)
    await takeIn()
    t.same([await isIn(old, ada), await isIn(fresh, ada)], [false, true])
  })

  t.test('nobody comes into an organization that is suspended; one that is deleted leaves its domains to others', async (t) => {
    const [acme, next] = [await house(), await house()]
    const domain = name()
    const made = await proven(acme, domain)
    await patch(acme.path, admin, { status: 'suspended' })
    const ada = await at(`ada@${domain}`)
    await takeIn()
    t.notOk(await isIn(acme, ada))
    t.equal(await outcome(patch(`${acme.path}/domains/${made.id}`, acme.owner.headers, { automatic: false })), '403 access.denied')
    await patch(acme.path, admin, { status: 'active' })
    clock.advance(DAY_MS)
    await app.jobs.run(CHECKING_DOMAINS)
    await takeIn()
    t.ok(await isIn(acme, ada), 'whoever came meanwhile is found by the next look')
    t.equal(await outcome(send('DELETE', acme.path, acme.owner.headers)), '204')
    t.match(await proven(next, domain), { status: 'verified' })
    t.equal(await prisma.organizationDeparture.count({ where: { organizationId: acme.id } }), 0)
  })

  t.test('an organization asks for twenty, and what is not proven in a week is forgotten', async (t) => {
    const acme = await house()
    for (let n = 0; n < 20; n += 1) await ask(acme, name())
    t.equal(await outcome(send('POST', `${acme.path}/domains`, acme.owner.headers, { domain: name() })), '409 organization.domains_full')
    clock.advance(7 * DAY_MS)
    await app.jobs.run(EXPIRY)
    t.same(expectJson<{ data: object[] }>(await send('GET', `${acme.path}/domains`, acme.owner.headers), 200).data, [])
  })

  t.test('a link in the mail lets in: whoever signs up and proves their address, whoever gets one at the domain', async (t) => {
    const acme = await house()
    const domain = name()
    await proven(acme, domain)
    const opened = await as.signUp(`new@${domain}`)
    await takeIn()
    t.equal(await prisma.organizationMember.count({ where: { userId: opened.user.id } }), 0, 'whoever only says an address gets nothing')
    const follow = async (email: string, subject: RegExp, what: string): Promise<string> => {
      await app.jobs.run(QUEUED_WORK)
      const token = /\/ui\/confirm-address\?token=(gl_[\w-]{43})/.exec(mails.last(email, subject).text)?.[1] ?? ''
      return outcome(send('POST', `/auth/email/${what}`, {}, { token }))
    }
    expectJson(await send('POST', '/me/email/verify', opened.headers), 202)
    t.equal(await follow(opened.user.email, /Confirm your address/, 'verify'), '204')
    const moved = await as.signUp(`moved@elsewhere.example`)
    expectJson(await send('POST', '/me/email', moved.headers, { email: `moved@${domain}` }), 202)
    await takeIn()
    t.equal(await prisma.organizationMember.count({ where: { userId: moved.user.id } }), 0, 'asking for an address is not having it')
    t.equal(await follow(`moved@${domain}`, /Confirm your new address/, 'change'), '204')
    await takeIn()
    t.equal(await prisma.organizationMember.count({ where: { organizationId: acme.id, userId: { in: [opened.user.id, moved.user.id] } } }), 2)
  })
})
