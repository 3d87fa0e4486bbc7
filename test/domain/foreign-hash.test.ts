// Hashes of other systems against what their authors published, and everything that must not get past the door with one.
import t from 'tap'
import { createForeignChecker, isWholly } from '../../src/accounts/foreign-check.js'
import { type FirebaseText, type ForeignText, type GivenHash, type ReadHash, readForeign } from '../../src/accounts/foreign-hash.js'
import { createHashQueue, type HashOrigin } from '../../src/accounts/hash-queue.js'
import { createPasswordHasher } from '../../src/accounts/password-hasher.js'
import { createRefusalFloor } from '../../src/accounts/refusal-floor.js'
import { createWorkRatios } from '../../src/accounts/work-ratios.js'
import { systemClock } from '../../src/kernel/clock.js'
import { createSecrets } from '../../src/kernel/secrets.js'

const { check } = createForeignChecker()
const text = (plain: string): string => Buffer.from(plain).toString('base64').replaceAll('=', '')
const hex = (digits: string): string => Buffer.from(digits, 'hex').toString('base64').replaceAll('=', '')

function read(given: GivenHash): ReadHash {
  const one = readForeign(given)
  if ('mistake' in one) throw new Error(one.mistake)
  return one
}

const mistakeOf = (given: GivenHash): string => {
  const one = readForeign(given)
  return 'mistake' in one ? one.mistake : ''
}

// the example of github.com/firebase/scrypt
const FIREBASE: FirebaseText = {
  scheme: 'firebase-scrypt', rounds: 8, memCost: 14, saltSeparator: 'Bw==', salt: '42xEC+ixf3L2lw==',
  signerKey: 'jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA==',
  hash: 'lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo78198JAdRuid5lQ==',
}

/** where it is from, scheme, password, hash */
const VECTORS: [string, ForeignText['scheme'], string, string][] = [
  ['crypt_blowfish', 'bcrypt', 'U*U', '$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW'],
  ['crypt_blowfish', 'bcrypt', 'U*U*', '$2a$05$CCCCCCCCCCCCCCCCCCCCC.VGOzA784oUp/Z0DY336zx7pLYAy0lwK'],
  ['crypt_blowfish', 'bcrypt', 'U*U*U', '$2a$05$XXXXXXXXXXXXXXXXXXXXXOAcXxm9kjPGEMsLznoKqmqw7tc8WCx4a'],
  ['jBCrypt', 'bcrypt', 'abc', '$2a$06$If6bvum7DFjUnE9p2uDeDu0YHzrHM6tf.iqN8.yx.jNN1ILEf7h0i'],
  ['the manual of PHP', 'bcrypt', 'rasmuslerdorf', '$2y$07$BCryptRequires22Chrcte/VlQH0piJtjXl.0t1XkA8pw9dMXTpOq'],
  ['Django, BCryptPasswordHasher', 'bcrypt', 'abc', 'bcrypt$$2b$06$If6bvum7DFjUnE9p2uDeDu0YHzrHM6tf.iqN8.yx.jNN1ILEf7h0i'],
  ['the reference implementation of argon2', 'argon2id', 'password', '$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc'],
  ['the reference implementation of argon2', 'argon2id', 'password', '$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4'],
  ['the reference implementation of argon2', 'argon2id', 'password', '$argon2id$v=19$m=256,t=2,p=2$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc'],
  ['the reference implementation of argon2', 'argon2id', 'differentpassword', '$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$C4TWUs9rDEvq7w3+J4umqA32aWKB1+DSiRuBfYxFj94'],
  ['Django, Argon2PasswordHasher', 'argon2id', 'password', 'argon2$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4'],
  ['RFC 7914, 12', 'scrypt', 'password', `$scrypt$ln=10,r=8,p=16$${text('NaCl')}$${hex('fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b3731622eaf30d92e22a3886ff109279d9830dac727afb94a83ee6d8360cbdfa2cc0640')}`],
  ['RFC 7914, 12', 'scrypt', 'pleaseletmein', `$scrypt$ln=14,r=8,p=1$${text('SodiumChloride')}$${hex('7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2d5432955613f0fcf62d49705242a9af9e61e85dc0d651e40dfcf017b45575887')}`],
  ['passlib', 'scrypt', 'password', '$scrypt$ln=8,r=8,p=1$WKs1xljLudd6z9kbY0wpJQ$yCR4iDZYDKv+iEJj6yHY0lv/epnfB6f/w1EbXrsJOuQ'],
  ['Django, ScryptPasswordHasher', 'scrypt', 'l\u00e8tmein', 'scrypt$16384$seasalt$8$1$Qj3+9PPyRjSJIebHnG81TMjsqtaIGxNQG/aEB/NYafTJ7tibgfYz71m0ldQESkXFRkdVCBhhY8mx7rQwite/Pw=='],
  ['Werkzeug', 'scrypt', 'admin123', 'scrypt:32768:8:1$oynSHz2gY1bRe8Vp$1b1514779917c29c9f1b139e8ab507312c0915f126018acba75afe26b5e23264c2dbc78f3c20823bc2e9cdac9dab1fe53d2dbdc8353a66e2d85f07b621c92f1d'],
  ['RFC 7914, 11', 'pbkdf2', 'passwd', `$pbkdf2-sha256$i=1,l=64$${text('salt')}$${hex('55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc49ca9cccf179b645991664b39d77ef317c71b845b1e30bd509112041d3a19783')}`],
  ['RFC 7914, 11', 'pbkdf2', 'Password', `$pbkdf2-sha256$i=80000$${text('NaCl')}$${hex('4ddcd8f60b98be21830cee5ef22701f9641a4418d04c0414aeff08876b34ab56a1d425a1225833549adb841b51c9b3176a272bdebba1d078478f62b397f33c8d')}`],
  ['RFC 6070', 'pbkdf2', 'password', `$pbkdf2-sha1$i=1$${text('salt')}$${hex('0c60c80f961f0e71f3a9b524af6012062fe037a6')}`],
  ['RFC 6070', 'pbkdf2', 'password', `$pbkdf2-sha1$i=2$${text('salt')}$${hex('ea6c014dc72d6f8ccd1ed92ace1d41f0d8de8957')}`],
  ['RFC 6070', 'pbkdf2', 'password', `$pbkdf2-sha1$i=4096$${text('salt')}$${hex('4b007901b765489abead49d926f721d065a429c1')}`],
  ['RFC 6070', 'pbkdf2', 'passwordPASSWORDpassword', `$pbkdf2-sha1$i=4096$${text('saltSALTsaltSALTsaltSALTsaltSALTsalt')}$${hex('3d2eec4fe41c849b80c8d83662c0e44a8b291a964cf2f07038')}`],
  ['RFC 6070', 'pbkdf2', 'pass\0word', `$pbkdf2-sha1$i=4096$${text('sa\0lt')}$${hex('56fa6aa75548099dcc37d7f03425e0c3')}`],
  ['PBKDF2 with SHA-512', 'pbkdf2', 'password', `$pbkdf2-sha512$i=1$${text('salt')}$${hex('867f70cf1ade02cff3752599a3a53dc4af34c7a669815ae5d513554e1c8cf252c02d470a285a0501bad999bfe943c08f050235d7d68b1da55e63f73b60a57fce')}`],
  ['passlib, with its own base64', 'pbkdf2', 'password', '$pbkdf2-sha256$6400$.6UI/S.nXIk8jcbdHx3Fhg$98jZicV16ODfEsEZeYPGHU3kbrUrvUEXOPimVSQDD44'],
  ['Django', 'pbkdf2', 'letmein', 'pbkdf2_sha256$10000$seasalt$FQCNpiZpTb0zub+HBsH6TOwyRxJ19FwvjbweatNmK/Y='],
  ['Django', 'pbkdf2', 'letmein', 'pbkdf2_sha1$10000$seasalt$91JiNKgwADC8j2j86Ije/cc4vfQ='],
]

t.test('every published vector verifies, and nothing beside it', async (t) => {
  for (const [source, scheme, password, hash] of VECTORS) {
    const one = read({ scheme, hash })
    t.equal(await check(password, one), true, `${source}: ${hash.slice(0, 24)}`)
    t.equal(await check(`${password}x`, one), false, 'another password')
  }
  t.equal(await check('user1password', read(FIREBASE)), true, 'Firebase')
  t.equal(await check('user1passwore', read(FIREBASE)), false)
  const forUrls = { ...FIREBASE, salt: '42xEC-ixf3L2lw', hash: FIREBASE.hash.replaceAll('/', '_').replaceAll('+', '-').replaceAll('=', '') }
  t.equal(await check('user1password', read(forUrls)), true, 'as the command line of Firebase exports it')
})

t.test('bcrypt reads 72 bytes and no more, as it did where the hash is from', async (t) => {
  const ignoring = read({ scheme: 'bcrypt', hash: '$2a$05$abcdefghijklmnopqrstuu5s2v8.iXieOjg/.AySBTTZIIVFJeBui' })
  const first72 = '0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789'
  t.equal(await check(`${first72}chars after 72 are ignored`, ignoring), true)
  t.equal(await check(first72, ignoring), true)
  t.equal(await check(first72.slice(0, 71), ignoring), false)
  t.same([first72, `${first72}x`, '\u00e8'.repeat(36), '\u00e8'.repeat(37)].map((password) => isWholly(password, ignoring.hash)), [true, false, true, false], 'what is beyond them has not been proven')
  t.equal(isWholly('x'.repeat(1000), read(FIREBASE).hash), true)
})

t.test('bits that stand for nothing in a bcrypt hash are let pass', async (t) => {
  // the last letters of salt and hash carry 2 and 4 bits: `j` is `i` with noise
  const noisy = read({ scheme: 'bcrypt', hash: '$2b$06$If6bvum7DFjUnE9p2uDeDv0YHzrHM6tf.iqN8.yx.jNN1ILEf7h0j' })
  t.equal(await check('abc', noisy), true)
})

t.test('a password with NUL that is equal to another in the eyes of a scheme is not the one', async (t) => {
  const bcrypt = read({ scheme: 'bcrypt', hash: '$2a$06$If6bvum7DFjUnE9p2uDeDu0YHzrHM6tf.iqN8.yx.jNN1ILEf7h0i' })
  t.equal(await check('abc\0abc', bcrypt), false, 'bcrypt repeats its key with a NUL between')
  t.equal(await check('abc\0', read({ scheme: 'bcrypt', hash: bcrypt.hash.kind === 'bcrypt' ? bcrypt.hash.text : '' })), false)
  t.equal(await check('letmein\0', read({ scheme: 'pbkdf2', hash: 'pbkdf2_sha1$10000$seasalt$91JiNKgwADC8j2j86Ije/cc4vfQ=' })), false, 'HMAC fills its key up with NUL')
  t.equal(await check('user1password\0', read(FIREBASE)), false)
})

t.test('what is no hash, or would burn the server, is refused with a reason that repeats none of it', async (t) => {
  const salt = text('somesaltsomesalt')
  const hash = text('x'.repeat(32))
  const refused: [RegExp, GivenHash][] = [
    [/not of the form/, { scheme: 'bcrypt', hash: '5f4dcc3b5aa765d61d8327deb882cf99' }],
    [/not of the form/, { scheme: 'bcrypt', hash: '$2x$06$If6bvum7DFjUnE9p2uDeDu0YHzrHM6tf.iqN8.yx.jNN1ILEf7h0i' }],
    [/not of the form/, { scheme: 'bcrypt', hash: '$2a$06$If6bvum7DFjUnE9p2uDeDu0YHzrHM6tf.iqN8.yx.jNN1ILEf7h0' }],
    [/cost must be 4 to 14/, { scheme: 'bcrypt', hash: '$2a$15$If6bvum7DFjUnE9p2uDeDu0YHzrHM6tf.iqN8.yx.jNN1ILEf7h0i' }],
    [/cost must be 4 to 14/, { scheme: 'bcrypt', hash: '$2a$03$If6bvum7DFjUnE9p2uDeDu0YHzrHM6tf.iqN8.yx.jNN1ILEf7h0i' }],
    [/m must be/, { scheme: 'argon2id', hash: `$argon2id$v=19$m=2097152,t=1,p=4$${salt}$${hash}` }],
    [/m must be/, { scheme: 'argon2id', hash: `$argon2id$v=19$m=31,t=1,p=4$${salt}$${hash}` }],
    [/t must be/, { scheme: 'argon2id', hash: `$argon2id$v=19$m=1024,t=100000,p=4$${salt}$${hash}` }],
    [/p must be/, { scheme: 'argon2id', hash: `$argon2id$v=19$m=131072,t=1,p=200$${salt}$${hash}` }],
    [/more work/, { scheme: 'argon2id', hash: `$argon2id$v=19$m=131072,t=40,p=1$${salt}$${hash}` }],
    [/not of the form/, { scheme: 'argon2id', hash: `$argon2i$v=19$m=1024,t=1,p=4$${salt}$${hash}` }],
    [/not of the form/, { scheme: 'argon2id', hash: `$argon2id$v=19$m=1e3,t=1,p=4$${salt}$${hash}` }],
    [/salt must have/, { scheme: 'argon2id', hash: `$argon2id$v=19$m=1024,t=1,p=4$${text('short')}$${hash}` }],
    // the last vector of RFC 7914 takes a GiB
    [/more than 128 MiB/, { scheme: 'scrypt', hash: `$scrypt$ln=20,r=8,p=1$${text('SodiumChloride')}$${hash}` }],
    [/more than 128 MiB/, { scheme: 'scrypt', hash: `$scrypt$ln=17,r=9,p=1$${salt}$${hash}` }],
    [/more work/, { scheme: 'scrypt', hash: `$scrypt$ln=17,r=8,p=60$${salt}$${hash}` }],
    [/power of two/, { scheme: 'scrypt', hash: `scrypt$16383$seasalt$8$1$${hash}` }],
    [/power of two/, { scheme: 'scrypt', hash: `scrypt$1$seasalt$8$1$${hash}` }],
    [/r must be/, { scheme: 'scrypt', hash: `$scrypt$ln=4,r=1000000,p=1$${salt}$${hash}` }],
    [/p must be/, { scheme: 'scrypt', hash: `$scrypt$ln=4,r=1,p=65$${salt}$${hash}` }],
    [/no base64/, { scheme: 'scrypt', hash: `$scrypt$ln=4,r=1,p=1$${salt}$AAAAA` }],
    [/hash must have/, { scheme: 'scrypt', hash: `$scrypt$ln=4,r=1,p=1$${salt}$AAAA` }],
    [/number of iterations/, { scheme: 'pbkdf2', hash: `$pbkdf2-sha256$i=0$${salt}$${hash}` }],
    [/more work/, { scheme: 'pbkdf2', hash: `$pbkdf2-sha256$i=100000000$${salt}$${hash}` }],
    [/more work/, { scheme: 'pbkdf2', hash: `$pbkdf2-sha1$i=2000000$${salt}$${text('x'.repeat(64))}` }],
    [/not of the form/, { scheme: 'pbkdf2', hash: `$pbkdf2-md5$i=1000$${salt}$${hash}` }],
    [/not of the form/, { scheme: 'pbkdf2', hash: `$pbkdf2-sha256$i=-1$${salt}$${hash}` }],
    [/hash must have/, { scheme: 'pbkdf2', hash: `$pbkdf2-sha256$i=1000$${salt}$AAAA` }],
    [/memCost must be/, { ...FIREBASE, memCost: 31 }],
    [/more than 128 MiB/, { ...FIREBASE, memCost: 18 }],
    [/hash must have 64 to 64/, { ...FIREBASE, hash: 'AAAA' }],
    [/signerKey must have/, { ...FIREBASE, signerKey: 'AAAA' }],
    [/no scheme that is known|scheme that is known/, { scheme: 'md5', hash: 'x' } as unknown as ForeignText],
  ]
  for (const [reason, given] of refused) {
    const mistake = mistakeOf(given)
    t.match(mistake, reason, `${given.scheme} ${given.hash.slice(0, 30)}`)
    t.notOk(mistake.includes(given.hash), 'it is not repeated')
  }
  for (const [, scheme, , hash] of VECTORS) t.ok(read({ scheme, hash }).work <= 2 ** 14)
  t.equal(mistakeOf({ scheme: 'argon2id', hash: `$argon2id$v=19$m=65536,t=3,p=4$${salt}$${hash}` }), '', 'the second choice of RFC 9106')
  t.equal(mistakeOf({ scheme: 'argon2id', hash: `$argon2id$v=19$m=102400,t=2,p=8$${salt}$${hash}` }), '', 'what Django makes')
  t.equal(mistakeOf({ scheme: 'pbkdf2', hash: `pbkdf2_sha256$1200000$saltsaltsalt$${hash}` }), '', 'what Django 6 makes')
  t.equal(mistakeOf({ scheme: 'pbkdf2', hash: `$pbkdf2-sha1$i=1300000$${salt}$${text('x'.repeat(20))}` }), '', 'what OWASP asks for')
  t.equal(mistakeOf({ scheme: 'scrypt', hash: `$scrypt$ln=17,r=8,p=1$${salt}$${hash}` }), '', 'what OWASP asks for')
})

t.test('hashes that fill memory share an allowance', async (t) => {
  const one = read({ scheme: 'scrypt', hash: 'scrypt$16384$seasalt$8$1$Qj3+9PPyRjSJIebHnG81TMjsqtaIGxNQG/aEB/NYafTJ7tibgfYz71m0ldQESkXFRkdVCBhhY8mx7rQwite/Pw==' })
  const free = read({ scheme: 'bcrypt', hash: '$2a$06$If6bvum7DFjUnE9p2uDeDu0YHzrHM6tf.iqN8.yx.jNN1ILEf7h0i' })
  const ends: (() => void)[] = []
  const running: string[] = []
  const small = createForeignChecker({
    allowanceBytes: 40 * 2 ** 20,
    matches: (password) => new Promise((resolve, reject) => {
      running.push(password)
      ends.push(() => (password === 'c' ? reject(new Error('it failed')) : resolve(true)))
    }),
  })
  const turn = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve))
  const all = ['a', 'b', 'c', 'd'].map((password) => small.check(password, one).catch(() => false))
  const huge = small.check('huge', { ...one, memoryBytes: 2 ** 40 })
  await turn()
  t.same(running, ['a', 'b'], '16 MiB each: two at a time')
  ends[0]?.()
  await turn()
  ends[2]?.()
  await turn()
  t.same(running, ['a', 'b', 'c', 'd'], 'one that fails gives its part back, too')
  const quick = small.check('quick', free)
  ends[1]?.()
  await turn()
  t.same(running, ['a', 'b', 'c', 'd'], 'what is larger than the whole comes alone')
  ends[3]?.()
  await turn()
  t.same(running, ['a', 'b', 'c', 'd', 'huge', 'quick'])
  ends[4]?.()
  ends[5]?.()
  t.same(await Promise.all([...all, huge, quick]), [true, true, false, true, true, true])
})

t.test('a foreign hash is kept encrypted, and a wrong password for it costs what the dearest costs', async (t) => {
  let rounds = 0
  const bcrypt = { hash: () => Promise.resolve(''), verify: (_text: string, stored: string) => Promise.resolve((rounds += 2 ** Number(stored.slice(4, 6))) < 0) }
  const limits = { take: () => ({ allowed: true, states: [], retryAfterMs: 0 }) }
  const secrets = createSecrets('a secret of the tests, 32 characters or more')
  const hasherOf = (own = secrets, cost = 10) => createPasswordHasher({ secrets: own, cost, limits, queue: createHashQueue({ clock: systemClock, cores: 2 }), bcrypt, clock: { monotonic: () => 0 } })
  const ORIGIN: HashOrigin = { lane: 'stranger', names: [{ name: 'somebody' }] }
  const hasher = hasherOf()
  const vector = VECTORS.find(([source]) => source === 'Django')
  const given: ForeignText = { scheme: 'pbkdf2', hash: vector?.[3] ?? '' }
  const stored = hasher.takeOver(given)
  t.match(stored, /^sealed1\$[0-9a-f]{8}\$38\$/)
  t.notMatch(stored, /seasalt|FQCN/)
  t.equal(await hasher.verify('letmein', stored, ORIGIN), true)
  t.equal(rounds, 0, 'the right one costs what it costs')
  t.equal(await hasher.verify('letmeout', stored, ORIGIN), false)
  t.equal(rounds, 992, '1024 less 38, to the sixteen')
  t.equal(hasher.isOutdated(stored, 'letmein'), true)

  const later = hasherOf(createSecrets('another secret, of 32 characters or more', 'a secret of the tests, 32 characters or more'))
  t.equal(await later.verify('letmein', stored, ORIGIN), true, 'under the secret before this one')
  rounds = 0
  t.equal(await later.verify('letmeout', stored, ORIGIN), false)
  t.equal(rounds, 992 + 1024, 'and a wrong one costs both peppers')
  const stranger = hasherOf(createSecrets('a secret that knows nothing of all this'))
  rounds = 0
  t.equal(await stranger.verify('letmein', stored, ORIGIN), false, 'without its secret it is nobody\'s')
  t.equal(rounds, 1024, 'and costs as much')
  t.equal(stranger.isOutdated(stored, 'letmein'), true)

  const dear = hasher.takeOver({ scheme: 'scrypt', hash: `$scrypt$ln=15,r=8,p=1$${text('saltsalt')}$${text('x'.repeat(32))}` })
  await hasher.verify('wrong', dear, ORIGIN)
  rounds = 0
  await hasher.verify('wrong', null, ORIGIN)
  t.equal(rounds, 1488, 'once a dearer one has been seen, nobody is cheaper')

  const tampered = [stored.replace('$38$', '$37$'), `${stored}AAAA`, stored.replace('sealed1', 'sealed2')]
  for (const one of tampered) {
    rounds = 0
    t.equal(await hasher.verify('letmein', one, ORIGIN), false, 'changed by hand')
    t.equal(rounds, 1488)
  }
  const burning = `sealed1$00000000$9$${secrets.encrypt('foreign-password', '9', JSON.stringify({ scheme: 'scrypt', hash: `$scrypt$ln=20,r=8,p=1$${text('salt')}$${text('x'.repeat(32))}` })).toString('base64url')}`
  rounds = 0
  t.equal(await hasher.verify('x', burning, ORIGIN), false, 'a row that is too dear is not worked out')
  t.equal(rounds, 1488)
  const long = hasher.takeOver({ scheme: 'bcrypt', hash: '$2a$05$abcdefghijklmnopqrstuu5s2v8.iXieOjg/.AySBTTZIIVFJeBui' })
  t.same(['x'.repeat(72), 'x'.repeat(73)].map((password) => hasher.isOutdated(long, password)), [true, false], 'it is kept as it is for a password of which bcrypt read a part')
  t.throws(() => hasher.takeOver({ scheme: 'bcrypt', hash: 'x' }), { code: 'request.invalid', errors: [{ path: '/passwordHash' }] })
})

t.test('what a scheme takes on this machine is learnt from what follows it', async (t) => {
  const one = read({ scheme: 'scrypt', hash: `$scrypt$ln=14,r=8,p=1$${text('saltsalt')}$${text('x'.repeat(32))}` })
  const ratios = createWorkRatios()
  t.equal(ratios.workOf(one), one.work)
  ratios.learn(one, 100, 127, 50)
  ratios.learn(one, 0, 1000, 50)
  t.equal(ratios.workOf(one), one.work, 'too little to learn from')
  ratios.learn(one, 100, 1000, 100)
  ratios.learn(one, 100, 1000, 100)
  t.equal(ratios.workOf(one), one.work, 'nor from two')
  ratios.learn(one, 100, 1000, 100)
  t.equal(Math.round(ratios.workOf(one)), 1000, 'as much as a thousand rounds')
  ratios.learn(one, 1_000_000, 1000, 100)
  t.equal(Math.round(ratios.workOf(one)), 1000, 'one stall moves it not at all')
  for (let count = 0; count < 100; count += 1) ratios.learn(one, 1_000_000, 1000, 100)
  t.equal(ratios.workOf(one), one.work * 4, 'and nothing moves it without end')
})

t.test('where hashes of other systems are about, a refusal waits for the slowest of the latest ones', async (t) => {
  const floor = createRefusalFloor()
  t.same(Array.from({ length: 8 }, (_, at) => floor.restOf(at % 2 === 0 ? 40 : 50)), Array.from({ length: 8 }, () => 0), 'nothing is known yet')
  t.same([40, 50, 60].map((tookMs) => tookMs + floor.restOf(tookMs)), [52.5, 52.5, 60], 'then all end at one time; what is slower still is not held back')
  for (let count = 0; count < 63; count += 1) floor.restOf(100)
  t.equal(floor.restOf(40), 65, 'and it follows the load')
  for (let count = 0; count < 62; count += 1) floor.restOf(20)
  t.equal(floor.restOf(20), 1, 'both ways; a stall or two are no load')

  let nowMs = 0
  const waited: number[] = []
  const tookMs = { now: 40 }
  const bcrypt = { hash: () => Promise.resolve(''), verify: () => Promise.resolve((nowMs += tookMs.now) < 0) }
  const limits = { take: () => ({ allowed: true, states: [], retryAfterMs: 0 }) }
  const running = { now: 0 }
  const queue = { run: async <T>(_: HashOrigin, work: () => Promise<T>) => { running.now += 1; try { return await work() } finally { running.now -= 1 } }, forgive: () => undefined }
  const hasher = createPasswordHasher({
    secrets: createSecrets('a secret of the tests, 32 characters or more'), cost: 10, limits, queue, bcrypt, clock: { monotonic: () => nowMs },
    wait: async (ms) => void waited.push(ms, running.now),
  })
  const ORIGIN: HashOrigin = { lane: 'stranger', names: [{ name: 'somebody' }] }
  for (let count = 0; count < 9; count += 1) await hasher.verify('wrong', null, ORIGIN)
  t.same(waited, [], 'our own take what they take')
  const stored = hasher.takeOver({ scheme: 'pbkdf2', hash: VECTORS.find(([source]) => source === 'Django')?.[3] ?? '' })
  tookMs.now = 30
  await hasher.verify('wrong', null, ORIGIN)
  t.same(waited, [12, 0], 'to the end of the slowest, in nobody\'s turn')
  t.equal(await hasher.verify('letmein', stored, ORIGIN), true)
  t.equal(waited.length, 2, 'who is right waits for nothing')
})
