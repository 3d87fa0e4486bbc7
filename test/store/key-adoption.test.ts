// Keys of a version that did not say whether they were sold: judged once, by who issued them; never dark before that, never wider after.
import { randomUUID } from 'node:crypto'
import { Readable } from 'node:stream'
import t from 'tap'
import { sha256 } from '../../src/kernel/secrets.js'
import { formatKey } from '../../src/keys/key-format.js'
import { adoptKeys } from '../../src/keys/key-adoption.js'
import { runAdmin } from '../../src/admin/main.js'
import { expectJson, SECRET, startApp } from '../support/app.js'

t.test('keys of an older version', async (t) => {
  const { app, as, database: { pool, url, prisma }, clock } = await startApp(t)
  const admin = await as.admin()
  const { user: { id: adminId } } = await as.adminUser()
  const owner = await as.signUp()

  /** As the version before wrote it: without a kind, an issuer or a time of issue. */
  async function legacy(issuer: string | null, permissions: string[], rotatedFrom?: string): Promise<{ id: string; key: string }> {
    const { key, start } = formatKey('gk')
    const id = randomUUID()
    const at = new Date(clock.now())
    await pool.query('INSERT INTO api_keys (id, owner_user_id, name, start, key_hash, permissions, limit_group_id, created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8)',
      [id, owner.user.id, 'old', start, sha256(key), permissions, rotatedFrom ?? id, at])
    if (issuer !== null) {
      await pool.query(`INSERT INTO audit_events (id, at, actor_type, actor_id, credential, action, target_type, target_id, address, request_id)
        VALUES ($1, $2, 'user', $3, $4, 'key.issued', 'key', $5, '', '')`, [randomUUID(), at, issuer, `token:${randomUUID()}`, id])
    }
    return { id, key }
  }
  const ask = async (key: string) => expectJson<{ code: string }>(await app.inject({ method: 'POST', url: '/api/v1/keys/verify', headers: admin, payload: { key, permissions: ['a:b'] } }), 200).code
  const read = async (id: string) => expectJson<{ kind: string; issuedBy: string | null; dormant: string[] }>(await app.inject({ url: `/api/v1/keys/${id}`, headers: admin }), 200)

  t.test('what somebody else issued stands; one\'s own, and what nobody is named for, is bound; all of it told', async (t) => {
    const sold = await legacy(adminId, ['a:b'])
    const successor = await legacy(null, ['a:b'], sold.id)
    const own = await legacy(owner.user.id, ['a:b'])
    const unknown = await legacy(null, [])
    t.same(await Promise.all([sold, successor, own].map(({ key }) => ask(key))), ['valid', 'valid', 'valid'], 'not judged yet: as it was')
    const told: string[] = []
    t.same(await adoptKeys(pool, (line) => told.push(line)), { standing: 2, bound: 2, dark: 1 })
    t.match(told, [/^Judging 4 keys/, /2 standing, 2 bound, of which 1 carry/])
    await app.revocations.restore()
    t.same(await Promise.all([sold, successor, own].map(({ key }) => ask(key))), ['valid', 'valid', 'forbidden'])
    t.match(await read(sold.id), { kind: 'standing', issuedBy: adminId })
    t.match(await read(successor.id), { kind: 'standing', issuedBy: adminId })
    t.match(await read(own.id), { kind: 'bound', dormant: ['a:b'] })
    t.match(await read(unknown.id), { kind: 'bound', issuedBy: null })
    t.same(await adoptKeys(pool, () => t.fail('nothing is left to tell of')), { standing: 0, bound: 0, dark: 0 })
    const said: string[] = []
    const admin = (...args: string[]) => runAdmin(args, { DATABASE_URL: url, GATEHOUSE_SECRET: SECRET }, { out: (text) => said.push(text), err: (text) => said.push(text), input: Readable.from([]) })
    t.equal(await admin('keys', 'dark'), 0)
    t.match(said, [`${own.id}\t${owner.user.id}\ta:b\t"old"`, '1 keys.'])
    t.equal(await admin('keys', 'adopt', own.id, sold.id), 0)
    t.match(said.at(-1), '1 of 2 keys stand now')
    t.equal(await admin('keys', 'adopt', 'x'), 1)
    t.equal(await prisma.auditEvent.count({ where: { action: 'key.adopted', actorType: 'host', targetId: own.id } }), 1)
    await app.revocations.restore()
    t.equal(await ask(own.key), 'valid')
  })
})
