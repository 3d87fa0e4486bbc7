// The rules of signing in by others: what a provider's words are worth, what becomes of who comes, and where the browser may be sent.
import { generateKeyPairSync } from 'node:crypto'
import t from 'tap'
import { claimsOfPostedUser, emailOf, isTemplateOf, issuerOfTenant, nameOf, subjectOf, trustedEmail } from '../../src/federation/claims-rules.js'
import { type ArrivalFacts, judgeArrival, type Verdict } from '../../src/federation/link-rules.js'
import { completed, faultsOf, type Flavour, flavourOf, GITHUB_ISSUER } from '../../src/federation/provider-rules.js'
import { isReturnPath, withOutcome } from '../../src/federation/return-path.js'
import { problem } from '../../src/kernel/errors.js'
import { failureOf, reasonOf, UpstreamFault } from '../../src/federation/upstream-failure.js'

const ADA = 'ada@example.com'

t.test('an address is believed by what each provider says, and by nothing that looks like it', async (t) => {
  const believed = (flavour: Flavour, claims: object, trustedEmailDomains = ['*'], isMultiTenant = false) => trustedEmail({ flavour, trustedEmailDomains }, { claims: { email: ADA, ...claims }, isMultiTenant })
  const words: [unknown, Partial<Record<Flavour, boolean>>][] = [
    [true, { generic: true, github: true, apple: true }],
    ['true', { apple: true }], // Apple documents a text
    [undefined, {}], [null, {}], [false, {}], ['false', {}], ['TRUE', {}], ['1', {}], [1, {}], ['yes', {}], [{}, {}], [[true], {}],
  ]
  for (const [word, who] of words) {
    for (const flavour of ['generic', 'github', 'apple', 'google', 'microsoft'] as const) {
      t.equal(believed(flavour, { email_verified: word }), who[flavour] === true ? ADA : null, `${flavour}: ${JSON.stringify(word)}`)
    }
  }
  t.equal(believed('google', { email: 'ada@gmail.com', email_verified: true }), 'ada@gmail.com', 'Google, of its own')
  t.equal(believed('google', { email_verified: true, hd: 'example.com' }), ADA, 'Google, of the Workspace')
  t.equal(believed('google', { email_verified: true, hd: 'other.example' }), null, 'Google, of another Workspace')
  t.equal(believed('google', { email: 'ada@gmail.com', email_verified: 'true' }), null, 'Google, as a text')
  t.equal(believed('microsoft', { email_verified: true }), null, 'Microsoft says nothing by it')
  for (const [word, yes] of [[true, true], [1, true], ['1', true], ['true', false], [false, false], [0, false], [undefined, false]] as const) t.equal(believed('microsoft', { xms_edov: word }), yes ? ADA : null, `xms_edov ${JSON.stringify(word)}`)
  for (const flavour of ['generic', 'microsoft', 'apple', 'google'] as const) t.equal(believed(flavour, { email_verified: true, xms_edov: true, hd: 'example.com' }, ['*'], true), null, `${flavour} for many tenants: never (nOAuth)`)
  t.equal(believed('generic', { email_verified: true }, []), null, 'of no domain by default')
  t.equal(believed('generic', { email_verified: true }, ['example.com']), ADA)
  for (const other of ['xample.com', 'www.example.com', 'example.com.evil.example', 'com', 'example.co']) t.equal(believed('generic', { email_verified: true }, [other]), null, `trusted with ${other}`)
  for (const email of [undefined, null, 7, '', 'ada', 'ada@', 'a b@example.com', 'ada@example.com@evil.example', `${'a'.repeat(300)}@example.com`, 'ada\u200b@example.com', ['ada@example.com']]) t.equal(believed('generic', { email, email_verified: true }), null, JSON.stringify(email))
  t.equal(believed('generic', { email: 'ＡDA@EXAMPLE.com', email_verified: true }, ['example.com']), ADA, 'in the one spelling that accounts have')
})

t.test('a subject is compared to the letter, and is printable', async (t) => {
  for (const good of ['1', 'a b', '00u1~x', 'x'.repeat(255)]) t.equal(subjectOf(good), good)
  for (const bad of ['', ' ', ' a', 'a ', 'x'.repeat(256), 'ä', 'a\nb', 'a\u0000', 7, null, undefined, ['a'], {}]) t.equal(subjectOf(bad), null, JSON.stringify(bad))
  t.equal(emailOf({ email: 'Ada@Example.com' }), ADA, 'an address is shown whether it is believed or not')
})

t.test('a name is what can be shown', async (t) => {
  t.equal(nameOf({ name: ' Ada ' }), 'Ada')
  t.equal(nameOf({ given_name: 'Ada', family_name: 'Lovelace' }), 'Ada Lovelace')
  for (const claims of [{}, { name: 7 }, { name: 'x'.repeat(201) }, { name: 'Ada\u202e' }, { name: 'Ada\u0000' }]) t.equal(nameOf(claims), '', JSON.stringify(claims).slice(0, 30))
  t.equal(nameOf(claimsOfPostedUser('{"name":{"firstName":"Ada","lastName":"Lovelace"},"email":"evil@example.com"}')), 'Ada Lovelace')
  t.same(Object.keys(claimsOfPostedUser('{"name":{"firstName":"Ada"},"email":"evil@example.com","sub":"1","email_verified":true}')).toSorted(), ['family_name', 'given_name'], 'and nothing else is taken from what nobody has signed')
  for (const text of [null, '', 'x', '[]', '7', 'null', '{"name":7}', '{"name":null}', `{"name":{"firstName":"${'x'.repeat(2_000)}"}}`]) t.equal(nameOf(claimsOfPostedUser(text)), '', String(text).slice(0, 20))
})

t.test('an issuer for many tenants is one tenant\'s in the end', async (t) => {
  const template = 'https://login.example/{tenantid}/v2.0'
  const tenant = '0a1b2c3d-0000-4000-8000-00000000000a'
  t.ok(isTemplateOf('https://login.example/organizations/v2.0', template))
  t.ok(isTemplateOf('https://login.example/common/v2.0', template))
  for (const [configured, said] of [
    ['https://login.example/realms/common', 'https://login.example/realms/common'], ['https://login.example/organizations/v2.0', 'https://evil.example/{tenantid}/v2.0'], ['https://login.example/x/v2.0', template],
    ['https://login.example/common/v2.0', 'https://login.example/{tenantid}/v1.0'], ['https://login.example/uncommon/v2.0', template],
  ] as const) t.notOk(isTemplateOf(configured, said), `${configured} ${said}`)
  t.equal(issuerOfTenant(template, tenant, []), `https://login.example/${tenant}/v2.0`)
  t.equal(issuerOfTenant(template, tenant.toUpperCase(), [tenant]), `https://login.example/${tenant.toUpperCase()}/v2.0`)
  for (const bad of ['', 'common', '../x', `${tenant}/x`, `${tenant}\n`, '{tenantid}', null, undefined, 7, [tenant]]) t.equal(issuerOfTenant(template, bad, []), null, JSON.stringify(bad))
  t.equal(issuerOfTenant(template, '0a1b2c3d-0000-4000-8000-00000000000b', [tenant]), null, 'not one of those that may come')
})

t.test('what becomes of who comes: each edge', async (t) => {
  const login = { kind: 'login' } as const
  const link = { kind: 'link', userId: 'me', sessionId: 's' } as const
  const stepup = { kind: 'stepup', userId: 'me', sessionId: 's' } as const
  const table: [Partial<ArrivalFacts>, Verdict][] = [
    [{ ownerId: 'u' }, { act: 'sign_in', userId: 'u' }],
    [{ ownerId: 'u', accountOfEmail: 'v' }, { act: 'sign_in', userId: 'u' }],
    [{}, { act: 'sign_up' }],
    [{ maySignUp: false }, { act: 'refuse', code: 'signup.closed' }],
    [{ accountOfEmail: 'v' }, { act: 'ask_to_link', userId: 'v' }],
    [{ accountOfEmail: 'v', maySignUp: false }, { act: 'ask_to_link', userId: 'v' }],
    [{ intent: link }, { act: 'link', userId: 'me' }],
    [{ intent: link, maySignUp: false }, { act: 'link', userId: 'me' }],
    [{ intent: link, ownerId: 'me' }, { act: 'linked', userId: 'me' }],
    [{ intent: link, ownerId: 'u' }, { act: 'refuse', code: 'identity.taken' }],
    [{ intent: link, accountOfEmail: 'v' }, { act: 'link', userId: 'me' }],
    [{ intent: stepup, ownerId: 'me' }, { act: 'step_up', userId: 'me' }],
    [{ intent: stepup, ownerId: 'u' }, { act: 'refuse', code: 'identity.other' }],
    [{ intent: stepup }, { act: 'refuse', code: 'identity.other' }],
    [{ intent: stepup, accountOfEmail: 'me' }, { act: 'refuse', code: 'identity.other' }],
  ]
  for (const [facts, verdict] of table) t.same(judgeArrival({ intent: login, ownerId: null, accountOfEmail: null, maySignUp: true, ...facts }), verdict, JSON.stringify(facts))
})

t.test('the browser is sent to a path of this origin and nowhere else', async (t) => {
  for (const good of ['/', '/app', '/app?x=1&y=%20', '/a/b.c~d', '/ui/sign-in?next=%2Fapp', '/@x', '/%2e%2e', `/${'x'.repeat(499)}`]) {
    t.ok(isReturnPath(good) === (good !== '/%2e%2e'), good.slice(0, 30))
  }
  for (const bad of ['', 'app', '//evil.example', '///evil.example', '/\\evil.example', '\\/evil.example', '/\t/evil.example', '/.//evil.example', '/..//evil.example', '/a/..//evil.example', '/x/../y', 'https://evil.example', 'javascript:alert(1)',
    '/app#x', '/a b', '/ä', '/\n', ' /app', '/%00/../x', '/app\\x', `/${'x'.repeat(12_000)}`, '/.', '/./', '?x', '#']) t.notOk(isReturnPath(bad), JSON.stringify(bad.slice(0, 30)))
  t.equal(withOutcome('/app?tab=1&error=x', { federation: 'failed', error: 'identity.taken' }), '/app?tab=1&error=identity.taken&federation=failed', 'what the path says of itself does not count')
})

t.test('a provider is checked, and what is wrong is said without a secret', async (t) => {
  const pem = (curve: string) => generateKeyPairSync('ec', { namedCurve: curve }).privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
  const key = (privateKey: string) => ({ clientKey: { teamId: 't', keyId: 'k', privateKey } })
  t.same(faultsOf({ name: 'Apple', issuer: 'https://appleid.apple.com', ...key(pem('P-256')) }), [])
  const wrong: [object, string][] = [
    [{ name: ' ' }, '/name'], [{ name: 'a\u202eb' }, '/name'], [{ issuer: 'https://a.example?x' }, '/issuer'], [{ issuer: 'https://a.example#x' }, '/issuer'],
    [{ clientSecret: 'hunter2hunter2', ...key(pem('P-256')) }, '/clientKey'], [key(pem('P-384')), '/clientKey/privateKey'], [key('hunter2hunter2'), '/clientKey/privateKey'], [key(''), '/clientKey/privateKey'],
    [key(generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()), '/clientKey/privateKey'],
  ]
  for (const [fields, path] of wrong) {
    const faults = faultsOf(fields)
    t.same(faults.map((fault) => fault.path), [path])
    t.notOk(JSON.stringify(faults).includes('hunter2'))
  }
  t.match(completed({ kind: 'github', name: 'GitHub', clientId: 'x' }), { issuer: GITHUB_ISSUER, scopes: ['read:user', 'user:email'], formPost: false, enabled: true, signUp: 'policy', trustedEmailDomains: [] })
  t.match(completed({ kind: 'oidc', name: 'X', issuer: 'https://a.example', clientId: 'x', scopes: ['email'] }), { scopes: ['openid', 'email'], formPost: false })
  t.match(completed({ kind: 'oidc', name: 'Apple', issuer: 'https://appleid.apple.com', clientId: 'x' }), { formPost: true })
  const flavours: [Parameters<typeof flavourOf>[0], Flavour][] = [
    [{ kind: 'github', issuer: GITHUB_ISSUER, hasClientKey: false }, 'github'], [{ kind: 'oidc', issuer: 'https://accounts.google.com', hasClientKey: false }, 'google'],
    [{ kind: 'oidc', issuer: 'https://login.microsoftonline.com/x/v2.0', hasClientKey: false }, 'microsoft'], [{ kind: 'oidc', issuer: 'https://appleid.apple.com', hasClientKey: false }, 'apple'],
    [{ kind: 'oidc', issuer: 'https://a.example', hasClientKey: true }, 'apple'], [{ kind: 'oidc', issuer: 'https://accounts.google.com.evil.example', hasClientKey: false }, 'generic'],
  ]
  for (const [facts, flavour] of flavours) t.equal(flavourOf(facts), flavour, facts.issuer)
})

t.test('a failure is answered without details, and logged without secrets', async (t) => {
  t.equal(failureOf(new Error('x', { cause: new UpstreamFault(503) })).code, 'provider.unavailable')
  t.equal(failureOf(new Error('whatever')).code, 'federation.refused')
  t.equal(failureOf(problem('identity.taken')).code, 'identity.taken')
  t.equal(reasonOf(new Error('unexpected JWT claim', { cause: new Error('token eyJhbGciOi...{"sub":"x"}') })), 'unexpected JWT claim')
  t.equal(reasonOf(new Error('<script>')), 'unknown')
})
