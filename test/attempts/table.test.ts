// The authority table of docs/security.md, cell by cell: each is tried anew on a key that was sold, and the page must say what came of it.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { createActors } from '../support/actors.js'
import { expectJson, startApp } from '../support/app.js'
import { createCustomers, type House } from '../support/organizations.js'
import { ROOT } from '../support/sources.js'

const ACTS = ['grant', 'change', 'rotate', 'revoke', 'read', 'suspend', 'role', 'limit', 'metadata'] as const
type Act = (typeof ACTS)[number]
const IN_ORGANIZATIONS = ['issue', 'widen', 'turn', 'end', 'look', 'invite', 'make a role', 'entitle', 'stop', 'act in it', 'ask for a domain', 'make a client', 'send its events', 'read its log', 'read its usage', 'delete it'] as const
// the tables after it are about what ends what
const [PAGE = ''] = readFileSync(join(ROOT, 'docs/security.md'), 'utf8').split('## What ends what')

/** The rows of the page's table with these acts: who -> what comes of each. */
function tableOf(page: string, acts: readonly string[]): Map<string, string[]> {
  const lines = page.split('\n').filter((line) => line.startsWith('|'))
  const head = lines.findIndex((line) => acts.every((act) => line.includes(` ${act} `)))
  const rows = new Map<string, string[]>()
  for (const line of lines.slice(head + 2)) {
    const [who = '', ...cells] = line.split('|').slice(1, -1).map((cell) => cell.trim().replaceAll('`', ''))
    if (cells.length !== acts.length) break
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
  async function row(actor: (owner: { id: string; headers: Record<string, string> }) => Promise<Record<string, string>>, signsIn: boolean): Promise<string[]> {
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

  /** Of one organization that has the key's owner, sold to them as to any person, as a member: whoever runs it has no hand in what is theirs. */
  const { house, someone, add } = createCustomers(app, admin)
  const acme = await house(['reports:*'], ['members.write', 'keys.write'])
  const beside = async (owner: { id: string }, who: Record<string, string>): Promise<Record<string, string>> => {
    expectJson(await send('POST', `${acme.path}/members`, admin, { userId: owner.id }), 201)
    return who
  }
  const former = await someone()
  await add(acme.id, former, { owner: true })
  await send('DELETE', `${acme.path}/members/${former.user.id}`, acme.owner.headers)

  const page = tableOf(PAGE, ACTS)
  const actors: [string, Parameters<typeof row>[0]][] = [
    ['stranger', async () => ({})], ['member', async () => member.headers], ['owner of the key', async (owner) => owner.headers],
    ['key with keys.write', async () => clerk.headers], ['organization owner', async (owner) => beside(owner, acme.owner.headers)], ['organization member', async (owner) => beside(owner, acme.member.headers)], ['former member', async (owner) => beside(owner, former.headers)],
    ['demoted administrator', demoted], ['administrator', async () => admin],
  ]
  t.same([...page.keys()], actors.map(([who]) => who), 'the page has these rows')
  for (const [who, actor] of actors) t.same(await row(actor, who === 'owner of the key'), page.get(who), who)
})

t.test('the authority table of organizations', async (t) => {
  const { app, as } = await startApp(t)
  const { send, patch, outcome, issue } = await createActors(app, as)
  const admin = await as.admin()
  const { house, someone, add } = createCustomers(app, admin)

  async function attempt(act: (typeof IN_ORGANIZATIONS)[number], headers: Record<string, string>, { id, path }: House): Promise<string> {
    const { id: keyId } = await issue(admin, { organizationId: id, permissions: ['reports:read'] })
    if (act === 'issue') return outcome(send('POST', '/keys', headers, { name: 'k', organizationId: id, permissions: ['reports:read'] }))
    if (act === 'widen') return outcome(patch(`/keys/${keyId}`, headers, { permissions: ['reports:read', 'reports:write'] }))
    if (act === 'turn') return outcome(send('POST', `/keys/${keyId}/rotate`, headers, { graceSeconds: 0 }))
    if (act === 'end') return outcome(send('DELETE', `/keys/${keyId}`, headers))
    if (act === 'look') return outcome(send('GET', path, headers))
    if (act === 'invite') return outcome(send('POST', `${path}/invitations`, headers, { email: 'guest@example.com' }))
    if (act === 'make a role') return outcome(send('POST', `${path}/roles`, headers, { name: 'another', permissions: ['reports:read'] }))
    if (act === 'act in it') return outcome(send('POST', '/auth/organization', headers, { organizationId: id }))
    if (act === 'ask for a domain') return outcome(send('POST', `${path}/domains`, headers, { domain: 'acme.example', automatic: true }))
    if (act === 'make a client') return outcome(send('POST', `${path}/clients`, headers, { kind: 'web', name: 'An app', redirectUris: ['https://app.example/cb'] }))
    if (act === 'send its events') return outcome(send('POST', `${path}/webhooks`, headers, { url: 'https://hooks.example/acme' }))
    if (act === 'read its log') return outcome(send('GET', `${path}/audit`, headers))
    if (act === 'read its usage') return outcome(send('GET', `/usage?ownerId=${id}`, headers))
    if (act === 'delete it') return outcome(send('DELETE', path, headers))
    return outcome(patch(path, headers, act === 'entitle' ? { entitlement: ['reports:*', 'billing:*'] } : { status: 'suspended' }))
  }

  async function formerMember({ id, path, owner }: House): Promise<Record<string, string>> {
    const former = await someone()
    await add(id, former, { owner: true })
    await send('GET', path, former.headers)
    await send('DELETE', `${path}/members/${former.user.id}`, owner.headers)
    return former.headers
  }

  const page = tableOf(PAGE, IN_ORGANIZATIONS)
  const actors: [string, (of: House) => Promise<Record<string, string>>][] = [
    ['stranger', async () => ({})], ['organization owner', async ({ owner }) => owner.headers], ['organization member', async ({ member }) => member.headers], ['member with keys.write', async ({ clerk }) => clerk.headers],
    ['former member', formerMember], ['owner of another organization', async () => (await house()).owner.headers], ['administrator', async () => admin],
  ]
  t.same([...page.keys()], actors.map(([who]) => who), 'the page has these rows')
  for (const [who, actor] of actors) {
    const cells: string[] = []
    for (const act of IN_ORGANIZATIONS) {
      const of = await house(['reports:*'], ['keys.write'])
      if (act === 'make a client' || act === 'send its events') await patch(of.path, admin, { clientsMax: 1, webhooksMax: 1 })
      cells.push(await attempt(act, await actor(of), of))
    }
    t.same(cells, page.get(who), `${who} ${cells.map((cell) => `| \`${cell}\` `).join('')}`)
  }
})
