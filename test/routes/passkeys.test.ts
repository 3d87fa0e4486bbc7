// Passkeys, by a software authenticator: added, first factor, second factor, step-up, and what must not pass.
import t from 'tap'
import { expectJson, PASSWORD, startApp } from '../support/app.js'
import { type AuthenticatorFaults, createAuthenticator } from '../support/authenticator.js'
import { factorHelpers } from '../support/factors.js'

const { app, as, clock, database: { prisma } } = await startApp(t, { config: { accessTokenSeconds: 86_400 } })
const { send, addPasskey, challenge } = factorHelpers(app, as, clock)
const origin = app.publicOrigin()
interface Options { challenge: string; user: { id: string }; allowCredentials?: { id: string }[]; rpId: string; userVerification: string }
const options = async (path: string, headers: object = {}, payload?: object) => expectJson<Options>(await send('POST', path, headers, payload), 200)
const outcome = async (answer: ReturnType<typeof send>): Promise<string> => {
  const { statusCode, body } = await answer
  return statusCode >= 400 ? `${statusCode} ${(JSON.parse(body) as { code: string }).code}` : `${statusCode}`
}
const signIn = (assertion: object) => send('POST', '/auth/passkey', {}, { assertion })
const withPasskey = async (passkey = createAuthenticator({ origin })) => {
  const somebody = await as.signUp()
  return { ...somebody, ...(await addPasskey(somebody.headers, passkey)) }
}

t.test('a passkey that verifies its owner signs in alone, and is two factors', async (t) => {
  const { user, passkey, recoveryCodes } = await withPasskey(createAuthenticator({ origin, isSynced: true }))
  t.equal(recoveryCodes?.length, 10)
  t.match(await prisma.passkey.findFirst({ where: { userId: user.id } }), { isSynced: true, isBackedUp: true, counter: 0n, transports: ['internal'] }, 'its backup flags are kept')
  const given = await options('/auth/passkey/options')
  t.match(given, { rpId: 'localhost', userVerification: 'required' })
  t.equal(given.allowCredentials, undefined, 'nothing tells who has an account')
  const assertion = passkey.assert(given)
  const done = expectJson<{ user: object; accessToken: string }>(await signIn(assertion), 200)
  t.match(done, { status: 'signed_in', user: { id: user.id } })
  t.match(JSON.parse(Buffer.from(done.accessToken.split('.')[1] ?? '', 'base64url').toString()), { amr: ['swk', 'user', 'mfa'], acr: 'urn:gatehouse:mfa' })
  t.equal(await outcome(signIn(assertion)), '401 factor.invalid', 'a challenge is answered once')
  const late = await options('/auth/passkey/options')
  clock.advance(300_000)
  t.equal(await outcome(signIn(passkey.assert(late))), '401 factor.invalid', 'within five minutes')
})

t.test('options for signing in are the same for everybody, whatever is sent along', async (t) => {
  const { user } = await withPasskey()
  for (const path of ['/auth/passkey/options', '/auth/session/passkey/options']) {
    const seen = await Promise.all([{}, { email: user.email }, { email: 'nobody@example.com' }, { userId: user.id }].map(async (payload) => {
      const answer = await send('POST', path, {}, payload)
      const { challenge: given, ...rest } = answer.json<{ challenge: string }>()
      return JSON.stringify([answer.statusCode, Object.keys(answer.headers), rest, given.length])
    }))
    t.same([...new Set(seen)], seen.slice(0, 1), path)
  }
})

t.test('401 factor.invalid for whatever is not as it should be', async (t) => {
  const { passkey } = await withPasskey()
  const other = await withPasskey()
  const wrong: Record<string, AuthenticatorFaults> = {
    'another origin': { origin: 'https://evil.example' }, 'another port': { origin: 'http://localhost:1' }, 'another relying party': { rpId: 'evil.example' }, 'a parent domain': { rpId: 'host' },
    'no verification of its owner': { isVerified: false }, 'a challenge of somebody\'s own': { challenge: Buffer.alloc(54).toString('base64url') },
    'no name of whose it is': { userHandle: null }, 'an empty name': { userHandle: '' }, 'the name of somebody else': { userHandle: Buffer.from(other.user.id.replaceAll('-', ''), 'hex').toString('base64url') },
    'a registration\'s type': { type: 'webauthn.create' }, 'a frame of somebody else\'s page': { crossOrigin: true },
  }
  for (const [what, faults] of Object.entries(wrong)) t.equal(await outcome(signIn(passkey.assert(await options('/auth/passkey/options'), faults))), '401 factor.invalid', what)
  const unknown = createAuthenticator({ origin })
  t.equal(await outcome(signIn(unknown.assert(await options('/auth/passkey/options'), { userHandle: Buffer.from(other.user.id.replaceAll('-', ''), 'hex').toString('base64url') }))), '401 factor.invalid', 'a passkey that nobody knows')
  const forged = { ...unknown.assert(await options('/auth/passkey/options'), { userHandle: Buffer.from(other.user.id.replaceAll('-', ''), 'hex').toString('base64url') }), id: other.passkey.id, rawId: other.passkey.id }
  t.equal(await outcome(signIn(forged)), '401 factor.invalid', 'another\'s id over a signature of one\'s own')
  t.equal(await outcome(signIn({ ...passkey.assert(await options('/auth/passkey/options')), extra: 1 })), '400 request.invalid')
})

t.test('a counter that goes back is a copy, where the authenticator keeps one', async (t) => {
  const { passkey } = await withPasskey(createAuthenticator({ origin, counts: true }))
  t.equal(await outcome(signIn(passkey.assert(await options('/auth/passkey/options')))), '200')
  for (const counter of [0, 1, 2]) t.equal(await outcome(signIn(passkey.assert(await options('/auth/passkey/options'), { counter }))), '401 factor.invalid', `${counter} after 2`)
  t.equal(await outcome(signIn(passkey.assert(await options('/auth/passkey/options'), { counter: 9 }))), '200')
  const { passkey: keepsNone } = await withPasskey()
  for (let at = 0; at < 2; at += 1) t.equal(await outcome(signIn(keepsNone.assert(await options('/auth/passkey/options')))), '200', 'none is kept')
})

t.test('as a second factor it answers a challenge of its owner, and of nobody else', async (t) => {
  const ada = await withPasskey(createAuthenticator({ origin, isVerified: false }))
  const eve = await withPasskey()
  const waiting = await challenge(ada.user.email)
  const given = await options('/auth/mfa/passkey-options', {}, { challenge: waiting })
  t.same(given.allowCredentials?.map(({ id }) => id), [ada.passkey.id])
  const answer = (assertion: object, to = waiting) => send('POST', '/auth/mfa', {}, { challenge: to, method: 'passkey', assertion })
  t.equal(await outcome(answer(eve.passkey.assert(given))), '401 factor.invalid', 'a passkey of somebody else')
  const evesOwn = await options('/auth/mfa/passkey-options', {}, { challenge: await challenge(eve.user.email) })
  t.equal(await outcome(answer(ada.passkey.assert(evesOwn))), '401 factor.invalid', 'what was made for another challenge')
  t.equal(await outcome(answer(ada.passkey.assert(await options('/auth/passkey/options')))), '401 factor.invalid', 'what was made for signing in')
  t.equal(await outcome(signIn(ada.passkey.assert(given))), '401 factor.invalid', 'nor the other way round')
  t.equal(await outcome(answer(ada.passkey.assert(given))), '200', 'without verification: the password was the other factor')
  t.equal(await outcome(send('POST', '/auth/mfa/passkey-options', {}, { challenge: waiting })), '401 challenge.invalid')
})

t.test('with a cookie it is held to the browser that asked', async (t) => {
  const { user, passkey } = await withPasskey()
  const asked = await send('POST', '/auth/session/passkey/options')
  const cookie = asked.cookies.map(({ name, value }) => `${name}=${value}`).join('; ')
  const given = expectJson<Options>(asked, 200)
  const other = await send('POST', '/auth/session/passkey/options')
  const others = other.cookies.map(({ name, value }) => `${name}=${value}`).join('; ')
  const withCookie = (assertion: object, headers: object) => send('POST', '/auth/session/passkey', headers, { assertion })
  t.equal(await outcome(withCookie(passkey.assert(given), {})), '401 factor.invalid', 'no browser')
  t.equal(await outcome(withCookie(passkey.assert(given), { cookie: others })), '401 factor.invalid', 'another one')
  t.equal(await outcome(withCookie(passkey.assert(given), { cookie, origin: 'https://evil.example' })), '403 csrf.invalid')
  t.equal(await outcome(signIn(passkey.assert(given))), '401 factor.invalid', 'and gives no tokens')
  t.match(expectJson(await withCookie(passkey.assert(given), { cookie }), 201), { status: 'signed_in', user: { id: user.id } })
})

t.test('it is added in the session that asked, once, and by no other', async (t) => {
  const ada = await as.signUp()
  const eve = await as.signUp()
  const passkey = createAuthenticator({ origin })
  const add = (headers: object, registration: object) => send('POST', '/me/factors/passkeys', headers, { name: 'Key', registration })
  const given = await options('/me/factors/passkeys/options', ada.headers)
  t.equal(given.user.id, Buffer.from(ada.user.id.replaceAll('-', ''), 'hex').toString('base64url'))
  t.equal(await outcome(add(eve.headers, passkey.register(given))), '401 factor.invalid')
  const { accessToken } = expectJson<{ accessToken: string }>(await send('POST', '/auth/login', {}, { email: ada.user.email, password: PASSWORD }), 200)
  t.equal(await outcome(add(as.bearer(accessToken), passkey.register(given))), '401 factor.invalid', 'another session of hers')
  for (const faults of [{ origin: 'https://evil.example' }, { rpId: 'evil.example' }, { type: 'webauthn.get' }, { challenge: 'AAAA' }]) {
    t.equal(await outcome(add(ada.headers, passkey.register(given, faults))), '401 factor.invalid', JSON.stringify(faults))
  }
  const registration = passkey.register(given)
  t.equal(await outcome(add(ada.headers, registration)), '201')
  t.equal(await outcome(add(ada.headers, registration)), '401 factor.invalid', 'once')
  const again = await options('/me/factors/passkeys/options', eve.headers)
  t.equal(await outcome(add(eve.headers, passkey.register(again))), '409 factor.taken', 'and no passkey is of two')
})

t.test('it proves once more who one is', async (t) => {
  const { headers, passkey, factor } = await withPasskey()
  const other = await withPasskey()
  clock.advance(600_001)
  t.equal(await outcome(send('DELETE', `/me/factors/${factor.id}`, headers)), '401 login.stepup')
  const given = await options('/auth/stepup/passkey-options', headers)
  const prove = (as_: object, assertion: object) => send('POST', '/auth/stepup', as_, { method: 'passkey', assertion })
  t.equal(await outcome(prove(headers, other.passkey.assert(given))), '401 factor.invalid', 'not another\'s')
  t.equal(await outcome(prove(other.headers, passkey.assert(given))), '401 factor.invalid', 'nor in another session')
  t.equal(await outcome(prove(headers, passkey.assert(given))), '200')
  t.equal(await outcome(send('DELETE', `/me/factors/${factor.id}`, headers)), '204')
  t.equal(await outcome(signIn(passkey.assert(await options('/auth/passkey/options')))), '401 factor.invalid', 'removed')
})

t.test('there are twenty at most, and the options of strangers leave no rows', async (t) => {
  const { headers } = await as.signUp()
  for (let at = 0; at < 20; at += 1) await addPasskey(headers)
  const given = await options('/me/factors/passkeys/options', headers)
  t.equal(await outcome(send('POST', '/me/factors/passkeys', headers, { name: 'x', registration: createAuthenticator({ origin }).register(given) })), '409 factor.cap_reached')
  const before = await prisma.usedPasskeyChallenge.count()
  for (let at = 0; at < 5; at += 1) await options('/auth/passkey/options')
  t.equal(await prisma.usedPasskeyChallenge.count(), before)
})
