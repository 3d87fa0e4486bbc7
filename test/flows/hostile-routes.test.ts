// Every route of the inventory, with values nobody should send in each place of its path, query and body: whatever is refused is a
// problem of 4xx, nothing is a 5xx, and the server goes on.
import t from 'tap'
import type { InjectOptions, RouteOptions } from 'fastify'
import { expectJson, PASSWORD, startApp } from '../support/app.js'

interface Schema {
  type?: unknown
  properties?: Record<string, Schema>
  items?: Schema
  examples?: unknown[]
}

const DEEP = `${'['.repeat(5_000)}${']'.repeat(5_000)}`
const ODD_TIMES = ['9999-12-31T23:59:59-23:59', '0001-01-01T00:00:00+23:59', '0000-01-01T00:00:00Z', '2026-02-30T00:00:00Z', `2026-01-01T00:00:00.${'1'.repeat(200)}Z`, '2026-01-01\u00a000:00:00Z', '2026-01-01\u300000:00:00Z']
/** What a schema sees of one property. */
const VALUES = ['1e300', '-1', 'null', '[null]', '{"toString":1}', '"a\\u0007"', `"${'\u{1f600}'.repeat(200)}"`, ...ODD_TIMES.slice(0, 3).map((time) => JSON.stringify(time))]
/** What ends before any schema, once a route: the parser is the same for all. */
const UNREADABLE = ['9007199254740993', `{"a":${DEEP}}`, '"\\ud800"']
const WHOLE_BODIES = ['', 'null', '[]', '{"a":1}{', '{"__proto__":{}}']
const TEXTS = ['%00', '%ff', '%', '%C2%A0', '\'', '-1', '1e309', 'x'.repeat(4_000), '%F0%9F%98%80'.repeat(200), '%252e', ...ODD_TIMES.slice(0, 4).map(encodeURIComponent), encodeURIComponent(ODD_TIMES.at(-1) ?? '')]
const HEADERS: Record<string, string>[] = [
  { 'content-type': 'application/json', 'if-match': '"\u00ff"', 'x-forwarded-for': '[', origin: 'null' }, { 'content-type': 'garbage', 'if-none-match': ',,' }, { 'idempotency-key': '\u00e9', 'user-agent': '\u00ff'.repeat(600) }, { accept: ';;;', cookie: '=;=', expect: 'x', 'x-request-id': '\u00ff' },
]

t.test('no route answers what is sent with a 5xx', async (t) => {
  const { app, as, database } = await startApp(t)
  const { user } = await as.adminUser()
  const { passwordHash } = await database.prisma.user.findUniqueOrThrow({ where: { id: user.id } })
  let sent = 0
  let logins = 0
  const faults: string[] = []

  /** A session that no request before has ended, from an address whose guesses are not counted with those of the requests. */
  async function signedIn(): Promise<{ authorization: string }> {
    logins += 1
    // one of the requests may have been a good one, which changed the password
    await database.pool.query('UPDATE users SET password_hash = $1 WHERE id = $2', [passwordHash, user.id])
    const answer = await app.inject({ method: 'POST', url: '/api/v1/auth/login', remoteAddress: `198.51.${logins >> 8}.${logins & 255}`, payload: { email: 'admin@example.com', password: PASSWORD, endOldest: true } })
    return as.bearer(expectJson<{ accessToken: string }>(answer, 200).accessToken)
  }

  function urlOf(route: RouteOptions, params: Record<string, string> = {}, query = ''): string {
    const path = route.url.replaceAll(/:([A-Za-z]+)/g, (_all, name: string) => params[name] ?? '0198c0de-7d3a-7c1e-9a53-0d9a3c0b6f11').replace('*', 'x')
    return query === '' ? path : `${path}?${query}`
  }

  let turn = 0
  /** A few of the values, by turns: each place meets some, and each value many places. */
  function some<T>(values: readonly T[], most: number): T[] {
    turn += most
    return Array.from({ length: most }, (_, at) => values[(turn + at) % values.length] as T)
  }

  function bodiesOf(route: RouteOptions): string[] {
    const schema = route.schema?.body as Schema | undefined
    const example = (schema?.examples?.[0] ?? {}) as Record<string, unknown>
    const raw = (name: string, value: string): string => `{${[...Object.entries(example).filter(([one]) => one !== name).map(([one, kept]) => `${JSON.stringify(one)}:${JSON.stringify(kept)}`), `${JSON.stringify(name)}:${value}`].join(',')}}`
    const names = Object.keys(schema?.properties ?? {})
    return [...WHOLE_BODIES, ...UNREADABLE.map((value) => raw(names[0] ?? 'a', value)), ...names.flatMap((name) => some(VALUES, 3).map((value) => raw(name, value)))]
  }

  function requestsOf(route: RouteOptions, method: string): (InjectOptions & { url: string })[] {
    const names = (part: unknown): string[] => Object.keys((part as Schema | undefined)?.properties ?? {})
    const params = [...route.url.matchAll(/:([A-Za-z]+)/g)].map(([, name = '']) => name)
    const plain = [
      ...params.flatMap((name) => some(TEXTS, 5).map((value) => ({ url: urlOf(route, { [name]: value }) }))),
      ...names(route.schema?.querystring).flatMap((name) => some(TEXTS, 4).map((value) => ({ url: urlOf(route, {}, `${encodeURIComponent(name)}=${value}`) }))),
      ...['a=%00', '__proto__=1', '%ff', '=&=&[]=1'].map((query) => ({ url: urlOf(route, {}, query) })),
      ...HEADERS.map((headers) => ({ url: urlOf(route), headers })),
    ]
    const bodies = ['GET', 'HEAD'].includes(method) ? [] : bodiesOf(route).map((payload) => ({ url: urlOf(route), payload, headers: { 'content-type': 'application/json', 'if-match': '*' } }))
    return [...plain, ...bodies].map((request) => ({ ...request, method: method as 'GET' }))
  }

  /** Does it begin an answer that goes on for ever? Its reader leaves. */
  async function begins(options: InjectOptions): Promise<boolean> {
    const answer = await app.inject({ ...options, payloadAsStream: true })
    sent += 1
    answer.stream().destroy()
    return answer.statusCode === 200
  }

  const routes = app.inventory.filter(({ config, url }) => config?.asset !== true && url !== '*')
  for (const route of routes) {
    for (const method of [route.method].flat().filter((one) => one !== 'HEAD')) {
      let headers = await signedIn()
      const isStream = ((route.schema as { produces?: string[] } | undefined)?.produces ?? []).includes('text/event-stream')
      for (const request of requestsOf(route, method)) {
        const options = { ...request, headers: { ...headers, ...request.headers } }
        if (isStream && (await begins(options))) continue
        const answer = await (route.constraints === app.inside.only ? app.inside.inject(options) : app.inject(options))
        if (answer.statusCode === 401 && !route.config?.access?.includes('public')) headers = await signedIn()
        sent += 1
        const isProblem = answer.statusCode < 400 || answer.headers['content-type']?.toString().startsWith('application/problem+json') === true
        if (answer.statusCode >= 500 || !isProblem) faults.push(`${method} ${request.url.slice(0, 120)} ${JSON.stringify(request.payload ?? request.headers ?? '').slice(0, 80)}: ${answer.statusCode} ${answer.body.slice(0, 120)}`)
      }
    }
  }
  t.same(faults, [])
  t.ok(routes.length > 20 && sent > 1_500, `${sent} requests to ${routes.length} routes`)
  t.equal((await app.inject('/livez')).statusCode, 200)
  t.equal((await app.inject({ url: '/api/v1/users', headers: await signedIn() })).statusCode, 200)
})
