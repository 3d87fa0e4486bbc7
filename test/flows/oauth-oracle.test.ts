// What is wrong with a request is told by the same word, in the same place, as by another implementation; where ours differs, this file says how and why.
import t from 'tap'
import { startApp } from '../support/app.js'
import { API, basic, oauthHouse, pkce } from '../support/oauth.js'
import { type Asked, ORACLE_CALLBACK, startOracle, wordOf } from '../support/oauth-oracle.js'

const { challenge } = pkce()

type Fields = Record<string, string | undefined>

const textOf = (fields: Fields): string => new URLSearchParams(Object.entries(fields).flatMap(([name, value]) => (value === undefined ? [] : [[name, value] as [string, string]]))).toString()

function authorizeCases(clientId: string): [string, Asked][] {
  const base: Fields = { client_id: clientId, response_type: 'code', redirect_uri: ORACLE_CALLBACK, scope: 'openid email', state: 's', nonce: 'n', code_challenge: challenge, code_challenge_method: 'S256' }
  const one = (name: string, more: Fields): [string, Asked] => [`authorize: ${name}`, { endpoint: 'authorize', text: textOf({ ...base, ...more }) }]
  const values: Record<string, string[]> = {
    response_type: ['token', 'id_token', 'code token', 'code id_token', 'id_token token', 'none', 'CODE', 'bogus', 'code code'], response_mode: ['query', 'fragment', 'form_post', 'web_message', 'bogus', 'jwt'],
    redirect_uri: ['https://evil.example/', `${ORACLE_CALLBACK}/`, `${ORACLE_CALLBACK}?a=1`, `${ORACLE_CALLBACK}#x`, 'javascript:alert(1)', 'x', '/cb', 'https://APP.example.com/cb', 'http://app.example.com/cb', 'https://app.example.com:443/cb', 'https://app.example.com/./cb'],
    prompt: ['none', 'none login', 'none none', 'bogus', 'login bogus', 'consent', 'login consent', 'select_account', 'create'], max_age: ['-1', 'abc', '0', '1.5', '1e3', ' 5', '10000', '99999999999999999999'],
    claims: ['{', '[]', '"x"', 'null', '{}', '{"userinfo":1}', '{"id_token":[]}', '{"userinfo":{"email":null}}', '{"id_token":{"acr":{"essential":true,"values":["x"]}}}'],
    code_challenge: ['x', 'a'.repeat(42), 'a'.repeat(44), 'a'.repeat(129), `${'a'.repeat(42)}!`, `${'a'.repeat(42)}=`], code_challenge_method: ['plain', 's256', 'S512', 'none'], id_token_hint: ['x', 'a.b.c', 'e30.e30.'],
    request: ['x', 'a.b.c', 'eyJhbGciOiJub25lIn0.e30.'], request_uri: ['https://app.example.com/request', 'urn:ietf:params:oauth:request_uri:nothing', 'http://127.0.0.1/', 'x'], registration: ['{}'], scope: ['openid', 'openid nothing', 'offline_access openid', 'email openid'],
    client_id: ['nobody', 'x'.repeat(500)], login_hint: ['ada'], ui_locales: ['de en'], claims_locales: ['de'], display: ['page', 'popup', 'bogus'], acr_values: ['x'], unknown: ['x'], resource: [API, 'https://nowhere.example', 'x', `${API}#x`], nonce: ['x'.repeat(64)], state: ['x'.repeat(64)], web_message_uri: ['x'], id_token: ['x'], code: ['x'],
  }
  return [
    ...Object.keys(base).map((name) => one(`no ${name}`, { [name]: undefined })),
    ...Object.keys(base).map((name) => one(`empty ${name}`, { [name]: '' })),
    ...Object.keys(base).map((name): [string, Asked] => [`authorize: ${name} twice`, { endpoint: 'authorize', text: `${textOf(base)}&${textOf({ [name]: base[name] })}` }]),
    ...Object.entries(values).flatMap(([name, list]) => list.map((value) => one(`${name}=${value.slice(0, 50)}`, { [name]: value }))),
    one('no challenge at all', { code_challenge: undefined, code_challenge_method: undefined }), one('nothing wrong', {}),
    ['authorize: nothing', { endpoint: 'authorize', text: '' }],
  ]
}

function endpointCases(web: Record<string, string>, service: Record<string, string>, clientId: string): [string, Asked][] {
  const at = (endpoint: Asked['endpoint'], name: string, fields: Fields | string, headers = web): [string, Asked] => [`${endpoint}: ${name}`, { endpoint, text: typeof fields === 'string' ? fields : textOf(fields), headers }]
  const code = { grant_type: 'authorization_code', code: 'x', redirect_uri: ORACLE_CALLBACK, code_verifier: 'a'.repeat(43) }
  const own = { grant_type: 'client_credentials' }
  const push = { client_id: clientId, response_type: 'code', redirect_uri: ORACLE_CALLBACK, scope: 'openid', code_challenge: challenge, code_challenge_method: 'S256' }
  const bad: [string, Record<string, string>][] = [['no client', {}], ['a wrong secret', basic(clientId, 'x')], ['an unknown client', basic('nobody', 'x')], ['Basic that is none', { authorization: 'Basic x' }], ['Basic without a colon', { authorization: `Basic ${Buffer.from('x').toString('base64')}` }], ['Bearer', { authorization: 'Bearer x' }]]
  return [
    ...(['token', 'par', 'introspect', 'revoke'] as const).flatMap((endpoint) => bad.map(([name, headers]) => at(endpoint, name, endpoint === 'par' ? push : endpoint === 'token' ? code : { token: 'x' }, headers))),
    at('token', 'no grant_type', {}), at('token', 'empty grant_type', { grant_type: '' }), ...['password', 'implicit', 'bogus', 'urn:ietf:params:oauth:grant-type:jwt-bearer', 'urn:ietf:params:oauth:grant-type:device_code'].map((name) => at('token', `grant_type=${name}`, { grant_type: name })),
    at('token', 'a wrong code', code), at('token', 'no code', { ...code, code: undefined }), at('token', 'an empty code', { ...code, code: '' }), at('token', 'no redirect_uri', { ...code, redirect_uri: undefined }), at('token', 'no verifier', { ...code, code_verifier: undefined }), at('token', 'a short verifier', { ...code, code_verifier: 'x' }),
    ...Object.entries(code).map(([name, value]) => at('token', `${name} twice`, `${textOf(code)}&${textOf({ [name]: value })}`)),
    at('token', 'a wrong refresh token', { grant_type: 'refresh_token', refresh_token: 'x' }), at('token', 'no refresh token', { grant_type: 'refresh_token' }), at('token', 'two secrets', { ...code, client_secret: 'x' }), at('token', 'another client_id', { ...code, client_id: 'nobody' }),
    at('token', 'JSON', '{"grant_type":"client_credentials"}', { ...service, 'content-type': 'application/json' }),
    at('token', 'client_credentials, not this client\'s', own), at('token', 'client_credentials', { ...own, resource: API }, service), at('token', 'client_credentials, a scope', { ...own, resource: API, scope: 'read' }, service), at('token', 'client_credentials, another scope', { ...own, resource: API, scope: 'read admin' }, service), at('token', 'client_credentials, openid', { ...own, resource: API, scope: 'openid' }, service),
    at('token', 'client_credentials, another resource', { ...own, resource: 'https://nowhere.example' }, service), at('token', 'client_credentials, a resource that is none', { ...own, resource: 'x' }, service), at('token', 'authorization_code, not this client\'s', code, service), at('token', 'refresh_token, not this client\'s', { grant_type: 'refresh_token', refresh_token: 'x' }, service),
    at('introspect', 'no token', {}), at('introspect', 'a wrong token', { token: 'x' }), at('introspect', 'token twice', 'token=x&token=x'), at('introspect', 'a hint', { token: 'x', token_type_hint: 'bogus' }),
    at('revoke', 'no token', {}), at('revoke', 'a wrong token', { token: 'x' }), at('revoke', 'token twice', 'token=x&token=x'), at('revoke', 'a hint', { token: 'x', token_type_hint: 'bogus' }),
    at('par', 'as it is', push), at('par', 'another redirect_uri', { ...push, redirect_uri: 'https://evil.example/' }), at('par', 'request_uri', { ...push, request_uri: 'urn:ietf:params:oauth:request_uri:x' }), at('par', 'no response_type', { ...push, response_type: undefined }), at('par', 'plain', { ...push, code_challenge_method: 'plain' }), at('par', 'no challenge', { ...push, code_challenge: undefined, code_challenge_method: undefined }),
    at('par', 'another client_id', { ...push, client_id: 'nobody' }), at('par', 'scope twice', `${textOf(push)}&scope=openid`), at('par', 'token', { ...push, response_type: 'token' }), at('par', 'a request object', { ...push, request: 'a.b.c' }), at('par', 'a bad prompt', { ...push, prompt: 'none login' }), at('par', 'a bad max_age', { ...push, max_age: 'x' }),
    ...(['GET', 'POST'] as const).flatMap((method) => ([['no token', {}], ['a wrong token', { authorization: 'Bearer x' }], ['Basic', web]] as [string, Record<string, string>][]).map(([name, headers]): [string, Asked] => [`userinfo: ${method}, ${name}`, { endpoint: 'userinfo', method, text: '', headers }])),
  ]
}

/** Where ours differs: why, and for which requests ours and the other's word. */
const DIFFERENCES = new Map(([
  ['the address always stands in the request (OpenID Connect Core 3.1.2.1): it is compared to the letter', [
    ['authorize: no redirect_uri', 'page', 'sign-in'],
    ['authorize: empty redirect_uri', 'page', 'sign-in'],
  ]],
  ['RFC 6749 3.3 calls a scope that is left out an invalid one', [
    ['authorize: no scope', 'redirect invalid_scope', 'redirect invalid_request'],
    ['authorize: empty scope', 'redirect invalid_scope', 'redirect invalid_request'],
  ]],
  ['of what was sent twice nothing is believed, the address to send people to included', [
    ['authorize: response_type twice', 'page', 'redirect invalid_request'],
    ['authorize: redirect_uri twice', 'page', 'redirect invalid_request'],
    ['authorize: scope twice', 'page', 'redirect invalid_request'],
    ['authorize: state twice', 'page', 'redirect invalid_request'],
    ['authorize: nonce twice', 'page', 'redirect invalid_request'],
    ['authorize: code_challenge twice', 'page', 'redirect invalid_request'],
    ['authorize: code_challenge_method twice', 'page', 'redirect invalid_request'],
  ]],
  ['RFC 6749 4.1.2.1 has a word for it', [
    ['authorize: response_type=id_token', 'redirect unsupported_response_type', 'redirect invalid_request'],
    ['authorize: response_type=code id_token', 'redirect unsupported_response_type', 'redirect invalid_request'],
    ['authorize: response_type=none', 'redirect unsupported_response_type', 'redirect invalid_request'],
  ]],
  ['it is no response type', [
    ['authorize: response_type=code code', 'redirect unsupported_response_type', 'sign-in'],
  ]],
  ['codes come back in the query alone', [
    ['authorize: response_mode=fragment', 'redirect invalid_request', 'sign-in'],
    ['authorize: response_mode=form_post', 'redirect invalid_request', 'sign-in'],
  ]],
  ['no standard names the other\'s word', [
    ['authorize: response_mode=web_message', 'redirect invalid_request', 'redirect unsupported_response_mode'],
    ['authorize: response_mode=bogus', 'redirect invalid_request', 'redirect unsupported_response_mode'],
    ['authorize: response_mode=jwt', 'redirect invalid_request', 'redirect unsupported_response_mode'],
  ]],
  ['none stands alone', [
    ['authorize: prompt=none none', 'redirect invalid_request', 'redirect login_required'],
  ]],
  ['ours can do it', [
    ['authorize: prompt=select_account', 'sign-in', 'redirect invalid_request'],
  ]],
  ['a number is written in digits', [
    ['authorize: max_age=1e3', 'redirect invalid_request', 'sign-in'],
    ['authorize: max_age= 5', 'redirect invalid_request', 'sign-in'],
  ]],
  ['it asks for nothing, which is not wrong', [
    ['authorize: claims={}', 'sign-in', 'redirect invalid_request'],
  ]],
  ['a challenge of S256 has 43 characters', [
    ['authorize: code_challenge=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa', 'redirect invalid_request', 'sign-in'],
  ]],
  ['RFC 8707 2 tells the client', [
    ['authorize: resource=https://nowhere.example', 'redirect invalid_target', 'page'],
  ]],
  ['RFC 6749 5.2: nobody has proven to be a client', [
    ['token: no client', '401 invalid_client', '400 invalid_request'],
    ['token: Basic that is none', '401 invalid_client', '400 invalid_request'],
    ['token: Basic without a colon', '401 invalid_client', '400 invalid_request'],
    ['token: Bearer', '401 invalid_client', '400 invalid_request'],
    ['par: Basic that is none', '401 invalid_client', '400 invalid_request'],
    ['par: Basic without a colon', '401 invalid_client', '400 invalid_request'],
    ['par: Bearer', '401 invalid_client', '400 invalid_request'],
    ['introspect: no client', '401 invalid_client', '400 invalid_request'],
    ['introspect: Basic that is none', '401 invalid_client', '400 invalid_request'],
    ['introspect: Basic without a colon', '401 invalid_client', '400 invalid_request'],
    ['introspect: Bearer', '401 invalid_client', '400 invalid_request'],
    ['revoke: no client', '401 invalid_client', '400 invalid_request'],
    ['revoke: Basic that is none', '401 invalid_client', '400 invalid_request'],
    ['revoke: Basic without a colon', '401 invalid_client', '400 invalid_request'],
    ['revoke: Bearer', '401 invalid_client', '400 invalid_request'],
  ]],
  ['a parameter that is missing is an invalid request', [
    ['token: no redirect_uri', '400 invalid_request', '400 invalid_grant'],
  ]],
  ['RFC 6749 5.2 has a word for it', [
    ['token: client_credentials, not this client\'s', '400 unauthorized_client', '400 invalid_request'],
    ['token: authorization_code, not this client\'s', '400 unauthorized_client', '400 invalid_request'],
    ['token: refresh_token, not this client\'s', '400 unauthorized_client', '400 invalid_request'],
  ]],
  ['a client that acts for itself is told what it may not have', [
    ['token: client_credentials, another scope', '400 invalid_scope', '200'],
    ['token: client_credentials, openid', '400 invalid_scope', '200'],
  ]],
  ['RFC 9126 2.1 refuses the parameter', [
    ['par: request_uri', '400 invalid_request', '400 request_uri_not_supported'],
  ]],
  ['RFC 6750 3: what is no Bearer token is no valid one', [
    ['userinfo: GET, Basic', '401 invalid_token', '400 invalid_request'],
    ['userinfo: POST, Basic', '401 invalid_token', '400 invalid_request'],
  ]],
] as [string, [string, string, string][]][]).flatMap(([why, list]) => list.map(([name, own, other]) => [name, [own, other, why]] as const)))

t.test('about 200 requests that something may be wrong with', async (t) => {
  const main = await startApp(t)
  const { app } = main
  const { client, resource } = await oauthHouse(main)
  await resource(API)
  const web = await client({ kind: 'web', redirectUris: [ORACLE_CALLBACK], resources: [API], scopes: ['openid', 'profile', 'email', 'offline_access', 'read'] })
  const service = await client({ kind: 'service', resources: [API], scopes: ['read'] })
  const both = { web: { clientId: web.clientId, clientSecret: web.clientSecret ?? '' }, service: { clientId: service.clientId, clientSecret: service.clientSecret ?? '' } }
  const oracle = await startOracle(t, both, API)
  const ours = async ({ endpoint, method = endpoint === 'authorize' || endpoint === 'userinfo' ? 'GET' : 'POST', text, headers = {} }: Asked): Promise<string> => {
    const answer = await app.inject({
      method, url: `/oauth/${endpoint}${method === 'GET' && text !== '' ? `?${text}` : ''}`, headers: { ...(method === 'POST' ? { 'content-type': 'application/x-www-form-urlencoded' } : {}), ...headers }, ...(method === 'POST' ? { payload: text } : {}),
    })
    return wordOf(answer.statusCode, answer.headers.location === undefined ? null : answer.headers.location, answer.body)
  }
  const cases = [...authorizeCases(web.clientId), ...endpointCases(basic(both.web.clientId, both.web.clientSecret), basic(both.service.clientId, both.service.clientSecret), web.clientId)]
  t.ok(cases.length >= 150, `${cases.length} requests`)
  for (const [name, asked] of cases) {
    const [own, other] = [await ours(asked), await oracle.ask(asked)]
    const known = DIFFERENCES.get(name)
    if (known === undefined) t.equal(own, other, name)
    else t.same([own, other], known.slice(0, 2), `${name}: ${known[2]}`)
  }
  t.same([...DIFFERENCES.keys()].filter((name) => !cases.some(([one]) => one === name)), [], 'no difference is told of a request that is not made')
})

