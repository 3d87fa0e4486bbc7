// Attempts on keys: each is a number, somebody who tries to gain by a key what they do not hold, and what must come of it.
import t from 'tap'
import { createActors } from '../support/actors.js'
import { expectJson, startApp } from '../support/app.js'

const NH = '403 permission.not_held'
const AD = '403 access.denied'
const LATER = '2033-01-01T00:00:00.000Z'
const SOON = '2032-02-01T00:00:00.000Z'

t.test('attempts on keys', async (t) => {
  const { app, as, clock, database } = await startApp(t, { config: { soldKeysPerOwner: 3, keysPerOwner: 2 } })
  const { send, patch, outcome, person, machine, issue, verify } = await createActors(app, as)
  const { user: { id: adminId }, headers: admin } = await as.adminUser()
  const post = (headers: Record<string, string>, body: object) => outcome(send('POST', '/keys', headers, { name: 'k', ...body }))
  const fresh = async (permissions: string[] = []) => person(permissions)

  t.test('1 to 6: a member grants no more than they hold, and nobody what is no permission', async (t) => {
    const member = await person(['a:b'])
    t.equal(await post(member.headers, { permissions: ['a:*'] }), NH, '1')
    for (const text of ['a:*:c', 'a:b*', '*', 'A:b', 'a::b', 'a:b:', ':a', 'a', '*:b', 'a:**', 'a:\u212a', 'a b:c', '\u0430:b']) {
      t.equal(await post(admin, { permissions: [text] }), '400 request.invalid', `2 on a key: ${text}`)
      t.equal(await outcome(send('POST', '/roles', admin, { name: 'r2', permissions: [text] })), '400 request.invalid', `2 in a role: ${text}`)
      t.equal(await outcome(send('POST', '/keys/verify', admin, { key: 'k', permissions: [text] })), '400 request.invalid', `2 in a question: ${text}`)
      t.equal(await outcome(send('POST', '/gate-rules', admin, { path: '/x', permissions: [text] })), '400 request.invalid', `2 in a rule: ${text}`)
    }
    for (const text of ['gatehouse:keys.wirte', 'Gatehouse:x', 'gatehouse:users.*', 'gatehouse:users:read', 'GATEHOUSE:users.read']) {
      t.equal(await post(admin, { permissions: [text] }), '400 request.invalid', `3 ${text}`)
      t.equal(await outcome(send('POST', '/roles', admin, { name: 'r3', permissions: [text] })), '400 request.invalid', `3 in a role ${text}`)
    }
    const everything = await person(['*:*'])
    t.equal(await post(everything.headers, { permissions: ['gatehouse:keys.read'] }), NH, '4')
    const empty = await issue(member.headers)
    t.equal(await verify(empty.key, ['a:b']), 'forbidden', '5')
    t.equal(await post(admin, { permissions: ['gatehouse:*'] }), '400 request.invalid', '6 on a key')
    t.equal(await outcome(send('POST', '/roles', admin, { name: 'r6', permissions: ['gatehouse:*'] })), '400 request.invalid', '6 in a role')
  })

  t.test('7 and 8: a bound key is worth what is written and what its owner holds now, the lesser of the two', async (t) => {
    const narrowed = await person(['a:*'])
    const seven = await issue(narrowed.headers, { permissions: ['a:*'] })
    t.equal(await verify(seven.key, ['a:c']), 'valid')
    expectJson(await patch(`/roles/${narrowed.role}`, admin, { permissions: ['a:b'] }), 200)
    t.same([await verify(seven.key, ['a:b']), await verify(seven.key, ['a:c']), await verify(seven.key, ['a:*'])], ['valid', 'forbidden', 'forbidden'], '7')
    const grown = await person(['a:b'])
    const eight = await issue(grown.headers, { permissions: ['a:b'] })
    expectJson(await patch(`/roles/${grown.role}`, admin, { permissions: ['a:*'] }), 200)
    t.equal(await verify(eight.key, ['a:c']), 'forbidden', '8')
  })

  t.test('9: a key of one\'s own gains nothing by a change, either', async (t) => {
    const member = await person(['a:b'])
    const own = await issue(member.headers, { permissions: ['a:b'] })
    t.equal(await outcome(patch(`/keys/${own.id}`, member.headers, { permissions: ['a:b', 'billing:write'] })), NH)
    expectJson(await patch(`/roles/${member.role}`, admin, { permissions: ['c:d'] }), 200)
    t.equal(await outcome(patch(`/keys/${own.id}`, member.headers, { permissions: ['a:b', 'c:d'] })), NH, 'all of the result must be held, not what is added alone')
    t.equal(await outcome(patch(`/keys/${own.id}`, member.headers, { permissions: [] })), '200', 'narrowing one\'s own is free')
  })

  t.test('10 to 12: the owner of a sold key names it, narrows it, rotates it, and cannot rewrite it', async (t) => {
    const owner = await fresh()
    const sold = await issue(admin, { ownerUserId: owner.id, permissions: ['a:b'], metadata: { plan: 'free' }, expiresAt: LATER, limits: [{ name: 'calls', quota: 5, windowSeconds: 60 }] })
    for (const body of [{ limits: [] }, { limits: [{ name: 'calls', quota: 9, windowSeconds: 1 }] }, { metadata: { plan: 'all' } }, { metadata: {} }, { permissions: ['a:*'] }, { permissions: ['a:b'] },
      { expiresAt: null }, { expiresAt: '2034-01-01T00:00:00.000Z' }, { addresses: [] }, { name: 'x', metadata: { plan: 'all' } }]) {
      t.equal(await outcome(patch(`/keys/${sold.id}`, owner.headers, body)), AD, `10 ${JSON.stringify(body)}`)
    }
    t.equal(await outcome(patch(`/keys/${sold.id}`, owner.headers, { ownerAddresses: ['192.0.2.0/24'] })), '200')
    t.equal(await outcome(patch(`/keys/${sold.id}`, admin, { addresses: ['0.0.0.0/0'] })), '200')
    t.same([await verify(sold.key, ['a:b'], { address: '198.51.100.1' }), await verify(sold.key, ['a:b'], { address: '192.0.2.9' }), await verify(sold.key, ['a:b'])], ['forbidden', 'valid', 'forbidden'], '11')
    const next = expectJson<typeof sold & { expiresAt: string; metadata: object; ownerAddresses: string[] }>(await send('POST', `/keys/${sold.id}/rotate`, owner.headers, { graceSeconds: 0 }), 201)
    t.match(next, { permissions: ['a:b'], metadata: { plan: 'free' }, expiresAt: LATER, issuedBy: adminId, secretTo: owner.id, kind: 'standing', ownerAddresses: ['192.0.2.0/24'] }, '12')
  })

  t.test('13 to 16: a seller sells what they hold, to whom they reach, within their own fence', async (t) => {
    const k = await machine(['gatehouse:keys.write', 'reports:*'])
    const ada = await fresh()
    t.equal(await post(k.headers, { ownerUserId: ada.id, permissions: ['reports:read'] }), '201')
    t.equal(await post(k.headers, { ownerUserId: ada.id, permissions: ['gatehouse:users.write'] }), NH, '13')
    t.equal(await post(k.headers, { ownerUserId: ada.id, permissions: ['anything:all'] }), NH, '13, of the application')
    t.equal(await post(k.headers, { ownerUserId: adminId }), NH, '14')
    const strong = await fresh()
    await issue(admin, { ownerUserId: strong.id, permissions: ['billing:write'] })
    t.equal(await post(k.headers, { ownerUserId: strong.id }), NH, '14, for whoever has a key that may do more')
    const ending = await machine(['gatehouse:keys.write', 'reports:*'], { expiresAt: SOON })
    t.equal(await post(ending.headers, { ownerUserId: ada.id, permissions: ['reports:read'] }), NH, '15')
    t.equal(await post(ending.headers, { ownerUserId: ada.id, permissions: ['reports:read'], expiresAt: LATER }), NH, '15, later')
    t.equal(await post(ending.headers, { ownerUserId: ada.id, permissions: ['reports:read'], expiresAt: SOON }), '201')
    const fenced = await machine(['gatehouse:keys.write', 'reports:*'], { addresses: ['127.0.0.0/8', '10.0.0.0/8'] })
    const bob = await fresh()
    t.equal(await post(fenced.headers, { ownerUserId: bob.id, permissions: ['reports:read'] }), NH, '16')
    t.equal(await post(fenced.headers, { ownerUserId: bob.id, permissions: ['reports:read'], addresses: ['8.0.0.0/6'] }), NH, '16, wider')
    t.equal(await post(fenced.headers, { ownerUserId: bob.id, permissions: ['reports:read'], addresses: ['::ffff:10.0.0.0/96'] }), NH, '16, in another spelling')
    t.equal(await post(fenced.headers, { ownerUserId: bob.id, permissions: ['reports:read'], addresses: ['10.1.0.0/16'] }), '201')
    t.equal(await outcome(send('POST', '/users', fenced.headers, { email: 'x16@example.com' })), AD)
  })

  t.test('17 to 19: a key is no person, its siblings are not its own, and rotating is receiving the secret', async (t) => {
    const member = await fresh(['a:b'])
    t.equal(await post(member.headers, { permissions: ['gatehouse:own.keys'] }), '400 request.invalid', '17')
    const [narrow, wide] = [await issue(member.headers), await issue(member.headers, { permissions: ['a:b'] })]
    t.equal(await outcome(send('POST', `/keys/${wide.id}/rotate`, as.bearer(narrow.key), { graceSeconds: 0 })), AD, '18')
    t.equal(await outcome(send('DELETE', `/keys/${wide.id}`, as.bearer(narrow.key))), '404 key.not_found', '18, revoking')
    const k = await machine(['gatehouse:keys.write', 'reports:*'])
    const ada = await fresh()
    const billing = await issue(admin, { ownerUserId: ada.id, permissions: ['billing:write'] })
    t.equal(await outcome(send('POST', `/keys/${billing.id}/rotate`, k.headers, { graceSeconds: 0 })), NH, '19')
    t.equal(await verify(billing.key), 'valid', 'and it goes on')
    const plain = await issue(admin, { ownerUserId: ada.id, permissions: ['reports:read'] })
    t.equal(await outcome(send('POST', `/keys/${plain.id}/rotate`, k.headers, { graceSeconds: 0 })), NH, 'nor one that is within reach, of whom is not')
    const empty = await issue(admin, { ownerUserId: (await fresh()).id })
    const ending = await machine(['gatehouse:keys.write'], { expiresAt: SOON })
    t.equal(await outcome(send('POST', `/keys/${empty.id}/rotate`, ending.headers, { graceSeconds: 0 })), NH, 'a secret for ever is not got by a key that ends')
    t.equal(await outcome(send('POST', `/keys/${empty.id}/rotate`, k.headers, { graceSeconds: 0 })), '201')
  })

  t.test('20 to 22: a change by the seller widens only within all of the result, narrows what is not Gatehouse\'s, and moves no owner', async (t) => {
    const k = await machine(['gatehouse:keys.write', 'reports:*'])
    const ada = await fresh()
    const billing = await issue(admin, { ownerUserId: ada.id, permissions: ['billing:write'] })
    t.equal(await outcome(patch(`/keys/${billing.id}`, k.headers, { permissions: ['billing:write', 'reports:read'] })), NH, '20')
    t.equal(await outcome(patch(`/keys/${billing.id}`, k.headers, { expiresAt: null })), '200', 'it had no end')
    t.equal(await outcome(patch(`/keys/${billing.id}`, k.headers, { permissions: [] })), '200', '21')
    t.equal(await outcome(patch(`/keys/${billing.id}`, admin, { ownerUserId: adminId })), '400 request.invalid', '22')
    const strong = await issue(admin, { ownerUserId: ada.id, permissions: ['gatehouse:users.write'] })
    t.equal(await outcome(patch(`/keys/${strong.id}`, k.headers, { expiresAt: SOON })), NH, 'narrowing a key that may do more within Gatehouse')
    const mine = await issue(k.headers, { ownerUserId: (await fresh()).id, permissions: ['reports:read'] })
    const widened = expectJson<typeof mine>(await patch(`/keys/${mine.id}`, admin, { permissions: ['reports:read', 'reports:write'] }), 200)
    t.equal(widened.issuedBy, adminId, 'whoever widens vouches for it')
    const grown = await fresh()
    const theirs = await issue(k.headers, { ownerUserId: grown.id, permissions: ['reports:read'] })
    await issue(admin, { ownerUserId: grown.id, permissions: ['billing:write'] })
    t.equal(await outcome(patch(`/keys/${theirs.id}`, k.headers, { permissions: ['reports:read', 'reports:write'] })), NH, 'nor once its owner may do more than the seller')
    t.equal(await outcome(patch(`/keys/${theirs.id}`, k.headers, { permissions: [] })), '200')
  })

  t.test('23 to 25: what has ended does not live again, secrets do not pile up, and no hand starves the other', async (t) => {
    const owner = await fresh(['a:b'])
    const expired = await issue(owner.headers, { expiresAt: new Date(clock.now() + 5).toISOString() })
    clock.advance(10)
    t.equal(await outcome(send('POST', `/keys/${expired.id}/rotate`, owner.headers, { graceSeconds: 60 })), '409 key.expired', '23')
    const gone = await issue(owner.headers)
    await send('DELETE', `/keys/${gone.id}`, owner.headers)
    t.equal(await outcome(send('POST', `/keys/${gone.id}/rotate`, owner.headers, { graceSeconds: 60 })), '409 key.revoked', '23')
    let current = await issue(owner.headers, { permissions: ['a:b'] })
    const secrets = [current.key]
    for (let turn = 0; turn < 6; turn += 1) {
      current = expectJson<typeof current>(await send('POST', `/keys/${current.id}/rotate`, owner.headers, { graceSeconds: 2_592_000 }), 201)
      secrets.push(current.key)
    }
    const live = await Promise.all(secrets.map(async (key) => verify(key)))
    t.same(live, ['revoked', 'revoked', 'revoked', 'revoked', 'revoked', 'valid', 'valid'], '24')
    t.equal(await post(owner.headers, {}), '409 key.cap_reached', 'the key and its predecessor')
    t.equal(await post(admin, { ownerUserId: owner.id, permissions: ['a:b'] }), '201', '25')
    for (const _ of [1, 2]) await issue(admin, { ownerUserId: owner.id })
    t.equal(await post(admin, { ownerUserId: owner.id }), '409 key.cap_reached', 'each has a cap of its own')
    const cap = await fresh()
    const answers = await Promise.all(Array.from({ length: 8 }, async () => send('POST', '/keys', cap.headers, { name: 'k' })))
    t.equal(answers.filter(({ statusCode }) => statusCode === 201).length, 2, 'also at once')
  })

  t.test('seeing a key is not ending it, and a seller ends none that may do more within Gatehouse', async (t) => {
    const owner = await fresh()
    const [plain, strong] = [await issue(admin, { ownerUserId: owner.id, permissions: ['a:b'] }), await issue(admin, { ownerUserId: owner.id, permissions: ['gatehouse:users.write'] })]
    const [reader, seller] = [await person(['gatehouse:keys.read']), await person(['gatehouse:keys.write'])]
    for (const { id } of [plain, strong]) t.equal(await outcome(send('DELETE', `/keys/${id}`, reader.headers)), AD)
    t.equal(await outcome(send('DELETE', `/keys/${strong.id}`, seller.headers)), NH)
    t.same([await verify(plain.key), await verify(strong.key)], ['valid', 'valid'])
    t.equal(await outcome(send('DELETE', `/keys/${plain.id}`, seller.headers)), '200', 'what is the application\'s is a seller\'s to end')
    t.equal(await outcome(send('DELETE', `/keys/${strong.id}`, owner.headers)), '200', 'and one\'s own is, whatever it may do')
  })

  t.test('an own key carries no metadata, and limits take the right to set them', async (t) => {
    const member = await fresh(['a:b'])
    t.equal(await post(member.headers, { metadata: { plan: 'enterprise' } }), '400 request.invalid')
    t.equal(await post(admin, { metadata: { plan: 'enterprise' } }), '400 request.invalid', 'nor an administrator\'s, who may be one no more')
    t.equal(await post(member.headers, { limits: [{ name: 'x', quota: 1, windowSeconds: 1 }] }), NH)
    const m = await machine(['a:b'])
    t.equal(await outcome(patch(`/keys/${m.keyId}`, admin, { metadata: { plan: 'x' } })), '400 request.invalid')
    const seller = await machine(['gatehouse:keys.write'])
    t.equal(await post(seller.headers, { ownerUserId: member.id, limits: [{ name: 'x', quota: 1, windowSeconds: 1 }] }), NH)
    const [own, sold] = [await issue(member.headers), await issue(seller.headers, { ownerUserId: (await fresh()).id })]
    for (const limits of [[{ name: 'x', quota: 1, windowSeconds: 1 }], []]) {
      t.equal(await outcome(patch(`/keys/${own.id}`, member.headers, { limits })), NH, 'nor by a change')
      t.equal(await outcome(patch(`/keys/${sold.id}`, seller.headers, { limits })), NH, 'nor by a change of what one sold')
    }
    t.equal((await database.prisma.apiKey.findUniqueOrThrow({ where: { id: m.keyId } })).kind, 'bound', 'a machine\'s key is bound, whoever made it')
  })
})
