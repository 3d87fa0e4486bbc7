// Both sides at once: what may happen once happens once, and what is taken away stays away.
import type { LightMyRequestResponse } from 'fastify'
import t from 'tap'
import { expectJson, startApp } from '../support/app.js'

const tally = (answers: LightMyRequestResponse[]): Record<string, number> => {
  const counts: Record<string, number> = {}
  for (const { statusCode } of answers) counts[statusCode] = (counts[statusCode] ?? 0) + 1
  return counts
}

const times = async (count: number, work: (n: number) => Promise<LightMyRequestResponse>) => Promise.all(Array.from({ length: count }, async (_, n) => work(n)))

t.test('races over keys', async (t) => {
  const { app, as, database } = await startApp(t)
  const { prisma } = database
  const owner = await as.signUp()
  const { headers } = owner
  const post = async (body: object, by = headers) => app.inject({ method: 'POST', url: '/api/v1/keys', headers: by, payload: { name: 'k', ...body } })
  const patch = async (id: string, ifMatch: string, payload: object, by = headers) =>
    app.inject({ method: 'PATCH', url: `/api/v1/keys/${id}`, headers: { ...by, 'if-match': ifMatch }, payload })
  const issue = async (body: object = {}, by = headers) => expectJson<{ id: string; key: string }>(await post(body, by), 201)
  const rows = async (targetId: string, action: string) => prisma.auditEvent.count({ where: { targetId, action } })

  t.test('of ten rotations of one key, one wins', async (t) => {
    const { id } = await issue()
    const before = await prisma.apiKey.count()
    const answers = await times(10, async () => app.inject({ method: 'POST', url: `/api/v1/keys/${id}/rotate`, headers, payload: { graceSeconds: 60 } }))
    t.same(tally(answers), { 201: 1, 409: 9 })
    t.equal(await prisma.apiKey.count(), before + 1, 'one successor')
    const winner = answers.find(({ statusCode }) => statusCode === 201)?.json<{ id: string }>()
    t.equal((await prisma.apiKey.findUniqueOrThrow({ where: { id } })).rotatedToId, winner?.id)
    t.equal(await rows(id, 'key.rotated'), 1)
  })

  t.test('of ten changes under one ETag, one wins', async (t) => {
    const { id } = await issue()
    const answers = await times(10, async (n) => patch(id, `"${id}.1"`, { name: `n${n}` }))
    t.same(tally(answers), { 200: 1, 412: 9 })
    const winner = answers.find(({ statusCode }) => statusCode === 200)?.json<{ name: string }>()
    t.match(await prisma.apiKey.findUniqueOrThrow({ where: { id } }), { name: winner?.name, version: 2 })
    t.equal(await rows(id, 'key.updated'), 1)
  })

  t.test('ten revocations all succeed with one time and one audit row', async (t) => {
    const { id } = await issue()
    const answers = await times(10, async () => app.inject({ method: 'DELETE', url: `/api/v1/keys/${id}`, headers }))
    t.same(tally(answers), { 200: 10 })
    t.equal(new Set(answers.map(({ body }) => body)).size, 1)
    t.equal(await rows(id, 'key.revoked'), 1)
  })

  t.test('a key that is rotated and revoked at once ends revoked, and a loser leaves no successor', async (t) => {
    for (let round = 0; round < 5; round += 1) {
      const { id } = await issue()
      const before = await prisma.apiKey.count()
      const [rotated, revoked] = await Promise.all([
        app.inject({ method: 'POST', url: `/api/v1/keys/${id}/rotate`, headers, payload: { graceSeconds: 60 } }),
        app.inject({ method: 'DELETE', url: `/api/v1/keys/${id}`, headers }),
      ])
      t.equal(revoked.statusCode, 200)
      t.ok((await prisma.apiKey.findUniqueOrThrow({ where: { id } })).revokedAt)
      t.equal(await prisma.apiKey.count(), before + (rotated.statusCode === 201 ? 1 : 0))
    }
  })

  t.test('of twenty verifications at once over a quota of five, five pass', async (t) => {
    const { key } = await issue({ limits: [{ name: 'calls', quota: 5, windowSeconds: 60 }] }, await as.admin())
    const verifier = await as.key(['gatehouse:keys.verify'])
    const answers = await times(20, async () => app.inject({ method: 'POST', url: '/api/v1/keys/verify', headers: verifier.headers, payload: { key } }))
    t.equal(answers.filter((answer) => answer.json<{ valid: boolean }>().valid).length, 5)
  })

  t.test('a role taken away while its holder issues and changes keys leaves none of them privileged', async (t) => {
    const admin = await as.admin()
    for (let round = 0; round < 5; round += 1) {
      const holder = await as.signUp()
      const url = `/api/v1/users/${holder.user.id}`
      const setRoles = async (roles: string[]) => app.inject({ method: 'PATCH', url, headers: { ...admin, 'if-match': '*' }, payload: { roles } })
      t.equal((await setRoles(['admin'])).statusCode, 200)
      const own = await issue({ permissions: ['a:b'] }, holder.headers)
      const answers = await Promise.all([
        ...Array.from({ length: 4 }, async () => post({ permissions: ['gatehouse:users.write'] }, holder.headers)),
        setRoles(['member']),
        ...Array.from({ length: 4 }, async () => patch(own.id, '*', { permissions: ['gatehouse:users.read'] }, holder.headers)),
      ])
      t.match(Object.keys(tally(answers)).join(' '), /^(20[01] ?)+( ?40[34])*$/, 'nobody waits for ever')
      t.equal(answers[4]?.statusCode, 200)
      // what is written stays, and is worth nothing any more
      const kept = (await app.inject({ url: `/api/v1/keys?ownerUserId=${holder.user.id}`, headers: admin })).json<{ data: { permissions: string[]; dormant: string[]; kind: string }[] }>().data
      for (const { permissions, dormant, kind } of kept) t.same([kind, dormant], ['bound', permissions.filter((permission) => permission !== 'none')])
    }
  })
})
