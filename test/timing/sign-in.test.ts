// Can anybody tell by the time of an answer whether an address has an account, and what of one? A rank test: of two kinds of address, how often
// does one take longer than the other. On a quiet machine (npm run test:timing); no part of npm test, for a neighbour's work would decide it.
import type { LightMyRequestResponse } from 'fastify'
import t, { type Test } from 'tap'
import { systemClock } from '../../src/kernel/clock.js'
import { QUEUED_WORK } from '../../src/queue/index.js'
import { expectJson, PASSWORD, startApp } from '../support/app.js'
import { fakeClock } from '../support/clock.js'
import { csrfOf } from '../support/pages.js'
import { aboveOf, median, MOST_APART, ROUNDS } from '../support/ranks.js'

// the first ones are not counted: a node learns what hashes take (src/accounts/work-ratios.ts, refusal-floor.ts)
const LEARNING = 12

interface Comparison {
  /** what is compared, by its kind; the first one is what the others are compared with */
  kinds: Record<string, string>
  status: number
  ask: (what: string, round: number, kind: string) => Promise<LightMyRequestResponse>
  /** before what is asked, and after: no part of its time */
  before?: (what: string, round: number) => Promise<unknown>
  behind?: () => Promise<unknown>
}

async function compare(t: Test, { kinds, status, ask, before, behind }: Comparison): Promise<void> {
  const entries = Object.entries(kinds)
  const times: Record<string, number[]> = Object.fromEntries(entries.map(([kind]) => [kind, []]))
  for (let round = 0; round < LEARNING + ROUNDS; round += 1) {
    // each kind comes after each other one as often
    for (const [kind, what] of [...entries.slice(round % entries.length), ...entries.slice(0, round % entries.length)]) {
      await before?.(what, round)
      const begun = process.hrtime.bigint()
      const answer = await ask(what, round, kind)
      const took = Number(process.hrtime.bigint() - begun) / 1e6
      if (answer.statusCode !== status) throw new Error(`${kind}: ${answer.statusCode} ${answer.body}`)
      if (round >= LEARNING) times[kind]?.push(took)
      await behind?.()
    }
  }
  const [[, base] = ['', []], ...others] = Object.entries(times)
  for (const [kind, own] of others) {
    const above = aboveOf(own, base)
    t.ok(Math.abs(above - 0.5) < MOST_APART, `${kind}: median ${median(own).toFixed(2)} ms against ${median(base).toFixed(2)}, longer in ${(above * 100).toFixed(0)} of 100 pairs`)
  }
}

t.test('a refused sign-in takes as long whoever is named in it', async (t) => {
  // what hashes take is measured: that clock is the real one
  const clock = { ...fakeClock(), monotonic: systemClock.monotonic }
  const { app, as, database } = await startApp(t, { config: { bcryptCost: 10 }, clock })
  const admin = await as.admin()
  const create = async (email: string, more: object) => expectJson(await app.inject({ method: 'POST', url: '/api/v1/users', headers: admin, payload: { email, ...more } }), 201)
  const encoded = (text: string): string => Buffer.from(text).toString('base64').replaceAll('=', '')
  const foreign: Record<string, object> = {
    'imported, bcrypt': { scheme: 'bcrypt', hash: '$2b$08$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW' },
    'imported, PBKDF2': { scheme: 'pbkdf2', hash: `$pbkdf2-sha256$i=100000$${encoded('somesalt')}$${encoded('x'.repeat(32))}` },
    'imported, scrypt': { scheme: 'scrypt', hash: `$scrypt$ln=13,r=8,p=1$${encoded('somesalt')}$${encoded('x'.repeat(32))}` },
    'imported, argon2id': { scheme: 'argon2id', hash: `$argon2id$v=19$m=19456,t=2,p=1$${encoded('somesalt')}$${encoded('x'.repeat(32))}` },
  }
  const kinds: Record<string, string> = { unknown: 'nobody@example.com', known: 'known@example.com', 'without a password': 'none@example.com', suspended: 'suspended@example.com' }
  await create('known@example.com', { password: PASSWORD })
  await create('none@example.com', {})
  await create('suspended@example.com', { password: PASSWORD })
  await database.prisma.user.update({ where: { email: 'suspended@example.com' }, data: { status: 'suspended' } })
  for (const [at, [kind, passwordHash]] of Object.entries(foreign).entries()) {
    await create(`imported-${at}@example.com`, { passwordHash })
    kinds[kind] = `imported-${at}@example.com`
  }
  await compare(t, {
    kinds, status: 401,
    // no guess is held back: each comes from elsewhere, and the account's own count of them is over in time
    before: async (_, round) => void (round % 40 === 0 && clock.advance(16 * 60_000)),
    ask: async (email, round, kind) => app.inject({ method: 'POST', url: '/api/v1/auth/login', remoteAddress: `10.${round}.${kind.length}.1`, payload: { email, password: 'not the password' } }),
  })
})

t.test('what is promised behind an answer takes as long whoever is named', async (t) => {
  const { app, as, clock } = await startApp(t, { config: { emailVerification: 'required', magicLink: true } })
  const admin = await as.admin()
  const kinds = { unknown: 'unknown@example.com', known: 'known@example.com', suspended: 'suspended@example.com' }
  for (const email of [kinds.known, kinds.suspended]) expectJson(await app.inject({ method: 'POST', url: '/api/v1/users', headers: admin, payload: { email } }), 201)
  await app.prisma.user.update({ where: { email: kinds.suspended }, data: { status: 'suspended' } })
  // what is looked up behind it is no part of the answer, nor in the way of the next one
  const behind = () => app.jobs.run(QUEUED_WORK)

  for (const path of ['/auth/signup', '/auth/password/forgot', '/auth/magic-link']) t.test(`POST ${path}`, (t) => compare(t, {
    kinds, status: 202, behind, ask: async (email, round) => app.inject({ method: 'POST', url: `/api/v1${path}`, remoteAddress: `10.${round}.0.1`, payload: { email } }),
  }))

  for (const path of ['/ui/sign-up', '/ui/forgot', '/ui/magic-link']) t.test(`the form ${path}`, async (t) => {
    let cookie = ''
    let csrf = ''
    await compare(t, {
      kinds, status: 303, behind,
      async before() {
        const page = await app.inject({ url: path })
        cookie = page.cookies.map(({ name, value }) => `${name}=${value}`).join('; ')
        csrf = csrfOf(page)
      },
      ask: async (email, round) => app.inject({
        method: 'POST', url: path, remoteAddress: `10.${round}.1.1`, payload: new URLSearchParams({ email, csrf, ...(path === '/ui/sign-up' ? { name: '', 'new-password': '' } : {}) }).toString(),
        headers: { 'content-type': 'application/x-www-form-urlencoded', 'sec-fetch-site': 'same-origin', cookie },
      }),
    })
  })

  t.test('a wrong code of a mail to sign in by', async (t) => {
    const asked = { id: '', binding: '' }
    await compare(t, {
      kinds, status: 401,
      async before(email, round) {
        // as many go to an address in an hour
        clock.advance(21 * 60_000)
        Object.assign(asked, expectJson<object>(await app.inject({ method: 'POST', url: '/api/v1/auth/magic-link', remoteAddress: `10.${round}.2.1`, payload: { email } }), 202))
        await behind()
      },
      ask: async (_, round) => app.inject({ method: 'POST', url: '/api/v1/auth/magic-link/take', remoteAddress: `10.${round}.2.1`, payload: { method: 'code', id: asked.id, binding: asked.binding, code: '1234567' } }),
    })
  })

  // they name nobody: whatever else is sent along is not looked at
  t.test('options for signing in by a passkey', (t) => compare(t, {
    kinds, status: 200, ask: async (email, round) => app.inject({ method: 'POST', url: '/api/v1/auth/passkey/options', remoteAddress: `10.${round}.3.1`, payload: { email } }),
  }))
})
