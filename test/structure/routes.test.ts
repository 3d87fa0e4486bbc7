// The route inventory: what every route declares, that the OpenAPI document holds exactly these routes, and that no
// route file is silently left out.
import { join } from 'node:path'
import { Ajv } from 'ajv'
import t from 'tap'
import type { RouteOptions } from 'fastify'
import { ERRORS } from '../../src/kernel/errors.js'
import { startApp } from '../support/app.js'
import { filesBelow, none, ROOT } from '../support/sources.js'

interface Schema {
  type?: string
  properties?: Record<string, Schema>
  additionalProperties?: unknown
  examples?: unknown[]
  anyOf?: Schema[]
  items?: Schema
}

interface Operation {
  summary?: string
  tags?: string[]
  responses: Record<string, { content?: Record<string, { examples?: Record<string, unknown> }> }>
}

interface Document {
  openapi: string
  paths: Record<string, Record<string, Operation>>
}

const { app } = await startApp(t)
const answer = await app.inject({ url: '/openapi.json' })
const document = answer.json<Document>()
/** the document's paths without a closing slash, which clients do not write */
const paths = Object.fromEntries(Object.entries(document.paths).map(([path, item]) => [openApiPath(path), item]))

function methodsOf({ method }: RouteOptions): string[] {
  return [method].flat().filter((one) => one !== 'HEAD')
}

/** Routes as documented: with their methods, without HEAD twins and the files of /docs. */
const routes = app.inventory.filter((route) => route.config?.asset !== true && methodsOf(route).length > 0)
const nameOf = (route: RouteOptions): string => `${methodsOf(route).join('|')} ${route.url}`

function openApiPath(url: string): string {
  return url.replace(/:([^/]+)/g, '{$1}').replace(/(.)\/$/, '$1')
}

function answersOf(route: RouteOptions): [string, Schema][] {
  return Object.entries((route.schema?.response ?? {}) as Record<string, Schema>)
}

function declares({ config }: RouteOptions, code: string): boolean {
  return config?.declares?.has(code) ?? false
}

/** Paths of the objects inside a schema that take properties they do not name. */
function openObjects(schema: Schema, path = 'body'): string[] {
  const inside = [
    ...Object.entries(schema.properties ?? {}).flatMap(([name, one]) => openObjects(one, `${path}.${name}`)),
    ...(schema.anyOf ?? []).flatMap((one) => openObjects(one, path)),
    ...(schema.items ? openObjects(schema.items, `${path}[]`) : []),
  ]
  return schema.properties && schema.additionalProperties !== false ? [path, ...inside] : inside
}

t.test('every route file takes part', async (t) => {
  const files = filesBelow('routes', /\.ts$/).filter((path) => !path.endsWith('schema.ts'))
  t.ok(files.length >= 9, 'the route files were found')
  for (const path of files) {
    t.equal(path.split('/').at(-1), 'index.ts', `${path} is named index.ts, or schema.ts`)
    const module = await import(join(ROOT, path)) as { default?: unknown }
    t.type(module.default, 'function', `${path} has a default export: autoload skips a file without one and says nothing`)
    const folder = path.split('/').slice(1, -1).join('/').replaceAll('/_', '/:')
    const prefix = /^(ui|oauth)/.test(folder) ? `/${folder}` : `/api/v1/${folder}`
    const own = app.inventory.filter(({ url }) => url === prefix || url.startsWith(`${prefix}/`))
    t.ok(own.length > 0, `${path} adds routes below ${prefix}`)
  }
})

t.test('every route says who may call it', async (t) => {
  const known = /^(public|user|service|loopback|gatehouse:[a-z]+(\.[a-z]+)?)$/
  none(t, routes.filter(({ config }) => !config?.access?.length).map((route) => `${nameOf(route)} declares no access`), 'access is declared')
  none(t, routes.flatMap((route) => (route.config?.access ?? []).filter((one) => !known.test(one)).map((one) => `${nameOf(route)}: unknown access ${one}`)), 'of a known form')
  none(t, routes.filter(({ config }) => config?.access?.includes('public') && config.access.length > 1).map((route) => `${nameOf(route)} is public and something else`), 'public stands alone')
  // each of these was decided one by one: a new public route must be added here by hand
  const open = routes.filter(({ config }) => config?.access?.includes('public')).flatMap((route) => methodsOf(route).map((method) => `${method} ${route.url.replace(/(.)\/$/, '$1')}`))
  t.same(open.toSorted(), PUBLIC_ROUTES.toSorted(), 'the public routes are these')
})

t.test('every page says who may see it, and every form of a page proves where it comes from', async (t) => {
  const pages = app.inventory.filter(({ url }) => url.startsWith('/ui/'))
  t.ok(pages.length > 5)
  none(t, pages.filter(({ config }) => !config?.access?.length).map((route) => `${nameOf(route)} declares no access`), 'access is declared')
  none(t, pages.filter((route) => methodsOf(route).some((one) => one !== 'GET') && (route.config?.csrfField !== true || [route.preValidation ?? []].flat().length === 0)).map((route) => `${nameOf(route)} takes forms of anybody`), 'forms are ours')
  none(t, app.inventory.filter(({ url, config }) => config?.csrfField === true && !url.startsWith('/ui/')).map((route) => `${nameOf(route)} is no page`), 'and nothing else is looked at later')
  const open = pages.filter(({ config }) => config?.access?.includes('public')).flatMap((route) => methodsOf(route).map((method) => `${method} ${route.url.replace(/(.)\/$/, '$1')}`))
  t.same([...new Set(open)].toSorted(), PUBLIC_PAGES.toSorted(), 'the public pages are these')
})

t.test('every OAuth endpoint is one of these, and answers in the words of its standard', async (t) => {
  const endpoints = app.inventory.filter(({ url, method }) => url.startsWith('/oauth/') && String(method) !== 'HEAD').flatMap((route) => methodsOf(route).map((method) => `${method} ${route.url.replace(/(.)\/$/, '$1')}`))
  t.same([...new Set(endpoints)].toSorted(), OAUTH_ROUTES.toSorted())
  none(t, app.inventory.filter(({ url, config }) => url.startsWith('/oauth/') && config?.rateLimit === false && config.provesClient !== true).map((route) => `${nameOf(route)} is limited by nothing`), 'each is limited')
})

const OAUTH_ROUTES = ['OPTIONS /oauth/*', 'GET /oauth/authorize', 'GET /oauth/logout', 'POST /oauth/logout', 'DELETE /oauth/register/:id', 'GET /oauth/register/:id', 'POST /oauth/register', 'PUT /oauth/register/:id', 'GET /oauth/protected-resource', 'GET /oauth/userinfo', 'POST /oauth/authorize', 'POST /oauth/introspect', 'POST /oauth/par', 'POST /oauth/revoke', 'POST /oauth/token', 'POST /oauth/userinfo']

// what a stranger may see and send
const PUBLIC_PAGES = [
  'GET /ui/account-deleted', 'GET /ui/assets/:name', 'GET /ui/confirm', 'GET /ui/confirm-address', 'GET /ui/federated', 'GET /ui/forgot', 'GET /ui/invitation', 'GET /ui/join', 'GET /ui/problem', 'GET /ui/reset', 'GET /ui/sent', 'GET /ui/sign-in', 'GET /ui/sign-up', 'GET /ui/signed-out', 'GET /ui/verify', 'POST /ui/confirm', 'POST /ui/confirm-address', 'POST /ui/forgot', 'POST /ui/invitation', 'POST /ui/reset', 'POST /ui/sign-in', 'POST /ui/sign-up', 'POST /ui/verify',
  ...['', '/code', '/open'].flatMap((page) => [`GET /ui/magic-link${page}`, `POST /ui/magic-link${page}`]),
]

const PUBLIC_ROUTES = [
  // with every other method, too: a gateway may ask with the client's
  ...['caddy', 'envoy', 'haproxy', 'nginx', 'traefik'].map((gateway) => `GET /gate/${gateway}`),
  'DELETE /api/v1/auth/providers/link',
  'GET /',
  'GET /.well-known/change-password',
  'GET /.well-known/passkey-endpoints',
  'GET /.well-known/jwks.json', 'GET /.well-known/oauth-authorization-server', 'GET /.well-known/openid-configuration',
  'GET /api/v1/auth/providers',
  'GET /api/v1/auth/providers/:id/callback',
  'GET /api/v1/auth/providers/link',
  'GET /livez',
  'GET /openapi.json',
  'GET /readyz',
  'POST /api/v1/auth/anonymous', 'POST /api/v1/auth/login',
  'POST /api/v1/auth/magic-link', 'POST /api/v1/auth/magic-link/take',
  'POST /api/v1/auth/mfa',
  'POST /api/v1/auth/mfa/passkey-options',
  'POST /api/v1/auth/passkey',
  'POST /api/v1/auth/passkey/options',
  'POST /api/v1/auth/email/change', 'POST /api/v1/auth/email/verify',
  'POST /api/v1/auth/invitations/accept',
  'POST /api/v1/auth/password/forgot', 'POST /api/v1/auth/password/reset',
  'POST /api/v1/auth/providers/:id/callback',
  'POST /api/v1/auth/providers/:id/start',
  'POST /api/v1/auth/providers/token',
  'POST /api/v1/auth/refresh',
  'POST /api/v1/auth/session',
  'POST /api/v1/auth/session/magic-link', 'POST /api/v1/auth/session/magic-link/take',
  'POST /api/v1/auth/session/mfa',
  'POST /api/v1/auth/session/passkey',
  'POST /api/v1/auth/session/passkey/options',
  'POST /api/v1/auth/signup', 'POST /api/v1/auth/signup/confirm',
  'POST /api/v1/setup',
]

t.test('every route is described, and its answers have schemas with examples', async (t) => {
  none(t, routes.filter(({ schema }) => !schema?.summary || !schema.tags?.length).map((route) => `${nameOf(route)} has no summary or no tags`), 'summary and tags')
  none(t, routes.filter((route) => !answersOf(route).some(([status]) => /^[23]/.test(status))).map((route) => `${nameOf(route)} has no schema for its success`), 'a schema for success')
  const bodies = routes.flatMap((route) => (route.schema?.body ? [[route, route.schema.body as Schema] as const] : []))
  t.ok(bodies.length >= 10, 'bodies were found')
  none(t, bodies.flatMap(([route, body]) => openObjects(body).map((path) => `${nameOf(route)}: ${path} takes unknown properties, use strict()`)), 'bodies are closed')
  none(t, bodies.filter(([, body]) => !body.examples?.length).map(([route]) => `${nameOf(route)}: the body has no examples`), 'bodies have examples')
  const answers = routes.flatMap((route) => answersOf(route).filter(([status, schema]) => status.startsWith('2') && schema.type === 'object').map(([, schema]) => [route, schema] as const))
  none(t, answers.filter(([, schema]) => !schema.examples?.length).map(([route]) => `${nameOf(route)}: the answer has no examples`), 'answers have examples')
})

t.test('what a route declares follows from what it is', async (t) => {
  none(t, routes.flatMap((route) => (route.config?.errors ?? []).filter((code) => !(code in ERRORS)).map((code) => `${nameOf(route)}: ${code} is not in the table`)), 'codes of the table')
  const changing = routes.filter((route) => methodsOf(route).some((method) => ['PATCH', 'PUT'].includes(method)))
  t.ok(changing.length > 0)
  const versioned = changing.filter(({ url }) => url.endsWith(':id'))
  none(t, versioned.filter((route) => !declares(route, 'precondition.required') || !declares(route, 'precondition.failed')).map((route) => `${nameOf(route)} does not need If-Match`), 'PATCH needs If-Match')
  const withId = routes.filter(({ url, schema }) => url.includes('/:') && !schema?.params)
  none(t, withId.map((route) => `${nameOf(route)} has no schema for its parameters`), 'parameters are checked')
  const lists = routes.filter(({ schema }) => (schema?.querystring as Schema | undefined)?.properties?.['cursor'])
  none(t, lists.filter((route) => !declares(route, 'cursor.invalid')).map((route) => `${nameOf(route)} does not declare cursor.invalid`), 'lists declare cursor.invalid')
})

t.test('the OpenAPI document holds these routes and no others', async (t) => {
  t.equal(answer.statusCode, 200)
  t.match(document.openapi, /^3\.1\./)
  const documented = Object.entries(document.paths).flatMap(([path, item]) => Object.keys(item).map((method) => `${method.toUpperCase()} ${openApiPath(path)}`))
  const registered = routes.flatMap((route) => methodsOf(route).map((method) => `${method} ${openApiPath(route.url)}`))
  none(t, [...new Set(registered)].filter((one) => !documented.includes(one)).map((one) => `${one} is not in /openapi.json`), 'every route is documented')
  none(t, documented.filter((one) => !registered.includes(one)).map((one) => `${one} is documented but not registered`), 'every documented route exists')
  none(t, Object.keys(document.paths).filter((path) => path !== openApiPath(path)).map((path) => `${path} is documented with a slash at its end`), 'no closing slashes')
  for (const route of routes) {
    for (const method of methodsOf(route)) {
      const responses = paths[openApiPath(route.url)]?.[method.toLowerCase()]?.responses ?? {}
      const codes = Object.values(responses).flatMap(({ content }) => Object.keys(content?.['application/problem+json']?.examples ?? {}))
      // a status for which the route has a schema of its own (not ready: 503) is not a problem answer
      const own = new Set(answersOf(route).map(([status]) => status))
      const missing = [...(route.config?.declares ?? [])].filter((code) => !codes.includes(code) && !own.has(String(ERRORS[code as keyof typeof ERRORS][0])))
      none(t, missing.map((code) => `${nameOf(route)}: ${code} is missing from /openapi.json`), `${nameOf(route)} lists its errors`)
    }
  }
})

t.test('a route that declares too little stops the start', async (t) => {
  const bad: [string, object][] = [
    ['no access', { schema: { response: { 200: { type: 'null' } } } }],
    ['empty access', { config: { access: [] }, schema: { response: { 200: { type: 'null' } } } }],
    ['no answer', { config: { access: ['public'] } }],
    ['only error answers', { config: { access: ['public'] }, schema: { response: { 404: { type: 'null' } } } }],
  ]
  for (const [what, options] of bad) {
    await t.rejects(startApp(t, { extend: (other) => void other.get('/api/v1/careless', options, async () => null) }), { message: /GET \/api\/v1\/careless declares no/ }, what)
  }
})

t.test('every route that asks for a credential has its price; only deciding is free', async (t) => {
  const FREE = new Set(['POST /api/v1/keys/verify', 'POST /api/v1/keys/verify/batch', 'POST /api/v1/limits/check', 'GET /api/v1/whoami/', 'GET /api/v1/whoami'])
  const credentialed = routes.filter(({ config }) => !config?.access?.includes('public'))
  t.ok(credentialed.length > 20)
  none(t, credentialed.filter((route) => (route.config?.price ?? 0) <= 0 && !FREE.has(nameOf(route))).map((route) => `${nameOf(route)} costs its caller nothing: give it a price`), 'a price each')
  none(t, credentialed.filter((route) => (route.config?.price ?? 0) > 0 && !declares(route, 'rate.limited')).map((route) => `${nameOf(route)} does not declare rate.limited`), 'and its refusal')
})

t.test('every schema of a request is one: a start does not look', async (t) => {
  const ajv = new Ajv({ strict: false })
  const parts = app.inventory.flatMap((route) => ['body', 'querystring', 'params', 'headers'].map((part) => ({ part, name: nameOf(route), schema: (route.schema as Record<string, object | undefined> | undefined)?.[part] })))
    .filter(({ schema }) => schema !== undefined)
  t.ok(parts.length > 50, String(parts.length))
  none(t, parts.filter(({ schema }) => ajv.validateSchema(schema ?? {}) !== true).map(({ name, part }) => `${name}: its ${part} is no JSON Schema`), 'all are')
  t.not(ajv.validateSchema({ type: 'nothing' }), true, 'one that is none is noticed')
})
