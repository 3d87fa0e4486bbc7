// The authority table of docs/security.md, cell by cell: each is tried anew on a key that was sold, and the page must say what came of it.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { createActors } from '../support/actors.js'
import { expectJson, startApp } from '../support/app.js'
import { ROOT } from '../support/sources.js'

const ACTS = ['grant', 'change', 'rotate', 'revoke', 'read', 'suspend', 'role', 'limit', 'metadata'] as const
type Act = (typeof ACTS)[number]

/** The rows of the page's table: who -> what comes of each act. */
function tableOf(page: string): Map<string, string[]> {
  const lines = page.split('\n').filter((line) => line.startsWith('|'))
  const head = lines.findIndex((line) => ACTS.every((act) => line.includes(` ${act} `)))
  const rows = new Map<string, string[]>()
  for (const line of lines.slice(head + 2)) {
    const [who = '', ...cells] = line.split('|').slice(1, -1).map((cell) => cell.trim().replaceAll('`', ''))
    if (cells.length !== ACTS.length) break
    rows.set(who, cells)
  }
  return rows
}

t.test('the authority table', async (t) => {
  const { app, as, database } = await startApp(t)
  const { send, patch, outcome, person, machine, issue, role } = await createActors(app, as)
  const admin = await as.admin()
  const reports = await role(['reports:read'])
  const clerk = await machine(['gatehouse:keys.write', 'gatehouse:keys.read', 'reports:*'])
  const member = await person(['reports:*'])
  let owners = 0

  async function attempt(act: Act, headers: Record<string, string>, owner: { id: string }, keyId: string): Promise<string> {
    if (act === 'grant') return outcome(send('POST', '/keys', headers, { name: 'k', ownerUserId: owner.id, permissions: ['reports:read'] }))
    if (act === 'rotate') return outcome(send('POST', `/keys/${keyId}/rotate`, headers, { graceSeconds: 0 }))
    if (act === 'revoke') return outcome(send('DELETE', `/keys/${keyId}`, headers))
    if (act === 'read') return outcome(send('GET', `/keys/${keyId}`, headers))
    if (act === 'suspend') return outcome(patch(`/users/${owner.id}`, headers, { status: 'suspended' }))
    if (act === 'role') return outcome(patch(`/users/${owner.id}`, headers, { roles: [reports] }))
    const body = { change: { permissions: ['reports:read', 'reports:write'] }, limit: { limits: [{ name: 'calls', quota: 9, windowSeconds: 60 }] }, metadata: { metadata: { plan: 'all' } } }
    return outcome(patch(`/keys/${keyId}`, headers, body[act]))
  }

  /** What comes of each act of one who is made anew for it, on a key that was sold anew. */
  async function row(actor: (owner: { headers: Record<string, string> }) => Promise<Record<string, string>>, signsIn: boolean): Promise<string[]> {
    const cells: string[] = []
    for (const act of ACTS) {
      // an owner who does not act needs no password, and so no hash
      const owner = signsIn ? await person([]) : { ...expectJson<{ id: string }>(await send('POST', '/users', admin, { email: `owner-${(owners += 1)}@example.com` }), 201), headers: {} }
      const { id } = await issue(admin, { ownerUserId: owner.id, permissions: ['reports:read'] })
      cells.push(await attempt(act, await actor(owner), owner, id))
    }
    return cells
  }

  async function demoted(): Promise<Record<string, string>> {
    const d = await person([])
    await patch(`/users/${d.id}`, admin, { roles: ['admin'] })
    await send('GET', '/whoami', d.headers)
    // as another node would do it, with a word of it that has come here by now
    await database.prisma.userRole.deleteMany({ where: { userId: d.id } })
    await app.revocations.restore()
    return d.headers
  }

  const page = tableOf(readFileSync(join(ROOT, 'docs/security.md'), 'utf8'))
  const actors: [string, Parameters<typeof row>[0]][] = [
    ['stranger', async () => ({})], ['member', async () => member.headers], ['owner of the key', async (owner) => owner.headers],
    ['key with keys.write', async () => clerk.headers], ['demoted administrator', demoted], ['administrator', async () => admin],
  ]
  t.same([...page.keys()], actors.map(([who]) => who), 'the page has these rows')
  for (const [who, actor] of actors) t.same(await row(actor, who === 'owner of the key'), page.get(who), who)
})
