// POST /users with the password hash of another system: who may, what is taken, and what becomes of it at the next sign-in.
import t from 'tap'
import { createActors } from '../support/actors.js'
import { expectJson, PASSWORD, startApp } from '../support/app.js'

const FIREBASE = {
  scheme: 'firebase-scrypt', rounds: 8, memCost: 14, saltSeparator: 'Bw==', salt: '42xEC+ixf3L2lw==',
  signerKey: 'jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA==',
  hash: 'lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo78198JAdRuid5lQ==',
}
const BCRYPT = { scheme: 'bcrypt', hash: '$2a$06$If6bvum7DFjUnE9p2uDeDu0YHzrHM6tf.iqN8.yx.jNN1ILEf7h0i' }
/** name, password, as given */
const IMPORTS: [string, string, object][] = [
  ['bcrypt', 'abc', BCRYPT],
  ['argon2id', 'password', { scheme: 'argon2id', hash: '$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4' }],
  ['scrypt', 'password', { scheme: 'scrypt', hash: '$scrypt$ln=8,r=8,p=1$WKs1xljLudd6z9kbY0wpJQ$yCR4iDZYDKv+iEJj6yHY0lv/epnfB6f/w1EbXrsJOuQ' }],
  ['pbkdf2', 'letmein', { scheme: 'pbkdf2', hash: 'pbkdf2_sha256$10000$seasalt$FQCNpiZpTb0zub+HBsH6TOwyRxJ19FwvjbweatNmK/Y=' }],
  ['firebase-scrypt', 'user1password', FIREBASE],
]

t.test('POST /users with passwordHash', async (t) => {
  const { app, as, database } = await startApp(t)
  const { send, outcome, person } = await createActors(app, as)
  const admin = await as.adminUser()
  const create = (payload: object, headers: Record<string, string> = admin.headers) => send('POST', '/users', headers, payload)
  const logIn = (email: string, password: string) => send('POST', '/auth/login', {}, { email, password })
  const storedOf = async (email: string) => (await database.prisma.user.findUniqueOrThrow({ where: { email } })).passwordHash ?? ''

  for (const [name, password, passwordHash] of IMPORTS) {
    t.test(`201 takes ${name} over, and the next sign-in renews it`, async (t) => {
      const email = `${name}@example.com`
      const answer = await create({ email, passwordHash })
      const { id } = expectJson<{ id: string }>(answer, 201)
      t.notMatch(answer.body, /hash/i, 'none of it is shown')
      t.match(await storedOf(email), /^sealed1\$[0-9a-f]{8}\$\d+\$/, 'kept encrypted')
      t.match((await database.prisma.auditEvent.findMany({ where: { targetId: id } }))[0], { action: 'user.created', details: { password: true, imported: name } })
      t.equal(await outcome(logIn(email, `${password}x`)), '401 credentials.invalid')
      t.match(await storedOf(email), /^sealed1/, 'a wrong password changes nothing')
      t.equal(await outcome(logIn(email, password)), '200')
      t.match(await storedOf(email), /^hmac1\$/, 'from now on it is ours')
      t.equal(await outcome(logIn(email, password)), '200')
      t.equal(await outcome(logIn(email, `${password}x`)), '401 credentials.invalid')
    })
  }

  t.test('200: eight right sign-ins at once, before any has renewed it', async (t) => {
    expectJson(await create({ email: 'eight@example.com', passwordHash: IMPORTS[3]?.[2] }), 201)
    const outcomes = await Promise.all(Array.from({ length: 8 }, () => outcome(logIn('eight@example.com', 'letmein'))))
    t.same(outcomes, Array.from({ length: 8 }, () => '200'), 'one renews it, and the others are right by what it was renewed to')
  })

  t.test('a password of which bcrypt read 72 bytes keeps that hash', async (t) => {
    const first72 = '0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789'
    expectJson(await create({ email: 'long@example.com', passwordHash: { scheme: 'bcrypt', hash: '$2a$05$abcdefghijklmnopqrstuu5s2v8.iXieOjg/.AySBTTZIIVFJeBui' } }), 201)
    t.equal(await outcome(logIn('long@example.com', `${first72}chars after 72 are ignored`)), '200')
    t.equal(await outcome(logIn('long@example.com', `${first72}mistyped`)), '200', 'as it was')
    t.match(await storedOf('long@example.com'), /^sealed1/)
    t.equal(await outcome(logIn('long@example.com', first72)), '200')
    t.match(await storedOf('long@example.com'), /^hmac1/)
  })

  t.test('an imported password can be changed by who knows it', async (t) => {
    expectJson(await create({ email: 'change@example.com', passwordHash: BCRYPT }), 201)
    const { accessToken } = expectJson<{ accessToken: string }>(await logIn('change@example.com', 'abc'), 200)
    const headers = as.bearer(accessToken)
    t.equal(await outcome(send('POST', '/me/password', headers, { currentPassword: 'abd', newPassword: PASSWORD })), '401 credentials.invalid')
    t.equal(await outcome(send('POST', '/me/password', headers, { currentPassword: 'abc', newPassword: 'hunter2' })), '400 password.weak', 'the rules hold for the new one')
    t.equal(await outcome(send('POST', '/me/password', headers, { currentPassword: 'abc', newPassword: PASSWORD })), '204')
    t.equal(await outcome(logIn('change@example.com', PASSWORD)), '200')
  })

  t.test('400 refuses what is no hash, too dear, or one too many', async (t) => {
    const wrong = [
      { passwordHash: { scheme: 'bcrypt', hash: '5f4dcc3b5aa765d61d8327deb882cf99' } },
      { passwordHash: { ...BCRYPT, hash: BCRYPT.hash.replace('$06$', '$31$') } },
      { passwordHash: { scheme: 'md5', hash: '5f4dcc3b5aa765d61d8327deb882cf99' } },
      { passwordHash: { ...BCRYPT, salt: 'x' } },
      { passwordHash: { ...FIREBASE, memCost: 20 } },
      { passwordHash: { ...FIREBASE, memCost: '14' } },
      { passwordHash: { ...FIREBASE, signerKey: undefined } },
      { passwordHash: BCRYPT.hash },
      { passwordHash: null },
      { passwordHash: { scheme: 'argon2id', hash: '$argon2id$v=19$m=4194304,t=1,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4' } },
      { passwordHash: BCRYPT, password: PASSWORD },
      { passwordHash: BCRYPT, kind: 'service', name: 'V', email: undefined },
    ]
    for (const body of wrong) {
      const answer = await create({ email: 'w@example.com', ...body })
      t.equal(answer.statusCode, 400, JSON.stringify(body).slice(0, 70))
      t.notMatch(answer.body, /If6bvum7|5f4dcc3b/, 'and repeats none of it')
    }
    t.equal(await database.prisma.user.count({ where: { email: 'w@example.com' } }), 0)
  })

  t.test('403 without gatehouse:users.import, also when it is lost before the commit', async (t) => {
    const writer = await person(['gatehouse:users.write'])
    const importer = await person(['gatehouse:users.write', 'gatehouse:users.import'])
    const body = { email: 'i@example.com', passwordHash: BCRYPT }
    t.equal(await outcome(create(body, writer.headers)), '403 access.denied')
    t.equal(await outcome(create({ ...body, roles: ['admin'] }, importer.headers)), '403 permission.not_held', 'a row is a grant')
    await database.prisma.role.update({ where: { name: importer.role }, data: { permissions: ['gatehouse:users.write'] } })
    t.equal(await outcome(create(body, importer.headers)), '403 access.denied', 'this node has not heard of it yet')
    t.equal(await database.prisma.user.count({ where: { email: 'i@example.com' } }), 0)
  })

  t.test('409 for an address that has an account, which is left as it is', async (t) => {
    const before = await database.prisma.user.findUniqueOrThrow({ where: { email: admin.user.email } })
    t.equal(await outcome(create({ email: ` ${admin.user.email.toUpperCase()}`, passwordHash: BCRYPT })), '409 email.taken')
    t.same(await database.prisma.user.findUniqueOrThrow({ where: { email: admin.user.email } }), before)
  })
})
