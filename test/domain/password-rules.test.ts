// When a password is too easy to guess, and which texts are one password.
import { randomBytes } from 'node:crypto'
import { createRequire } from 'node:module'
import type * as language from '@zxcvbn-ts/language-common'
import t from 'tap'
import { preparePassword, requireStrong, weaknessOf } from '../../src/accounts/password-rules.js'
import { AppError } from '../../src/kernel/errors.js'

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

t.test('requireStrong gives the reasons and never the password', async (t) => {
  try {
    requireStrong('hunter2', [])
    t.fail('hunter2 passed')
  } catch (error) {
    t.ok(error instanceof AppError && error.code === 'password.weak')
    t.notMatch(JSON.stringify(error), /hunter2/)
  }
})

t.test('how weak one is said to be: by its length to the code point, and each reason once', async (t) => {
  const short = 'It has fewer than 12 characters and few guesses would find it'
  t.strictSame(weaknessOf('x'.repeat(257), []), ['It has more than 256 characters'])
  t.strictSame(weaknessOf('\ud800', []), ['It is not valid Unicode text'])
  t.strictSame(weaknessOf(randomBytes(192).toString('base64'), []), [], '256 are not too many')
  const reasons: [string, string[]][] = [
    ['password', ['It contains a common word or password, or your own name or e-mail']], ['gatehouse', ['It contains a common word or password, or your own name or e-mail']], ['qpwoeiruty', []],
    ['zxcvbnm,./', ['It follows neighbouring keys of the keyboard']], ['ababababab', ['It repeats characters or parts of itself']], ['fedcba', ['It contains a sequence such as abc or 6543']], ['13.5.1991', ['It contains a date']], ['2019', ['It contains a year']],
    ['ada lovelac', ['It contains a common word or password, or your own name or e-mail']], ['', []],
  ]
  for (const [password, why] of reasons) {
    const [first, ...more] = weaknessOf(password, ['Ada.Lovelac@example.com'])
    if (why.length > 0 || password === '') t.strictSame([first, more], [short, why], password)
  }
  t.strictSame(weaknessOf('abcabc password', []).length > 0, true)
  t.same(weaknessOf('horse 12', ['']), weaknessOf('horse 12', []), 'an empty name is no word')
})

t.test('what was typed with other letters is the same password, and its case is not folded', async (t) => {
  t.equal(preparePassword('\uff21\ufb01 cafe\u0301'), 'Afi caf\u00e9')
})

t.test('password.weak says each reason, and where', async (t) => {
  t.doesNotThrow(() => requireStrong('correct horse battery staple', []))
  const [first, second] = weaknessOf('password', [])
  t.throws(() => requireStrong('password', []), { code: 'password.weak', errors: [{ path: '/password', message: first }, { path: '/password', message: second }] })
})
