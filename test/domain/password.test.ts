// Passwords and e-mails as rules: what is too weak, what is one and the same, and what is kept of it.
import t from 'tap'
import { normaliseEmail } from '../../src/accounts/email.js'
import { createPasswordHasher } from '../../src/accounts/password-hasher.js'
import { requireStrong, weaknessOf } from '../../src/accounts/password-rules.js'
import { AppError } from '../../src/kernel/errors.js'
import { createSecrets } from '../../src/kernel/secrets.js'

const secrets = createSecrets('a secret of the tests, 32 characters or more')
const hasher = createPasswordHasher({ secrets, cost: 10 })

t.test('weaknessOf', async (t) => {
  const weak: [string, RegExp][] = [
    ['password', /common word/],
    ['qwertyuiop', /common word|neighbouring keys/],
    ['abcdefgh', /sequence/],
    ['zzzzzzz', /repeats/],
    ['ada.lovelac', /own name or e-mail/],
    ['x'.repeat(257), /more than 256/],
    ['\ud800'.repeat(12), /not valid Unicode/],
    ['', /fewer than 12/],
  ]
  for (const [password, reason] of weak) {
    t.match(weaknessOf(password, ['ada.lovelac@example.com', 'Ada']).join(' '), reason, `${JSON.stringify(password.slice(0, 20))} is weak`)
  }
  for (const password of ['correct horse battery staple', 'x'.repeat(256), '😀'.repeat(256), 'пароль-пароль', 'Vq7#zK2!pLw', 'Tr0ub4dor&3x']) {
    t.same(weaknessOf(password, ['ada@example.com']), [], `${password.slice(0, 20)} is fine`)
  }
  t.match(weaknessOf('e\u0301'.repeat(6), []).join(' '), /fewer than 12/, 'twelve code points that are six characters in NFKC are short')
  t.match(weaknessOf('\ufdfa', []).join(' '), /fewer than 12/, 'one character that NFKC spells with eighteen is short')
})

t.test('requireStrong gives the reasons and never the password', async (t) => {
  try {
    requireStrong('hunter2', [])
    t.fail('hunter2 passed')
  } catch (error) {
    t.ok(error instanceof AppError && error.code === 'password.weak')
    t.notMatch(JSON.stringify(error), /hunter2/)
  }
})

t.test('a password is verified whole', async (t) => {
  const long = 'a'.repeat(255)
  const stored = await hasher.hash(`${long}b`)
  t.match(stored, /^hmac1\$\$2b\$10\$.{53}$/)
  t.equal(await hasher.verify(`${long}b`, stored), true)
  t.equal(await hasher.verify(`${long}c`, stored), false, 'the 256th character counts')
  t.equal(await hasher.verify(long, stored), false)
  t.not(await hasher.hash(`${long}b`), stored, 'a salt of its own')
})

t.test('the same text typed differently is the same password', async (t) => {
  const stored = await hasher.hash('caf\u00e9 \ufb01ne 12345')
  t.equal(await hasher.verify('cafe\u0301 fine 12345', stored), true)
  t.equal(await hasher.verify('CAF\u00c9 fine 12345', stored), false, 'case counts')
})

t.test('NUL and any other character may stand in a password', async (t) => {
  const stored = await hasher.hash('before\u0000after-one')
  t.equal(await hasher.verify('before\u0000after-one', stored), true)
  t.equal(await hasher.verify('before\u0000after-two', stored), false)
})

t.test('without the pepper the stored string verifies nothing', async (t) => {
  const stored = await hasher.hash('correct horse battery staple')
  const other = createPasswordHasher({ secrets: createSecrets('another secret that is not the same one'), cost: 10 })
  t.equal(await other.verify('correct horse battery staple', stored), false)
  t.equal(await hasher.verify('correct horse battery staple', stored.replace('hmac1$', 'hmac2$')), false, 'an unknown scheme is no match')
})

t.test('an account without a password costs the same work and never matches', async (t) => {
  const stored = await hasher.hash('correct horse battery staple')
  const timed = async (kept: string | null): Promise<number> => {
    const start = process.hrtime.bigint()
    t.equal(await hasher.verify('wrong horse battery staple', kept), false)
    return Number(process.hrtime.bigint() - start)
  }
  const known: number[] = []
  const unknown: number[] = []
  for (let round = 0; round < 5; round += 1) {
    known.push(await timed(stored))
    unknown.push(await timed(null))
  }
  // a busy machine doubles a time; an answer without work takes a thousandth of it
  t.ok(Math.min(...unknown) > Math.min(...known) / 10, `${Math.min(...unknown)} ns without an account, ${Math.min(...known)} ns with one`)
})

t.test('what does not fit the queue is refused with server.busy, and the rest is served', async (t) => {
  const small = createPasswordHasher({ secrets, cost: 10, concurrency: 1, queueMax: 2 })
  const results = await Promise.allSettled(Array.from({ length: 5 }, () => small.verify('some password here', null)))
  t.equal(results.filter(({ status }) => status === 'fulfilled').length, 3)
  const refused = results.flatMap((result) => (result.status === 'rejected' ? [result.reason as AppError] : []))
  t.same(refused.map(({ code }) => code), ['server.busy', 'server.busy'])
  t.ok((refused[0]?.retryAfterSeconds ?? 0) > 0)
})

t.test('normaliseEmail', async (t) => {
  const same: [string, string][] = [
    [' Ada@Example.COM ', 'ada@example.com'],
    ['jose\u0301@example.com', 'jos\u00e9@example.com'],
    ["o'hara+news@sub.example.co.uk", "o'hara+news@sub.example.co.uk"],
    ['root@localhost', 'root@localhost'],
  ]
  for (const [typed, kept] of same) {
    t.equal(normaliseEmail(typed), kept)
    t.equal(normaliseEmail(kept), kept, 'and once is enough')
  }
  const refused = [
    '', 'ada', '@example.com', 'ada@', 'a da@example.com', 'ada@exa mple.com', 'a@b@c', 'ada@example.com\u0000', 'a\u200bda@example.com', '<ada@example.com>',
    'ada@example.com, bob@example.com', `${'a'.repeat(65)}@example.com`, `a@${'b'.repeat(253)}`, '\ud800@example.com',
  ]
  for (const typed of refused) t.throws(() => normaliseEmail(typed), { code: 'request.invalid' }, JSON.stringify(typed.slice(0, 30)))
})
