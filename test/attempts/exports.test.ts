// A list that is being taken away whole ends when whoever takes it may not read it any more, by whatever that comes about: it breaks off, and no row that is others' comes after it. And
// nobody takes what is others' without a row of the log.
import { once } from 'node:events'
import type { Readable } from 'node:stream'
import t from 'tap'
import { createActors } from '../support/actors.js'
import { expectJson, startApp } from '../support/app.js'
import { createCustomers } from '../support/organizations.js'

type Headers = Record<string, string>

const KEYS = 4_000
const ROWS = 20_000

t.test('lists that are taken whole', async (t) => {
  const { app, as, database } = await startApp(t, { config: { accessTokenSeconds: 86_400 } })
  const { send, patch, person } = await createActors(app, as)
  const admin = await as.admin()
  const { house, someone, add, role } = createCustomers(app, admin)
  const acme = await house()
  const seed = (column: 'owner_user_id' | 'organization_id', id: string): Promise<unknown> => database.pool.query(`
    INSERT INTO api_keys (id, ${column}, name, start, key_hash, permissions, limit_group_id, created_at, updated_at, kind, issued_via, issued_at)
    SELECT gen_random_uuid(), $1, 'many', 'gk_', sha256(('${column}' || n)::bytea), '{}', gen_random_uuid(), '2020-01-01', '2020-01-01', 'standing', 'host', now() FROM generate_series(1, ${KEYS}) n`, [id])
  await seed('owner_user_id', (await person([])).id)
  await seed('organization_id', acme.id)
  await database.pool.query(`
    INSERT INTO usage_counts SELECT 'minute', gen_random_uuid(), '2030-06-01'::timestamptz + n * interval '1 minute', CASE WHEN n % 2 = 0 THEN $1::uuid ELSE gen_random_uuid() END, n, 0, 0, 0, 0, 0, n FROM generate_series(1, ${2 * ROWS}) n`, [acme.id])

  /** Begins to take a list, does something in the middle of it, and takes the rest: how many rows came, and whether that looks like all of them. */
  async function taken(path: string, headers: Headers, meanwhile: () => Promise<unknown>): Promise<{ rows: number; isWhole: boolean }> {
    const answer = await app.inject({ url: `/api/v1${path}`, headers, payloadAsStream: true })
    if (answer.statusCode !== 200) throw new Error(answer.body)
    const body: Readable = answer.stream()
    await once(body, 'readable')
    await meanwhile()
    let text = ''
    try {
      for await (const chunk of body) text += String(chunk)
    } catch {
      return { rows: text.split('\n').length - 1, isWhole: false }
    }
    return { rows: text.split('\n').length - 1, isWhole: true }
  }
  const without = ({ id }: { id: string }) => async (): Promise<unknown> => expectJson(await patch(`/users/${id}`, admin, { roles: [] }), 200)
  const nothing = async (): Promise<void> => undefined
  const noted = (actorId: string): Promise<number> => database.prisma.auditEvent.count({ where: { actorId, action: { endsWith: '.exported' } } })

  for (const right of ['gatehouse:keys.read', 'gatehouse:keys.write', 'gatehouse:brake']) {
    t.test(`keys: who lost ${right} meanwhile gets no more, and is in the log`, async (t) => {
      const reader = await person([right])
      t.match(await taken('/keys/export', reader.headers, nothing), { isWhole: true, rows: 2 * KEYS })
      t.equal(await noted(reader.id), 1)
      const { rows, isWhole } = await taken('/keys/export', reader.headers, without(reader))
      t.notOk(isWhole)
      t.ok(rows < KEYS, `${rows} rows`)
    })
  }

  t.test('keys of an organization: who was taken out of it, or lost the right, gets no more, and is in the log', async (t) => {
    const readers = await role(acme.id, acme.owner.headers, [], ['keys.read'])
    for (const lose of ['member', 'role', 'suspended'] as const) {
      const reader = await someone()
      await add(acme.id, reader, { roles: [readers.id] })
      const path = `/keys/export?organizationId=${acme.id}`
      t.match(await taken(path, reader.headers, nothing), { isWhole: true, rows: KEYS })
      t.equal(await noted(reader.user.id), 1)
      const end = { member: () => send('DELETE', `${acme.path}/members/${reader.user.id}`, admin), role: () => patch(`${acme.path}/members/${reader.user.id}`, admin, { roles: [] }), suspended: () => patch(acme.path, admin, { status: 'suspended' }) }
      const { rows, isWhole } = await taken(path, reader.headers, async () => t.ok((await end[lose]()).statusCode < 300, lose))
      t.notOk(isWhole, lose)
      t.ok(rows < KEYS, `${rows} rows`)
    }
    expectJson(await patch(acme.path, admin, { status: 'active' }), 200)
  })

  for (const format of ['ndjson', 'csv']) {
    t.test(`usage, as ${format}: who lost the right to it, was signed out or left the organization gets no more`, async (t) => {
      const path = `/usage/export?granularity=minute&format=${format}`
      const reader = await person(['gatehouse:usage.read'])
      t.ok((await taken(path, reader.headers, nothing)).rows >= 2 * ROWS)
      const demoted = await taken(path, reader.headers, without(reader))
      t.notOk(demoted.isWhole)
      t.ok(demoted.rows < ROWS, `${demoted.rows} rows`)

      const other = await person(['gatehouse:usage.read'])
      const suspended = await taken(path, other.headers, () => patch(`/users/${other.id}`, admin, { status: 'suspended' }))
      t.notOk(suspended.isWhole)

      const readers = await role(acme.id, acme.owner.headers, [], ['usage.read'])
      const member = await person([])
      expectJson(await send('POST', `${acme.path}/members`, admin, { userId: member.id, roles: [readers.id] }), 201)
      t.ok((await taken(`${path}&ownerId=${acme.id}`, member.headers, nothing)).isWhole)
      const left = await taken(`${path}&ownerId=${acme.id}`, member.headers, () => send('DELETE', `${acme.path}/members/${member.id}`, admin))
      t.notOk(left.isWhole)
      t.ok(left.rows < ROWS / 2, `${left.rows} rows`)
    })
  }

  t.test('one\'s own list is taken without a word, and to its end', async (t) => {
    const own = await person([])
    for (const path of ['/keys/export', '/usage/export']) t.match(await send('GET', path, own.headers), { statusCode: 200, body: '' })
    t.equal(await noted(own.id), 0)
  })
})
