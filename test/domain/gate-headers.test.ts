// What gateways tell of a request, which headers are theirs alone, and what a request asks to be upgraded to.
import t from 'tap'
import { GATEWAYS, lastAddress, PROFILES } from '../../src/gate/profiles.js'
import { isReserved, reservedHeaderOf, upgradeOf } from '../../src/gate/reserved-headers.js'

t.test('gateways: what they tell, and the answers they can pass on', async (t) => {
  const forwarded = { 'x-forwarded-method': 'PUT', 'x-forwarded-host': 'h', 'x-forwarded-uri': '/u', 'x-forwarded-proto': 'https', 'x-forwarded-for': '6.6.6.6, 10.0.0.1' }
  const original = { 'x-original-method': 'PUT', 'x-original-host': 'h', 'x-original-uri': '/u', 'x-original-proto': 'https', 'x-original-address': '10.0.0.1' }
  const told = { method: 'PUT', host: 'h', target: '/u', protocol: 'https' }
  for (const gateway of ['caddy', 'traefik'] as const) {
    t.same(PROFILES[gateway].read({ method: 'GET', url: `/gate/${gateway}?/other`, headers: forwarded }), { ...told, addresses: '6.6.6.6, 10.0.0.1' })
    t.equal(PROFILES[gateway].read({ method: 'GET', url: '/', headers: original }).target, '', 'nothing but its own headers')
  }
  for (const gateway of ['nginx', 'haproxy'] as const) {
    t.same(PROFILES[gateway].read({ method: 'GET', url: `/gate/${gateway}`, headers: original }), { ...told, addresses: '10.0.0.1' })
    t.equal(PROFILES[gateway].read({ method: 'GET', url: '/', headers: forwarded }).target, '', 'nothing but its own headers')
  }
  const envoy = PROFILES.envoy.read({ method: 'PUT', url: '/gate/envoy/a/b?c', headers: { ...forwarded, ...original, host: 'real' } })
  t.same(envoy, { method: 'PUT', host: 'real', target: '/a/b?c', protocol: 'https', addresses: '6.6.6.6, 10.0.0.1' })
  for (const [told, page] of [['ws', 'http'], ['wss', 'https'], ['http', 'http'], ['', '']] as const) {
    for (const gateway of ['caddy', 'traefik', 'envoy'] as const) t.equal(PROFILES[gateway].read({ method: 'GET', url: '/gate/envoy/', headers: { 'x-forwarded-proto': told } }).protocol, page, `${gateway} ${told}`)
  }
  t.same(PROFILES.caddy.read({ method: 'GET', url: '/', headers: { 'x-forwarded-method': ['GET', 'PUT'] } }), { method: '', host: '', target: '', protocol: '', addresses: '' }, 'a header that comes twice tells nothing')
  t.same(['', '10.0.0.1', '6.6.6.6, 10.0.0.1', 'a,b, ::1 '].map(lastAddress), ['', '10.0.0.1', '10.0.0.1', '::1'])
  t.same([200, 400, 401, 403, 429, 500, 503].map((status) => PROFILES.nginx.status(status)), [200, 403, 401, 403, 403, 403, 403])
  t.same([299, 300].map((status) => PROFILES.nginx.status(status)), [299, 403])
  for (const gateway of ['caddy', 'traefik', 'envoy', 'haproxy'] as const) t.same([200, 400, 401, 403, 429, 503].map((status) => PROFILES[gateway].status(status)), [200, 400, 401, 403, 429, 503])
})

t.test('header names that servers join are one name, and nothing but the gateway may use it', async (t) => {
  for (const name of ['x_auth_subject', 'x.auth.subject', 'x-auth_key-id', 'x~auth~type', 'x!original!url', 'x-original', 'x_rewrite_anything', 'x-http-method', 'x.http.method.override', 'x-method-override', 'x_method', 'x-forwarded', "x'forwarded'for", 'x-auth-actor']) {
    t.ok(isReserved(name), name)
  }
  for (const name of ['x-api-key', 'x-request-id', 'x-author', 'x-authorization', 'x-originals', 'x-forward', 'xauth-subject', 'x--auth-subject', 'x-methods', 'auth-subject', 'x-auth-token', 'x-http-version']) t.notOk(isReserved(name), name)
  for (const gateway of GATEWAYS) {
    t.equal(reservedHeaderOf(gateway, { host: 'h', cookie: 'a', 'x-api-key': 'k', 'x-auth-subject': 'root', 'x-request-id': 'r' }), undefined, `${gateway}: replaced in this spelling`)
    for (const name of ['x_auth_subject', 'x-original-url', 'x-rewrite-url', 'x-http-method-override', 'x_forwarded_for', 'x-forwarded-whatever']) t.equal(reservedHeaderOf(gateway, { [name]: '' }), name, `${gateway} ${name}`)
  }
  t.equal(reservedHeaderOf('caddy', { 'x-original-uri': '/u' }), 'x-original-uri', 'what another gateway sets is a client\'s here')
  t.equal(reservedHeaderOf('nginx', { 'x-forwarded-uri': '/u' }), 'x-forwarded-uri')
  t.equal(reservedHeaderOf('traefik', { 'x-forwarded-port': '443', 'x-forwarded-uri': '/u' }), undefined)
})

t.test('what a request asks to be upgraded to', async (t) => {
  const handshake = { 'sec-websocket-key': 'dGhl', 'sec-websocket-version': '13' }
  const cases: [Record<string, string>, string, string | null][] = [
    [{}, 'GET', null], [{ upgrade: '' }, 'GET', null], [{ 'x-original-upgrade': '' }, 'POST', null], [{ upgrade: 'websocket', ...handshake }, 'GET', 'websocket'], [{ upgrade: 'WebSocket' }, 'GET', 'websocket'],
    [{ 'x-original-upgrade': 'websocket' }, 'GET', 'websocket'], [{ ...handshake }, 'GET', 'websocket'], [{ 'sec-websocket-key': 'x' }, 'GET', 'websocket'],
    [{ upgrade: 'h2c' }, 'GET', 'other'], [{ upgrade: 'websocket, h2c' }, 'GET', 'other'], [{ upgrade: 'h2c, websocket', ...handshake }, 'GET', 'other'], [{ 'x-original-upgrade': 'h2c' }, 'GET', 'other'], [{ 'http2-settings': 'AAA' }, 'GET', 'other'],
    [{ upgrade: 'websocket', 'http2-settings': '' }, 'GET', 'other'], [{ upgrade: 'websocket' }, 'POST', 'other'], [{ ...handshake }, 'PUT', 'other'], [{ upgrade: 'websocket', 'sec-websocket-version': '1337' }, 'GET', 'other'],
    [{ upgrade: 'websocket/13' }, 'GET', 'other'], [{}, 'CONNECT', 'other'], [{ upgrade: 'websocket', 'x-original-upgrade': 'h2c' }, 'GET', 'websocket'],
  ]
  for (const [headers, method, meant] of cases) t.equal(upgradeOf(headers, method), meant, `${method} ${JSON.stringify(headers)}`)
})

t.test('what each gateway sets anew is taken from it, and from no other', async (t) => {
  const identity = ['x-auth-subject', 'x-auth-type', 'x-auth-key-id', 'x-auth-organization', 'x-auth-permissions']
  const original = ['method', 'host', 'uri', 'proto', 'address', 'upgrade'].map((name) => `x-original-${name}`)
  const forwarded = ['for', 'proto', 'host', 'method', 'uri'].map((name) => `x-forwarded-${name}`)
  const more = ['port', 'server', 'prefix', 'tls-client-cert', 'tls-client-cert-info'].map((name) => `x-forwarded-${name}`)
  const own = { nginx: original, haproxy: original, caddy: forwarded, traefik: [...forwarded, ...more], envoy: ['x-forwarded-for', 'x-forwarded-proto'] }
  for (const gateway of GATEWAYS) {
    const taken = [...identity, ...original, ...forwarded, ...more].filter((name) => reservedHeaderOf(gateway, { [name]: '' }) === undefined)
    t.same(taken, [...identity, ...[...original, ...forwarded, ...more].filter((name) => own[gateway].includes(name))], gateway)
  }
  for (const name of ['my-x-auth-subject', 'x-auth-subjects', 'x-auth-type-of', 'x-methods-of']) t.notOk(isReserved(name), name)
  t.equal(reservedHeaderOf('nginx', { 'my-x-original-uri': '', 'a_x_method': '' }), undefined)
})

t.test('a handshake by its headers alone is one, whatever stands empty beside it', async (t) => {
  const cases: [Record<string, string | string[]>, string, string | null][] = [
    [{ upgrade: '', 'sec-websocket-key': 'x' }, 'GET', 'websocket'], [{ 'sec-websocket-version': '13' }, 'GET', 'websocket'], [{ 'sec-websocket-version': '12' }, 'GET', 'other'], [{ upgrade: ['websocket'] }, 'GET', 'other'],
    [{ upgrade: '', 'sec-websocket-version': '13' }, 'POST', 'other'], [{ upgrade: 'Stryker was here!' }, 'GET', 'other'],
  ]
  for (const [headers, method, meant] of cases) t.equal(upgradeOf(headers, method), meant, JSON.stringify(headers))
})
