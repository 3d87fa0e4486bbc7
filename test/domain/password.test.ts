// Passwords and e-mails as rules: what is too weak, what is one and the same, and what is kept of it.
import { hash as bcryptHash, verify as bcryptVerify } from '@node-rs/bcrypt'
import { randomBytes } from 'node:crypto'
import { createRequire } from 'node:module'
import type * as language from '@zxcvbn-ts/language-common'
import t from 'tap'
import { emailSpellings, normaliseEmail, renewedEmail } from '../../src/accounts/email.js'
import { createHashQueue, type HashOrigin } from '../../src/accounts/hash-queue.js'
import { createPasswordHasher } from '../../src/accounts/password-hasher.js'
import { requireStrong, weaknessOf } from '../../src/accounts/password-rules.js'
import { systemClock } from '../../src/kernel/clock.js'
import { AppError } from '../../src/kernel/errors.js'
import { createSecrets } from '../../src/kernel/secrets.js'
import type { LimitStore } from '../../src/shared-store/shared-store.js'

const secrets = createSecrets('a secret of the tests, 32 characters or more')
const queue = () => createHashQueue({ clock: systemClock, cores: 2 })
// no budget for new passwords: test/routes/auth.test.ts has it
const limits: Pick<LimitStore, 'take'> = { take: () => ({ allowed: true, states: [], retryAfterMs: 0 }) }
const SOMEBODY: HashOrigin = { lane: 'stranger', names: [{ name: 'somebody' }] }

function hasherOf({ cost = 10, root = secrets } = {}) {
  const hasher = createPasswordHasher({ secrets: root, clock: systemClock, cost, limits, queue: queue() })
  return {
    ...hasher,
    hash: (password: string) => hasher.hash(password, SOMEBODY),
    verify: (password: string, stored: string | null) => hasher.verify(password, stored, SOMEBODY),
  }
}

const hasher = hasherOf()

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
  for (const password of ['correct horse battery staple', 'correct horse '.repeat(18), randomBytes(128).toString('hex'), 'пароль-пароль', 'Xk9#mQ2$vLXk9#mQ2$vL', 'Vq7#zK2!pLw', 'Tr0ub4dor&3x',
    'otter pencil', 'otterpencilmoon', 'red apple tree', 'my dog ate 3 shoes', 'the cat sat on the mat', 'a quiet mountain of paper', 'To be, or not to be', '948261735048', 'elephant849261x']) {
    t.same(weaknessOf(password, ['ada@example.com']), [], `${password.slice(0, 20)} is fine`)
  }
  t.match(weaknessOf('e\u0301'.repeat(6), []).join(' '), /fewer than 12/, 'twelve code points that are six characters in NFKC are short')
  t.match(weaknessOf('\ufdfa', []).join(' '), /fewer than 12/, 'one character that NFKC spells with eighteen is short')
})

t.test('a long one is refused when it is what everybody tries first, however it is written', async (t) => {
  const found = [
    'password1234', 'Password123!', 'iloveyou1234', 'finalfantasy', 'ＦＩＮＡＬＦＡＮＴＡＳＹ', 'administrator', 'dragon monkey shadow', 'passwordpassword', 'letmeinletmein', 'x'.repeat(256), '😀'.repeat(256),
    'abcdefghijkl', 'zyxwvutsrqponm', '123456789012', 'qwertyuiopasdfghjkl', 'qazwsxedcrfvtgb', '1q2w3e4r5t6y7u8i', 'abcabcabcabc', 'aaaaaaaaaaaab', 'ada.lovelace@example.com', 'AdaLovelace2024',
    // a common word, one's own or the program's, several times over, in leet, with digits, a year or a date before or behind it
    'adminadmin123', 'Adm1nAdm1n!!', '4dm1n4dm1n4242', '123adminadmin', 'hunterhunter22', 'test1234test1234', 'loginlogin123', 'changemechangeme1', 'monkey849261', 'Password2024!!', 'password19850312', 'password31121999!', 'P@$$w0rdP@$$w0rd',
    'Gatehouse2026!', 'g4teh0use12345', 'gatehousegatehouse', 'welcome to gatehouse', 'Example.com2026', 'lovelaceada1815!',
  ]
  for (const password of found) t.match(weaknessOf(password, ['ada.lovelace@example.com', 'Ada Lovelace']).join(), /few guesses would find it/, password.slice(0, 30))
  const { dictionary: { 'passwords-common': common } } = createRequire(import.meta.url)('@zxcvbn-ts/language-common') as typeof language
  const long = common.filter((word) => word.length >= 12)
  t.ok(long.length > 200)
  for (const word of long) t.ok(weaknessOf(word.toUpperCase(), []).length > 0, word)
})

t.test('chance is never refused, case and width never matter, and nothing that is typed is slow', async (t) => {
  let state = 7
  const next = (below: number): number => (state = (state * 48_271) % 2_147_483_647) % below
  const pieces = ['password', 'qwerty', '123', 'abc', '1q2w3e', 'p@$$w0rd1!|', 'ada', '4@({[<361!|71$5+0', 'é', '😀', 'x', 'zyx', '1/1/1999', 'İ', 'ß']
  let slowest = 0
  for (let round = 0; round < 300; round += 1) {
    t.same(weaknessOf(randomBytes(12).toString('base64url'), ['ada@example.com']), [])
    let text = ''
    while (text.length < 200) text += (pieces[next(pieces.length)] ?? '').repeat(1 + next(6))
    const password = Array.from(text).slice(0, 200).join('')
    weaknessOf(password, ['ada@example.com'])
    const start = process.cpuUsage()
    const weak = weaknessOf(password, ['ada@example.com'])
    const { user, system } = process.cpuUsage(start)
    slowest = Math.max(slowest, (user + system) / 1_000)
    t.same(weaknessOf(password.toLowerCase().normalize('NFKC'), ['ada@example.com']).length > 0, weak.length > 0, password.slice(0, 40))
  }
  for (const worst of ['p@$$w0rd1!|', '4@({[<361!|71$5+0', 'a', 'ab', 'qwertyuiop', 'passwordmonkey', '0123456789', '1q2w3e', 'abcdefghijklmnopqrstuvwxyz', 'abcabd', 'adminadmin1', '19990101', 'p@$$w0rd', '01']) {
    const password = `${Array.from(worst.repeat(260)).slice(0, 255).join('')}#`
    const times = Array.from({ length: 5 }, () => {
      const start = process.cpuUsage()
      weaknessOf(password, ['ada@example.com'])
      const { user, system } = process.cpuUsage(start)
      return (user + system) / 1_000
    })
    t.ok(Math.min(...times) < 5, `${worst}: ${Math.min(...times)} ms`)
  }
  t.comment(`the slowest of 300: ${slowest} ms`)
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
  t.match(stored, /^hmac1\$[0-9a-f]{8}\$2b\$10\$.{53}$/)
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
  const other = hasherOf({ root: createSecrets('another secret that is not the same one') })
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

t.test('a wrong password costs what the dearest hash in use costs, whatever it is compared with', async (t) => {
  let rounds = 0
  const counting = {
    hash: (text: string, options: { cost: number }) => bcryptHash(text, options),
    verify: (text: string, stored: string) => {
      rounds += 2 ** Number(stored.slice(4, 6))
      return bcryptVerify(text, stored)
    },
  }
  const made = async (cost: number): Promise<string> => hasherOf({ cost }).hash('correct horse battery staple')
  const now = createPasswordHasher({ secrets, clock: systemClock, cost: 8, limits, queue: queue(), bcrypt: counting })
  async function roundsOf(kept: string | null): Promise<number> {
    rounds = 0
    t.equal(await now.verify('wrong horse battery staple', kept, SOMEBODY), false)
    return rounds
  }
  const [older, dearer] = [await made(6), await made(9)]
  t.same([await roundsOf(null), await roundsOf(await made(8)), await roundsOf(older)], [256, 256, 256], 'an older, cheaper one')
  t.same([await roundsOf(dearer), await roundsOf(older), await roundsOf(null)], [512, 512, 512], 'once one is seen that was made before the cost was lowered')
  t.equal(await now.verify('correct horse battery staple', older, SOMEBODY), true)
  t.same([older, dearer, await made(8)].map((stored) => now.isOutdated(stored, '')), [true, true, false])
  now.noteWork(2 ** 31)
  t.equal(await roundsOf(null), 512, 'a cost that nobody can pay is nobody\'s')
})

t.test('a new password past the budget is refused before it is hashed', async (t) => {
  const never = createPasswordHasher({
    secrets, clock: systemClock, cost: 10, limits: { take: () => ({ allowed: false, states: [], retryAfterMs: 1_500 }) },
    queue: { run: () => Promise.reject(new Error('it was hashed')), forgive: () => undefined },
  })
  await t.rejects(never.hash('correct horse battery staple', SOMEBODY), { code: 'rate.limited', retryAfterSeconds: 2 })
})

t.test('normaliseEmail', async (t) => {
  const same: [string, string][] = [
    [' Ada@Example.COM ', 'ada@example.com'],
    ['jose\u0301@example.com', 'jos\u00e9@example.com'],
    ["o'hara+news@sub.example.co.uk", "o'hara+news@sub.example.co.uk"],
    ['root@localhost', 'root@localhost'],
    ['lea@example.test.', 'lea@example.test'],
    ['lea@b\u00fccher.example', 'lea@xn--bcher-kva.example'],
    ['lea@XN--BCHER-KVA.example', 'lea@xn--bcher-kva.example'],
    ['lea@BU\u0308CHER.example.', 'lea@xn--bcher-kva.example'],
    ['\uff4c\uff45\uff41\uff20example.test', 'lea@example.test'],
    ['\u03a3\u03c2@example.test', '\u03c3\u03c3@example.test'],
    ['lea@example\u3002test', 'lea@example.test'],
    ['l\u3002ea@example.test', 'l.ea@example.test'],
    ['\u0130nci@example.test', 'inci@example.test'],
    ['\u212a@example.test', 'k@example.test'],
  ]
  for (const [typed, kept] of same) {
    t.equal(normaliseEmail(typed), kept)
    t.equal(normaliseEmail(kept), kept, 'and once is enough')
  }
  const refused = [
    '', 'ada', '@example.com', 'ada@', 'a da@example.com', 'ada@exa mple.com', 'a@b@c', 'ada@example.com\u0000', 'a\u200bda@example.com', '<ada@example.com>',
    'ada@example.com, bob@example.com', `${'a'.repeat(65)}@example.com`, `a@${'b'.repeat(253)}`, '\ud800@example.com',
    'lea@example.test..', 'lea@.example.test', 'lea@example..test', 'lea@127.0.0.1', 'lea@0x7f.1', 'lea@2130706433', 'lea@[::1]', 'lea@ex%61mple.test', 'lea@example.test/x', 'lea@example.test:25', 'lea@xn--a', 'l\u00adea@example.test', 'lea\ufe0f@example.test',
    'lea\u200d@example.test', 'lea@exam\u00adple.test', `a@${'b'.repeat(64)}.test`, 'a\u2100b@c@d', 'lea@\u202eexample.test', 'lea@exa\u2800mple.test',
  ]
  for (const typed of refused) t.throws(() => normaliseEmail(typed), { code: 'request.invalid' }, JSON.stringify(typed.slice(0, 30)).replaceAll(/[^ -~]/g, '?'))
  t.test('accounts of before are looked for under what was typed, then under its one spelling', async (t) => {
    t.same(emailSpellings(' Lea@B\u00fccher.example'), ['lea@b\u00fccher.example', 'lea@xn--bcher-kva.example'])
    t.same(emailSpellings('LEA@example.test'), ['lea@example.test'])
    t.same(emailSpellings('lea@127.0.0.1'), ['lea@127.0.0.1'], 'what is no address any more, as it was')
    t.throws(() => emailSpellings('lea'), { code: 'request.invalid' })
    t.same(['lea@b\u00fccher.example', 'lea@example.test', 'lea@127.0.0.1'].map(renewedEmail), ['lea@xn--bcher-kva.example', null, null])
  })
})
