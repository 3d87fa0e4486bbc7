// The pure rules of second factors: codes of authenticator apps, recovery codes, challenges of passkeys.
import t from 'tap'
import { Secret } from 'otpauth'
import { createPasskeyChallenges } from '../../src/factors/passkey-challenges.js'
import { newRecoveryCode, recoveryCodeHash } from '../../src/factors/recovery-code-rules.js'
import { newTotpSecret, readCode, stepOfCode, totpUri } from '../../src/factors/totp-rules.js'
import { assuranceOf, isMet, MULTI_FACTOR, ONE_FACTOR, stepUpChallenge } from '../../src/kernel/assurance.js'
import { createSecrets } from '../../src/kernel/secrets.js'
import { fakeClock } from '../support/clock.js'

t.test('codes are those of RFC 6238 (appendix B, SHA-1; the last six of its eight digits)', async (t) => {
  const secret = Secret.fromLatin1('12345678901234567890').base32
  const vectors: [number, string][] = [
    [59, '94287082'], [1_111_111_109, '07081804'], [1_111_111_111, '14050471'], [1_234_567_890, '89005924'], [2_000_000_000, '69279037'], [20_000_000_000, '65353130'],
  ]
  for (const [seconds, code] of vectors) {
    t.equal(stepOfCode(secret, code.slice(2), seconds * 1_000), Math.floor(seconds / 30), `${seconds}`)
    t.equal(stepOfCode(secret, code, seconds * 1_000), null, 'eight digits are none of ours')
  }
  const at = 1_234_567_890_000
  for (const [drift, seen] of [[-60_000, null], [-30_000, 41_152_263], [30_000, 41_152_263], [60_000, null]] as const) {
    t.equal(stepOfCode(secret, '005924', at + drift), seen, `${drift} ms off, it is of its own half minute or of none`)
  }
  for (const wrong of ['', '00592', '0059240', '00592x', '-05924', ' 05924', '٠٠٥٩٢٤']) t.equal(stepOfCode(secret, wrong, at), null, JSON.stringify(wrong))
  t.equal(readCode(' 005-924 '), '005924', 'as it is typed')
})

t.test('a secret has 160 bits, and its URI says what an app needs', async (t) => {
  const secret = newTotpSecret()
  t.equal(Secret.fromBase32(secret).bytes.length, 20)
  t.not(newTotpSecret(), secret)
  const uri = new URL(totpUri(secret, { issuer: 'auth.example.com:8443', account: 'ada@example.com' }))
  t.equal(uri.protocol, 'otpauth:')
  t.match(Object.fromEntries(uri.searchParams), { secret, algorithm: 'SHA1', digits: '6', period: '30', issuer: 'auth.example.com 8443' })
})

t.test('recovery codes have 80 bits, are of one user, and are read as people write', async (t) => {
  const codes = new Set(Array.from({ length: 200 }, newRecoveryCode))
  t.equal(codes.size, 200)
  const code = '0123-4567-89ab-cdef'
  const kept = recoveryCodeHash('u', code)
  for (const typed of ['0123 4567 89AB CDEF', 'o123456789abcdef', '0l23-4567-89ab-cdef', '0I23-4567-89AB-CDEF']) t.same(recoveryCodeHash('u', typed), kept, typed)
  t.notSame(recoveryCodeHash('v', code), kept)
  for (const wrong of ['', '0123-4567-89ab', '0123-4567-89ab-cdeu', `${code}0`]) t.equal(recoveryCodeHash('u', wrong), null, wrong)
  for (const one of codes) t.match(one, /^[0-9a-hjkmnp-tv-z]{4}(-[0-9a-hjkmnp-tv-z]{4}){3}$/)
})

t.test('a challenge of a passkey is good for what and whom it was made, for five minutes', async (t) => {
  const clock = fakeClock()
  const challenges = createPasskeyChallenges({ secrets: createSecrets('a secret of the tests, long enough for it'), clock, use: async () => true })
  const purpose = { act: 'mfa', boundTo: 'x' } as const
  const made = challenges.make(purpose)
  t.ok(challenges.isGood(made, purpose))
  t.notOk(challenges.isGood(made, { act: 'mfa', boundTo: 'y' }))
  t.notOk(challenges.isGood(made, { act: 'step_up', boundTo: 'x' }))
  const bytes = Buffer.from(made, 'base64url')
  for (let at = 0; at < bytes.length; at += 1) {
    const changed = Buffer.from(bytes)
    changed[at] = (changed[at] ?? 0) ^ 1
    if (challenges.isGood(changed.toString('base64url'), purpose)) t.fail(`byte ${at} does not matter`)
  }
  for (const wrong of ['', made.slice(1), `${made}=`, `${made}A`, 'a'.repeat(72)]) t.notOk(challenges.isGood(wrong, purpose), wrong)
  clock.advance(299_999)
  t.ok(challenges.isGood(made, purpose))
  clock.advance(1)
  t.notOk(challenges.isGood(made, purpose))
})

t.test('what an act asks for is met by what was proven, late and well enough, in a session', async (t) => {
  t.same(assuranceOf({ amr: ['pwd', 'otp'], isMultiFactor: true }, new Date(5)), { amr: ['pwd', 'otp', 'mfa'], acr: MULTI_FACTOR, authTime: new Date(5) })
  t.same(assuranceOf({ amr: ['pwd'] }, new Date(5)), { amr: ['pwd'], acr: ONE_FACTOR, authTime: new Date(5) })
  const at = { acr: ONE_FACTOR, authTimeMs: 1_000 }
  t.ok(isMet({}, at, 9_000))
  t.ok(isMet({ maxAgeSeconds: 8 }, at, 9_000))
  t.notOk(isMet({ maxAgeSeconds: 8 }, at, 9_001))
  t.ok(isMet({ acr: ONE_FACTOR }, { ...at, acr: MULTI_FACTOR }, 9_000))
  t.notOk(isMet({ acr: MULTI_FACTOR }, at, 9_000))
  t.notOk(isMet({}, {}, 9_000), 'a key')
  t.equal(stepUpChallenge({ maxAgeSeconds: 600, acr: MULTI_FACTOR }).replace(/error_description="[^"]+", /, ''), 'error="insufficient_user_authentication", acr_values="urn:gatehouse:mfa", max_age="600"')
})
