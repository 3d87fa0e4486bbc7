// E-mail addresses as names of accounts: one spelling each, and what stands in place of one.
import t from 'tap'
import { emailDomain, emailSpellings, noAddress, normaliseEmail, refuseServiceAddress, renewedEmail, shownEmail } from '../../src/accounts/email.js'

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

t.test('an address holds 254 characters, its domain 253, each of its labels 63', async (t) => {
  const label = 'b'.repeat(63)
  const domainOf = (length: number): string => `${label}.${label}.${label}.${'c'.repeat(length - 192)}`
  t.equal(normaliseEmail(`${'a'.repeat(64)}@b`), `${'a'.repeat(64)}@b`)
  t.equal(normaliseEmail(`a@${label}.b`), `a@${label}.b`)
  t.equal(emailDomain(domainOf(253)), domainOf(253))
  t.equal(emailDomain(domainOf(254)), null)
  t.equal(normaliseEmail(`a@${domainOf(252)}`).length, 254)
  t.throws(() => normaliseEmail(`ab@${domainOf(252)}`), { code: 'request.invalid', errors: [{ path: '/email' }] })
  t.same(emailSpellings(`a@${domainOf(252)}`), [`a@${domainOf(252)}`])
  t.throws(() => emailSpellings(`ab@${domainOf(252)}`), { code: 'request.invalid' })
})

t.test('a domain alone, as those of addresses are kept', async (t) => {
  const cases: [string, string | null][] = [[' B\u00fccher.Example. ', 'xn--bcher-kva.example'], ['localhost', 'localhost'], ['', null], ['.', null], ['a..b', null], ['127.0.0.1', null], ['a/b', null], ['a%2eb', null], ['a?b', null], ['a#b', null], ['a|b', null], ['a^b', null], ['a`b', null], ['a{b}', null], ['a\u200bb', null]]
  for (const [typed, kept] of cases) t.equal(emailDomain(typed), kept, JSON.stringify(typed))
})

t.test('an account of before is found by what was typed, and its spelling renewed where it has another', async (t) => {
  t.same(emailSpellings(' lea@XN--BCHER-KVA.example '), ['lea@xn--bcher-kva.example'])
  t.same(emailSpellings('lea@example.test.'), ['lea@example.test.', 'lea@example.test'])
  t.same(emailSpellings('\uff4cea\uff20example.test'), ['lea@example.test'], 'one that no account of before could have')
  t.same([renewedEmail('lea@example.test.'), renewedEmail('lea'), renewedEmail(' lea@example.test')], ['lea@example.test', null, 'lea@example.test'])
})

t.test('what stands in place of an address is shown to nobody and may not be given', async (t) => {
  t.equal(noAddress('u1'), 'u1@account.invalid')
  const cases: [string, string | null][] = [['u1@account.invalid', null], ['bot@service.invalid', null], ['u@account.invalid.test', 'u@account.invalid.test'], ['u@my-account.invalid', 'u@my-account.invalid'], ['u@xaccount.invalid', 'u@xaccount.invalid'], ['service.invalid@a', 'service.invalid@a']]
  for (const [kept, shown] of cases) {
    t.equal(shownEmail(kept), shown, kept)
    if (shown === null) t.throws(() => refuseServiceAddress(kept), { code: 'request.invalid', errors: [{ path: '/email' }] })
    else t.doesNotThrow(() => refuseServiceAddress(kept))
  }
})
