// What is kept of a password, and what it costs to judge and to compare one.
import { hash as bcryptHash, verify as bcryptVerify } from '@node-rs/bcrypt'
import { randomBytes } from 'node:crypto'
import t from 'tap'
import { createHashQueue, type HashOrigin } from '../../src/accounts/hash-queue.js'
import { createPasswordHasher } from '../../src/accounts/password-hasher.js'
import { weaknessOf } from '../../src/accounts/password-rules.js'
import { systemClock } from '../../src/kernel/clock.js'
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
    // what grows with the square of its length, or worse, takes seconds; on a quiet machine each of these takes under five milliseconds
    t.ok(Math.min(...times) < 50, `${worst}: ${Math.min(...times)} ms`)
  }
  t.comment(`the slowest of 300: ${slowest} ms`)
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
