// Whatever proves a second factor counts once, however often and on however many nodes it is sent at the same time.
import t from 'tap'
import type { FastifyInstance, LightMyRequestResponse } from 'fastify'
import { expectJson, startApp } from '../support/app.js'
import { createAuthenticator } from '../support/authenticator.js'
import { factorHelpers } from '../support/factors.js'

const SENT = 50

t.test('fifty uses at once on two nodes', async (t) => {
  const { app, as, clock, database } = await startApp(t)
  const { app: second } = await startApp(t, { database, clock, config: { publicUrl: app.publicOrigin() } })
  const { prisma } = database
  const { send, code, challenge, person, addPasskey } = factorHelpers(app, as, clock)
  const post = (path: string, payload: object, at: number) => {
    const node: FastifyInstance = at % 2 === 0 ? app : second
    return node.inject({ method: 'POST', url: `/api/v1/auth/${path}`, payload, remoteAddress: `203.0.113.${at}` })
  }
  const winners = (answers: readonly LightMyRequestResponse[]): LightMyRequestResponse[] => answers.filter(({ statusCode }) => statusCode === 200)
  const statuses = (answers: readonly LightMyRequestResponse[]): string => answers.map(({ statusCode }) => statusCode).join()
  const sessionsOf = (userId: string) => prisma.session.count({ where: { userId } })
  /** As many sign-ins that wait as it takes to send so many answers: each takes five. */
  async function waiting(email: string): Promise<string[]> {
    const all: string[] = []
    for (let at = 0; at < SENT / 5; at += 1) all.push(await challenge(email))
    return all
  }

  for (const method of ['totp', 'recovery_code'] as const) {
    t.test(`one ${method}, for ten sign-ins that wait: one signs in`, async (t) => {
      const { user, secret, codes } = await person()
      const challenges = await waiting(user.email)
      const before = await sessionsOf(user.id)
      const typed = method === 'totp' ? code(secret, 1) : (codes[0] ?? '')
      const answers = await Promise.all(Array.from({ length: SENT }, (_, at) => post('mfa', { challenge: challenges[at % challenges.length], method, code: typed }, at)))
      t.equal(winners(answers).length, 1, statuses(answers))
      t.ok(answers.every(({ statusCode }) => [200, 401, 429, 503].includes(statusCode)), statuses(answers))
      t.equal(await sessionsOf(user.id), before + 1)
      t.equal(await prisma.recoveryCode.count({ where: { userId: user.id } }), method === 'totp' ? 10 : 9)
    })
  }

  t.test('one sign-in that waits, answered by ten codes that are all right: one signs in, and one is used up', async (t) => {
    const { user, codes } = await person()
    const one = await challenge(user.email)
    const before = await sessionsOf(user.id)
    const answers = await Promise.all(Array.from({ length: SENT }, (_, at) => post('mfa', { challenge: one, method: 'recovery_code', code: codes[at % codes.length] }, at)))
    t.equal(winners(answers).length, 1, statuses(answers))
    t.equal(await sessionsOf(user.id), before + 1)
    t.equal(await prisma.recoveryCode.count({ where: { userId: user.id } }), 9)
  })

  t.test('one answer of a passkey: one signs in', async (t) => {
    const somebody = await as.signUp()
    const { passkey } = await addPasskey(somebody.headers, createAuthenticator({ origin: app.publicOrigin() }))
    const assertion = passkey.assert(expectJson<{ challenge: string }>(await send('POST', '/auth/passkey/options'), 200))
    const before = await sessionsOf(somebody.user.id)
    const answers = await Promise.all(Array.from({ length: SENT }, (_, at) => post('passkey', { assertion }, at)))
    t.equal(winners(answers).length, 1, statuses(answers))
    // 503: more wait for the database than it has connections
    t.ok(answers.every(({ statusCode }) => [200, 401, 503].includes(statusCode)), statuses(answers))
    t.equal(await sessionsOf(somebody.user.id), before + 1)
  })
})
