// /organizations/:id/audit and /events/list: what has happened in an organization, for who may see it there; of what is another's nothing, not even how much there is.
import t from 'tap'
import { createActors } from '../support/actors.js'
import { expectJson, startApp } from '../support/app.js'
import { createCustomers, type House } from '../support/organizations.js'

interface Row { id: string; action: string; actorId: string; address: string | null; targetId: string; details: Record<string, unknown> }
interface Told { data: { id: string; type: string; subject: { id: string } }[]; next: string; more: boolean }
type Headers = Record<string, string>

t.test('the log of an organization', async (t) => {
  const { app, as, database } = await startApp(t, { config: { accessTokenSeconds: 8_640_000 } })
  const { send, patch, outcome, person } = await createActors(app, as)
  const admin = await as.admin()
  const { house, someone, role } = createCustomers(app, admin)
  const rows = async ({ path, owner }: House, query = '', headers: Headers = owner.headers): Promise<Row[]> => expectJson<{ data: Row[] }>(await send('GET', `${path}/audit?limit=200${query}`, headers), 200).data
  const told = async ({ path, owner }: House, query = ''): Promise<Told> => expectJson<Told>(await send('GET', `${path}/events/list?limit=200${query}`, owner.headers), 200)
  const [acme, rival] = [await house(['reports:*'], ['keys.write', 'members.write']), await house(['reports:*'], ['keys.write'])]
  const work = async ({ id, path, owner, clerk }: House): Promise<void> => {
    const { id: keyId } = expectJson<{ id: string }>(await send('POST', '/keys', clerk.headers, { name: 'k', organizationId: id, permissions: ['reports:read'] }), 201)
    await patch(`/keys/${keyId}`, owner.headers, { name: 'renamed' })
    await send('DELETE', `/keys/${keyId}`, admin)
    await patch(path, admin, { clientsMax: 1 })
    const { id: clientId } = expectJson<{ id: string }>(await send('POST', `${path}/clients`, owner.headers, { kind: 'web', name: 'An app', redirectUris: ['https://app.example/cb'] }), 201)
    await send('DELETE', `${path}/clients/${clientId}`, owner.headers)
    await patch(path, clerk.headers, { name: 'not mine' })
  }
  for (const of of [acme, rival]) await work(of)
  const EXPECTED = ['organization.created', 'organization_role.created', 'organization_member.added', 'organization_member.added', 'key.issued', 'key.updated', 'key.revoked', 'organization.updated', 'client.created', 'client.deleted']

  t.test('its owners see what was done in it, by whomever, and nothing of another\'s', async (t) => {
    const seen = await rows(acme, '&sort=at')
    t.same(seen.map(({ action }) => action), EXPECTED, 'no refusals, which its own people could fill it with')
    const others = [rival.id, rival.owner.user.id, rival.clerk.user.id, rival.member.user.id]
    t.notOk(others.some((id) => JSON.stringify(seen).includes(id)))
    const by = (action: string): Row | undefined => seen.find((row) => row.action === action)
    t.match(by('key.issued'), { actorId: acme.clerk.user.id, address: '127.0.0.1' })
    t.match(by('key.revoked'), { address: null }, 'where an operator acted from is not the organization\'s to know')
    t.same((await rows(acme, '&action=key.updated')).map(({ action }) => action), ['key.updated'])
    t.notMatch(JSON.stringify(seen), /credential/)
    const page = expectJson<{ data: Row[]; page: { nextCursor: string } }>(await send('GET', `${acme.path}/audit?limit=4&sort=at`, acme.owner.headers), 200)
    const rest = expectJson<{ data: Row[] }>(await send('GET', `${acme.path}/audit?limit=200&sort=at&cursor=${encodeURIComponent(page.page.nextCursor)}`, acme.owner.headers), 200)
    t.same([...page.data, ...rest.data].map(({ id }) => id), seen.map(({ id }) => id))
    t.equal(await outcome(send('GET', `${rival.path}/audit?limit=4&sort=at&cursor=${encodeURIComponent(page.page.nextCursor)}`, rival.owner.headers)), '400 cursor.invalid', 'a place in one is none in another')
  })

  t.test('for who has the right in it, and who reads the whole log', async (t) => {
    const auditors = await role(acme.id, acme.owner.headers, [], ['audit.read'])
    const [auditor, former, reader] = [await someone(), await someone(), await person(['gatehouse:audit.read', 'gatehouse:organizations.read'])]
    const onlyOrganizations = await person(['gatehouse:organizations.read'])
    for (const { user } of [auditor, former]) expectJson(await send('POST', `${acme.path}/members`, admin, { userId: user.id, roles: [auditors.id] }), 201)
    await send('DELETE', `${acme.path}/members/${former.user.id}`, acme.owner.headers)
    const cases: [Headers, string][] = [
      [acme.owner.headers, '200'], [auditor.headers, '200'], [reader.headers, '200'], [admin, '200'], [acme.clerk.headers, '403 access.denied'], [acme.member.headers, '403 access.denied'], [onlyOrganizations.headers, '403 access.denied'],
      [former.headers, '404 organization.not_found'], [rival.owner.headers, '404 organization.not_found'], [(await someone()).headers, '404 organization.not_found'],
    ]
    for (const [headers, expected] of cases) for (const what of ['audit', 'events/list']) t.equal(await outcome(send('GET', `${acme.path}/${what}`, headers)), expected, `${what} ${expected}`)
    await patch(acme.path, admin, { status: 'suspended' })
    t.equal(await outcome(send('GET', `${acme.path}/audit`, acme.owner.headers)), '403 access.denied', 'nobody does anything in one that is suspended')
    await patch(acme.path, admin, { status: 'active' })
  })

  t.test('its events are gone on with, and a place says nothing of how much happens elsewhere', async (t) => {
    const first = await told(rival)
    t.same(first.data.map(({ type }) => type), EXPECTED)
    t.same(new Set(first.data.map(({ id }) => id)), new Set((await rows(rival)).map(({ id }) => id)), 'the same ids as in the log')
    t.notMatch(Buffer.from(first.next, 'base64url').toString('latin1'), /\d{2,}-[0-9a-f]{12}/)
    await patch(acme.path, acme.owner.headers, { name: 'Elsewhere' })
    const nothing = await told(rival, `&after=${first.next}`)
    t.same([nothing.data, nothing.more], [[], false])
    await patch(rival.path, rival.owner.headers, { name: 'Here' })
    t.same((await told(rival, `&after=${nothing.next}`)).data.map(({ type }) => type), ['organization.updated'])
    t.same((await told(rival, `&types=key.*`)).data.map(({ type }) => type), ['key.issued', 'key.updated', 'key.revoked'])
    t.equal(await outcome(send('GET', `${acme.path}/events/list?after=${first.next}`, acme.owner.headers)), '400 cursor.invalid', 'a place in one is none in another')
    for (const after of ['0', 'x', '5-0d9a3c0b6f33']) t.equal(await outcome(send('GET', `${rival.path}/events/list?after=${after}`, rival.owner.headers)), '400 cursor.invalid', after)
    t.equal(await outcome(send('GET', `${rival.path}/events/list?types=nothing.there`, rival.owner.headers)), '400 request.invalid')
  })

  t.test('it goes with the organization; the operator\'s log stays', async (t) => {
    const gone = await house()
    await send('DELETE', gone.path, gone.owner.headers)
    t.equal(await database.prisma.organizationAudit.count({ where: { organizationId: gone.id } }), 0)
    t.same((await database.prisma.auditEvent.findMany({ where: { targetId: gone.id, action: { in: ['organization.created', 'organization.deleted'] } } })).length, 2)
  })
})
