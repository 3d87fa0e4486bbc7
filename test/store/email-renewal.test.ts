// Accounts from before e-mails had one spelling: each is given it where it is free, and two that turn out to be one address are told of,
// never merged.
import t from 'tap'
import { createAccountStore } from '../../src/accounts/account-store.js'
import { createEmailRenewal } from '../../src/accounts/email-renewal-service.js'
import { createAuditStore } from '../../src/audit/audit-store.js'
import { createCursors } from '../../src/kernel/page.js'
import { createSecrets } from '../../src/kernel/secrets.js'
import { PASSWORD, SECRET, startApp } from '../support/app.js'
import { fakeClock } from '../support/clock.js'
import { createTestDatabase } from '../support/database.js'

t.test('odd spellings are renewed where they are free; duplicates are reported and stay two accounts', async (t) => {
  const { app, as, database } = await startApp(t)
  const logIn = async (email: string): Promise<string> => {
    const response = await app.inject({ method: 'POST', url: '/api/v1/auth/login', payload: { email, password: PASSWORD } })
    return response.statusCode === 200 ? response.json<{ user: { id: string } }>().user.id : String(response.statusCode)
  }
  /** An account as it was kept before. */
  const former = async (email: string): Promise<string> => {
    const { user } = await as.signUp()
    await database.pool.query('UPDATE users SET email = $2 WHERE id = $1', [user.id, email])
    return user.id
  }
  const emailOf = async (id: string) => (await database.prisma.user.findUniqueOrThrow({ where: { id } })).email
  const free = await former('ada@b\u00fccher.example')
  const dotted = await former('dot@plain.example.')
  const odd = await former('bob@b\u00fccher.example')
  const plain = (await as.signUp('bob@xn--bcher-kva.example')).user.id
  const twins = [await former('eve@stra\u00dfe.example'), await former('eve@stra\u00dfe.example.')].toSorted()
  const hopeless = await former('a\u200db@example.com') // no address any more: nothing to give it
  const untouched = await database.prisma.user.count()

  const report = await app.emailRenewal.run()
  t.match(report, { renewed: 3, duplicates: 2 }, 'the two that were free, and one of the twins')
  t.same(report.ids.length, 2)
  t.ok(report.ids.includes(odd))
  t.equal(report.ids.filter((id) => twins.includes(id)).length, 1)
  t.equal(await database.prisma.user.count(), untouched, 'no account is gone')
  t.same([await emailOf(free), await emailOf(dotted)], ['ada@xn--bcher-kva.example', 'dot@plain.example'])
  t.same([await emailOf(odd), await emailOf(plain)], ['bob@b\u00fccher.example', 'bob@xn--bcher-kva.example'], 'each of the two keeps its own')
  t.equal(await emailOf(hopeless), 'a\u200db@example.com')
  t.same([await logIn('ada@B\u00dcCHER.example'), await logIn('ada@xn--bcher-kva.example')], [free, free])
  t.same([await logIn('bob@b\u00fccher.example'), await logIn('bob@xn--bcher-kva.example')], [odd, plain], 'and each signs in as itself')
  const rows = await database.prisma.auditEvent.findMany({ where: { action: 'user.updated' }, select: { targetId: true, details: true } })
  const renewedTwin = twins.find((id) => !report.ids.includes(id)) ?? ''
  t.same(rows.map(({ targetId }) => targetId).toSorted(), [free, dotted, renewedTwin].toSorted(), 'what was changed is in the audit log, and nothing else')
  t.match(await app.emailRenewal.run(), { renewed: 0, duplicates: 2, ids: report.ids.toSorted() }, 'the next start tells of the same two')
})

t.test('thousands are gone through, two nodes at once: each account is renewed once', async (t) => {
  const { pool, prisma, transact } = await createTestDatabase(t)
  const cursors = createCursors(createSecrets(SECRET))
  const clock = fakeClock()
  const node = () => createEmailRenewal({ store: createAccountStore({ prisma, pool, cursors }), audit: createAuditStore({ pool, cursors, clock }), transact, clock })
  for (const [domain, count] of [['b\u00fccher.example', 1_200], ['xn--bcher-kva.example', 30]]) {
    await pool.query("INSERT INTO users (id, email, created_at, updated_at) SELECT gen_random_uuid(), 'n' || n || '@' || $1, now(), now() FROM generate_series(1, $2::int) n", [domain, count])
  }
  const [one, two] = await Promise.all([node().run(), node().run()])
  t.equal(one.renewed + two.renewed, 1_170)
  t.same([one.duplicates, two.duplicates], [30, 30], 'both tell of all')
  t.equal(one.ids.length, 20, 'and name the first of them')
  t.equal(await prisma.user.count(), 1_230)
  t.equal(await prisma.auditEvent.count({ where: { action: 'user.updated' } }), 1_170)
})
