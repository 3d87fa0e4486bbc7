// Rules of OAuth clients: where people may be sent, what scopes are written like, what keys check signatures, what fits together.
import { generateKeyPairSync } from 'node:crypto'
import t from 'tap'
import { completed, faultsOf, type NewClient } from '../../src/clients/client-rules.js'
import { isUsableKeySet, readKeySet } from '../../src/clients/key-set-rules.js'
import { isOwnMachine, isRegistered, redirectFault } from '../../src/clients/redirect-rules.js'
import { identifierFault, resourceFaults } from '../../src/clients/resource-rules.js'
import { parseScope, permissionsOf } from '../../src/clients/scope-rules.js'

t.test('redirect schemes: nothing that a browser runs, reads or asks somebody else with is an address to come back to', async (t) => {
  const refused = [
    'javascript:alert(1)', 'JavaScript:alert(1)', 'java%73cript:alert(1)', 'data:text/html,x', 'file:///etc/passwd', 'ftp://example.com/cb', 'blob:https://example.com/x', 'vbscript:x', 'about:blank', 'view-source:https://example.com/', 'ws://example.com/',
    'http://example.com/cb', 'http://127.0.0.1.example.com/cb', 'http://localhost.example.com/', 'http://127.1/cb', 'http://0x7f000001/cb', 'http://2130706433/', 'http://[::ffff:127.0.0.1]/cb', 'http://0.0.0.0/cb',
    'https://user@example.com/cb', 'https://user:pass@example.com/cb', 'https://@example.com/', 'https://example.com@evil.example/cb', 'https://example.com/cb#', 'https://example.com/cb#fragment', 'com.example.app:/cb#x',
    'https://example.com\\@evil.example/cb', 'https:\\\\example.com\\cb', 'https:/example.com/cb', 'https:example.com', 'https:///example.com/cb', '//example.com/cb', '/cb', 'example.com/cb', '', ' https://example.com/cb', 'https://example.com/cb ', 'https://exa\tmple.com/cb', 'https://example.com/\n',
    'https://example.com/a/../cb', 'https://example.com/%2e%2e/cb', 'https://EXAMPLE.com/cb', 'https://example.com:443/cb', 'https://ex%61mple.com/cb', 'https://example.com/%00', 'https://example.com/%0d%0aset-cookie', 'https://example.com/%zz', 'https://*.example.com/cb', 'https://example.com/*', 'https://b\u00fccher.example/cb', 'https://example.com/\u202e',
    'myapp:/cb', 'myapp://cb', 'COM.example.app:/cb', '.app:/cb', 'com..app:/cb', 'com.example.app', 'urn:ietf:wg:oauth:2.0:oob', `https://example.com/${'a'.repeat(1_000)}`, 'com.example.app://user@host/cb',
  ]
  for (const uri of refused) for (const kind of ['web', 'native'] as const) t.type(redirectFault(uri, kind), 'string', `${kind}: ${uri.slice(0, 60)}`)
  for (const uri of ['https://example.com', 'https://example.com/', 'https://example.com/cb?a=b&c=%20d', 'https://example.com:8443/cb', 'http://localhost/cb', 'http://127.0.0.1:3000/cb', 'http://[::1]:3000/cb', 'https://xn--bcher-kva.example/cb', 'https://192.0.2.1/cb']) {
    t.equal(redirectFault(uri, 'web'), null, uri)
    t.equal(redirectFault(uri, 'native'), null, uri)
  }
  for (const uri of ['com.example.app:/cb', 'com.example.app://cb?x=1']) {
    t.equal(redirectFault(uri, 'native'), null, uri)
    t.type(redirectFault(uri, 'web'), 'string', `${uri} is no address of a web client`)
  }
})

t.test('what is asked for is registered to the letter; on loopback a native client has any port', async (t) => {
  const native = { kind: 'native' as const, redirectUris: ['http://127.0.0.1/cb', 'http://localhost:8080/cb?x=1', 'com.example.app:/cb', 'https://example.com/cb'] }
  for (const uri of ['http://127.0.0.1/cb', 'http://127.0.0.1:51234/cb', 'http://localhost/cb?x=1', 'http://localhost:9/cb?x=1', 'com.example.app:/cb', 'https://example.com/cb']) t.ok(isRegistered(uri, native), uri)
  for (const uri of ['http://127.0.0.1:51234/cb/', 'http://127.0.0.1:51234/cb?x', 'http://127.0.0.1:1@evil.example/cb', 'http://localhost:1/cb', 'http://[::1]/cb', 'https://example.com:8443/cb', 'https://example.com/cb?', 'com.example.app:/cb2', 'http://127.0.0.1:99999/cb', 'http://127.0.0.1:0x1/cb', 'http://127.0.0.1:/cb#']) t.notOk(isRegistered(uri, native), uri)
  const web = { ...native, kind: 'web' as const }
  t.ok(isRegistered('http://127.0.0.1/cb', web))
  t.notOk(isRegistered('http://127.0.0.1:51234/cb', web))
  t.same(['https://a.example/', 'http://127.0.0.1/', 'com.example.app:/'].map(isOwnMachine), [false, true, true])
})

t.test('scopes are names divided by spaces, each once, and bounded', async (t) => {
  t.same(parseScope('b a  b'), ['b', 'a'])
  t.same(parseScope(''), [])
  for (const text of ['a\tb', 'a"b', 'a\\b', '\u00e4', 'a'.repeat(101), 'a '.repeat(50_000)]) t.equal(parseScope(text), null, text.slice(0, 20))
  const scopes = [{ name: 'r', description: '', permissions: ['x:read'] }, { name: 'w', description: '', permissions: ['x:read', 'x:write'] }]
  t.same(permissionsOf(scopes, ['r', 'w', 'other']), ['x:read', 'x:write'])
})

t.test('a resource has an identifier of its own, and its scopes are worth nothing of Gatehouse', async (t) => {
  const own = 'https://auth.example.com'
  for (const good of ['https://api.example.com', 'https://api.example.com/mcp', 'http://localhost:3000/mcp', 'urn:example:api', 'api://reports']) t.equal(identifierFault(good, own), null, good)
  for (const bad of ['', 'api', '/api', 'https://auth.example.com', 'https://auth.example.com/api/v1', 'https://a.example/#x', 'https://u@a.example/', 'javascript:x', 'ftp://x.example', 'https://a.example/ x']) t.type(identifierFault(bad, own), 'string', bad)
  const scope = (name: string, ...permissions: string[]) => ({ name, description: '', permissions })
  t.same(resourceFaults({ scopes: [scope('a', 'x:read'), scope('b')] }), [])
  t.same(resourceFaults({ scopes: [scope('openid'), scope('a', 'gatehouse:users.read', '*'), scope('a', 'gatehouse:*')] }).map(({ path }) => path), ['/scopes/0/name', '/scopes/1/permissions/0', '/scopes/1/permissions/1', '/scopes/2/name', '/scopes/2/permissions/0'])
})

t.test('keys of a client are public, strong, and for signatures', async (t) => {
  const jwk = (pair: { publicKey: { export: (options: { format: 'jwk' }) => object } }, more: object = {}) => ({ ...pair.publicKey.export({ format: 'jwk' }), ...more }) as Record<string, unknown>
  const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2_048 })
  const weak = generateKeyPairSync('rsa', { modulusLength: 1_024 })
  const ed = generateKeyPairSync('ed25519')
  t.same(readKeySet({ keys: [jwk(ec, { kid: 'a', use: 'sig' }), jwk(rsa), jwk(ed), jwk(weak), jwk(ec, { use: 'enc' }), ec.privateKey.export({ format: 'jwk' }), { kty: 'oct', k: 'AAAA' }, {}, null, 'x'] }).map(({ kid, algorithms }) => [kid, algorithms]),
    [['a', ['ES256']], [null, ['RS256', 'PS256']], [null, ['EdDSA']]])
  t.same(readKeySet({ keys: [jwk(rsa, { alg: 'RS256' }), jwk(rsa, { alg: 'HS256' })] }).map(({ algorithms }) => algorithms), [['RS256']])
  for (const nothing of [null, {}, { keys: 'x' }, []]) t.same(readKeySet(nothing), [])
  t.ok(isUsableKeySet({ keys: [jwk(ec), jwk(rsa), jwk(ed)] }))
  for (const bad of [[], [jwk(weak)], [jwk(ec), ec.privateKey.export({ format: 'jwk' }) as Record<string, unknown>], [{ kty: 'oct', k: 'AAAA' }]]) t.notOk(isUsableKeySet({ keys: bad }))
})

t.test('what does not fit together in a client is named', async (t) => {
  const pathsOf = (input: Omit<NewClient, 'name'>): string[] => faultsOf(completed({ name: 'n', ...input })).map(({ path }) => path).toSorted()
  const redirectUris = ['https://a.example/cb']
  t.same(pathsOf({ kind: 'web', redirectUris }), [])
  t.same(pathsOf({ kind: 'native', redirectUris: ['com.example.app:/cb'] }), [])
  t.same(pathsOf({ kind: 'service' }), [])
  t.same(pathsOf({ kind: 'resource' }), [])
  t.same(pathsOf({ kind: 'web' }), ['/redirectUris'])
  t.same(pathsOf({ kind: 'web', redirectUris, authMethod: 'none', grantTypes: ['authorization_code', 'client_credentials'], requirePkce: false }), ['/grantTypes', '/requirePkce'])
  t.same(pathsOf({ kind: 'service', authMethod: 'none', redirectUris, scopes: ['openid'], firstParty: true }), ['/authMethod', '/firstParty', '/grantTypes', '/redirectUris', '/scopes'])
  t.same(pathsOf({ kind: 'resource', grantTypes: ['client_credentials'] }), ['/grantTypes'])
  t.same(pathsOf({ kind: 'web', redirectUris, grantTypes: ['refresh_token'] }), ['/grantTypes', '/redirectUris'])
  t.same(pathsOf({ kind: 'web', redirectUris, authMethod: 'private_key_jwt' }), ['/jwks'])
  t.same(pathsOf({ kind: 'web', redirectUris: ['javascript:x'], clientUri: 'http://a.example', policyUri: 'https://u@a.example', jwksUri: 'ftp://x', backchannelLogoutUri: 'https://a.example/#x', postLogoutRedirectUris: ['/x'] }),
    ['/backchannelLogoutUri', '/clientUri', '/jwksUri', '/policyUri', '/postLogoutRedirectUris/0', '/redirectUris/0'])
})
