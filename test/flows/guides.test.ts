// The examples of docs/guides, as they stand there, against the real program over sockets: what somebody copies works.
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { PASSWORD, startApp } from '../support/app.js'
import { factorHelpers } from '../support/factors.js'
import { ROOT } from '../support/sources.js'

type Fetch = typeof fetch
type User = { id: string; version: number; name: string | null }
type Problem = { status: number; problem: { code: string } }

const EXAMPLES = join(ROOT, 'docs/guides/examples')
const example = async <T>(name: string): Promise<T> => (await import(join(EXAMPLES, name))) as T

/** A browser as far as the examples can see it: it keeps cookies and says where a request comes from. */
function browser(site = 'same-origin'): { fetch: Fetch; cookies: Map<string, string> } {
  const cookies = new Map<string, string>()
  return {
    cookies,
    fetch: async (input, init = {}) => {
      const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ')
      const headers = { ...(init.headers as Record<string, string>), 'sec-fetch-site': site, ...(cookie === '' ? {} : { cookie }) }
      const response = await fetch(input, { redirect: 'manual', ...init, headers })
      for (const line of response.headers.getSetCookie()) {
        const [pair = ''] = line.split(';')
        const [name, value] = [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)]
        if (/max-age=0|expires=thu, 01 jan 1970/i.test(line)) cookies.delete(name)
        else cookies.set(name, value)
      }
      return response
    },
  }
}

/** What Express is to the example: the same calls, on Node's own server. */
function standIn() {
  type Next = (error?: { status?: number }) => void
  type Step = (req: IncomingMessage & { originalUrl?: string }, res: ServerResponse, next: Next) => unknown
  const layers: { method: string; path: string; step: Step }[] = []
  const add = (method: string) => (path: string, ...steps: Step[]) => void layers.push(...steps.map((step) => ({ method, path, step })))
  return {
    use: (step: Step) => add('')('', step),
    get: add('GET'),
    post: add('POST'),
    listen(port: number, host: string) {
      return createServer((req, res) => {
        const path = (req.url ?? '').split('?')[0]
        const steps = layers.filter((layer) => layer.path === '' || (layer.method === req.method && layer.path === path))
        const run = (at: number): void => {
          const one = steps[at]
          if (!one) return void res.writeHead(404).end()
          void one.step(Object.assign(req, { originalUrl: req.url ?? '' }), res, (error) => (error ? void res.writeHead(error.status ?? 500).end() : run(at + 1)))
        }
        run(0)
      }).listen(port, host)
    },
  }
}

t.test('the guides', async (t) => {
  const house = await startApp(t, { config: { anonymousUsers: true } })
  const { app, as, clock } = house
  const admin = await as.adminUser()
  await app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = app.server.address() as AddressInfo
  const base = `http://localhost:${port}`
  const problemOf = (work: Promise<unknown>): Promise<string> => work.then(() => 'none', (error: unknown) => (error as Problem).problem.code)

  t.test('each example has a guide that names it, and each guide shows what stands in its files', async (t) => {
    const guides = readdirSync(join(ROOT, 'docs/guides')).filter((name) => name.endsWith('.md')).map((name) => ({ name, text: readFileSync(join(ROOT, 'docs/guides', name), 'utf8') }))
    const files = readdirSync(EXAMPLES)
    for (const file of files) t.ok(guides.some(({ text }) => text.includes(`examples/${file}`)), `${file} is named`)
    const all = files.map((file) => readFileSync(join(EXAMPLES, file), 'utf8')).join('\n')
    for (const { name, text } of guides) {
      for (const [, block = ''] of text.matchAll(/```js\n([\s\S]*?)```/g)) {
        for (const line of block.split('\n').map((one) => one.trim())) t.ok(line === '' || all.includes(line), `${name}: ${line}`)
      }
    }
  })

  t.test('cookie-session.js: a page of the same origin', async (t) => {
    interface Client {
      whoIsHere: () => Promise<User | null>
      signIn: (email: string, password: string) => Promise<User>
      signOut: () => Promise<void>
      rename: (user: User, name: string) => Promise<User>
      call: (method: string, path: string, body?: object) => Promise<unknown>
    }
    const { createCookieClient } = await example<{ createCookieClient: (options: object) => Client }>('cookie-session.js')
    const { user } = await as.signUp('cookie@example.com')
    const ours = browser()
    const client = createCookieClient({ base, fetch: ours.fetch })
    t.equal(await client.whoIsHere(), null)
    t.equal(await problemOf(client.signIn('cookie@example.com', 'not the password')), 'credentials.invalid')
    const signedIn = await client.signIn('cookie@example.com', PASSWORD)
    t.equal(signedIn.id, user.id)
    const renamed = await client.rename(signedIn, 'Lea')
    t.equal(renamed.name, 'Lea')
    t.equal(await problemOf(client.rename(signedIn, 'Ida')), 'precondition.failed', 'an older version undoes nothing')
    const reloaded = createCookieClient({ base, fetch: ours.fetch })
    t.equal((await reloaded.whoIsHere())?.name, 'Lea', 'the page is loaded again')
    const elsewhere = browser('cross-site')
    for (const [name, value] of ours.cookies) elsewhere.cookies.set(name, value)
    t.equal(await problemOf(createCookieClient({ base, fetch: elsewhere.fetch }).call('PATCH', '/me', { name: 'x' })), 'csrf.invalid', 'a page elsewhere')
    await reloaded.signOut()
    t.equal(await reloaded.whoIsHere(), null)
  })

  t.test('single-page-app.js: tokens in memory, renewed once however many ask', async (t) => {
    interface Client {
      isSignedIn: () => boolean
      signUp: (input: object) => Promise<User>
      signIn: (email: string, password: string) => Promise<User>
      request: (path: string, init?: object) => Promise<{ id: string }>
      signOut: () => Promise<void>
      startAnonymously: () => Promise<User & { anonymous: boolean }>
      becomeReal: (input: object) => Promise<User & { anonymous: boolean; email: string }>
    }
    const { createTokenClient } = await example<{ createTokenClient: (options: object) => Client }>('single-page-app.js')
    let refreshes = 0
    let signedOut = 0
    const counting: Fetch = async (input, init) => {
      if ((input as string).endsWith('/auth/refresh')) refreshes += 1
      return fetch(input, init)
    }
    const client = createTokenClient({ base, fetch: counting, now: () => clock.now(), onSignedOut: () => { signedOut += 1 } })
    t.equal(await problemOf(client.request('/me')), 'credentials.missing')
    const user = await client.signUp({ email: 'spa@example.com', password: PASSWORD })
    t.equal((await client.request('/me')).id, user.id)
    clock.advance(290_000)
    const all = await Promise.all(Array.from({ length: 20 }, () => client.request('/me')))
    t.ok(all.every(({ id }) => id === user.id))
    t.equal(refreshes, 1, 'twenty requests, one refresh')
    const skewed = createTokenClient({ base, fetch: counting, now: () => 0 })
    await skewed.signIn('spa@example.com', PASSWORD)
    clock.advance(301_000)
    t.equal((await skewed.request('/me')).id, user.id, 'a clock that is wrong: the server says that the token has ended')
    t.equal(refreshes, 2)
    await app.inject({ method: 'DELETE', url: '/api/v1/sessions', headers: as.bearer((await as.signUp()).accessToken) })
    await client.signOut()
    t.notOk(client.isSignedIn())
    t.equal(signedOut, 1)
    const { data } = await skewed.request('/sessions') as unknown as { data: { id: string; current: boolean }[] }
    const other = data.find(({ current }) => !current)
    t.equal(other, undefined, 'signing out has ended the other session')
    const guest = createTokenClient({ base, fetch: counting, now: () => clock.now() })
    const { id, anonymous } = await guest.startAnonymously()
    t.equal(anonymous, true)
    t.match(await guest.becomeReal({ email: 'guest@example.com', password: PASSWORD }), { id, anonymous: false, email: 'guest@example.com' })
    t.equal((await guest.request('/me')).id, id, 'in the same session')
  })

  t.test('mobile-app.js: survives a restart, and knows its phone', async (t) => {
    interface Client {
      resume: () => Promise<boolean>
      signIn: (email: string, password: string) => Promise<User>
      request: (method: string, path: string, body?: object) => Promise<{ id: string; data: { name: string }[] }>
      signOut: () => Promise<void>
    }
    const { createMobileClient } = await example<{ createMobileClient: (options: object) => Client }>('mobile-app.js')
    const kept = new Map<string, string>()
    const safe = {
      get: async (name: string) => kept.get(name) ?? null,
      set: async (name: string, text: string) => void kept.set(name, text),
      delete: async (name: string) => void kept.delete(name),
    }
    const start = (more = {}): Client => createMobileClient({ base, safe, now: () => clock.now(), ...more })
    const { user } = await as.signUp('phone@example.com')
    t.equal(await start().resume(), false)
    t.equal((await start().signIn('phone@example.com', PASSWORD)).id, user.id)
    const again = start()
    t.equal(await again.resume(), true, 'after a restart')
    t.equal((await again.request('GET', '/me')).id, user.id)
    // the answer is lost on the way: the phone asks again with the token it has
    const lossy: Fetch = async (input, init) => {
      const response = await fetch(input, init)
      if ((input as string).endsWith('/auth/refresh')) throw new TypeError('the tunnel')
      return response
    }
    await t.rejects(start({ fetch: lossy }).resume(), { message: 'the tunnel' })
    t.equal(await start().resume(), true, 'and gets the same successor')
    const before = kept.get('deviceToken')
    await again.signOut()
    t.equal(kept.has('refreshToken'), false)
    const third = start()
    await third.signIn('phone@example.com', PASSWORD)
    t.equal(kept.get('deviceToken'), before, 'the same phone')
    t.match((await third.request('GET', '/me/devices')).data, [{ name: 'Acme-App' }])
    clock.advance(300_000)
    const stolen = kept.get('refreshToken') ?? ''
    await third.request('GET', '/me')
    clock.advance(11_000)
    kept.set('refreshToken', stolen)
    t.equal(await problemOf(start().resume()), 'refresh.invalid', 'a token that is used twice ends the session')
    t.equal(kept.has('refreshToken'), false)
  })

  t.test('each client goes on with a second factor, and with nothing but a right one', async (t) => {
    interface Asked { status: string; challenge: string; methods: string[] }
    interface Client {
      signIn: (email: string, password: string) => Promise<Asked>
      answerFactor: (challenge: string, method: string, code: string) => Promise<User>
    }
    type Make = (options: object) => Client
    const { createCookieClient } = await example<{ createCookieClient: Make }>('cookie-session.js')
    const { createTokenClient } = await example<{ createTokenClient: Make }>('single-page-app.js')
    const { createMobileClient } = await example<{ createMobileClient: Make }>('mobile-app.js')
    const kept = new Map<string, string>()
    const safe = { get: async (name: string) => kept.get(name) ?? null, set: async (name: string, text: string) => void kept.set(name, text), delete: async (name: string) => void kept.delete(name) }
    const { person, code } = factorHelpers(app, as, clock)
    const { user, secret, codes: [recoveryCode = ''] } = await person()
    for (const [client, method] of [
      [createCookieClient({ base, fetch: browser().fetch }), 'totp'], [createTokenClient({ base, now: () => clock.now() }), 'totp'],
      [createMobileClient({ base, safe, now: () => clock.now() }), 'totp'], [createMobileClient({ base, safe, now: () => clock.now() }), 'recovery_code'],
    ] as const) {
      clock.advance(30_000)
      const asked = await client.signIn(user.email, PASSWORD)
      t.match(asked, { status: 'mfa_required', methods: ['totp', 'recovery_code'] })
      t.equal(await problemOf(client.answerFactor(asked.challenge, method, '000')), 'factor.invalid')
      t.equal((await client.answerFactor(asked.challenge, method, method === 'totp' ? code(secret) : recoveryCode)).id, user.id)
      t.equal(await problemOf(client.answerFactor(asked.challenge, method, code(secret))), 'challenge.invalid', 'once')
    }
    t.match(kept.get('deviceToken'), /^gd_/)
  })

  async function serverRendered(t: Test, url: string): Promise<void> {
    const ours = browser()
    const get = (path: string, init: object = {}) => ours.fetch(`${url}${path}`, init)
    t.match(await (await get('/')).text(), /Sign in/)
    const sent = await get('/notes')
    t.same([sent.status, sent.headers.get('location')], [303, '/ui/sign-in?return_to=%2Fnotes'], 'a stranger signs in first')
    // on the host that a proxy makes of both, the cookie of Gatehouse's page comes along
    await ours.fetch(`${base}/api/v1/auth/session`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ email: 'admin@example.com', password: PASSWORD }) })
    t.match(await (await get('/')).text(), new RegExp(admin.user.id))
    t.equal((await get('/reports')).status, 200, 'an administrator holds *:*')
    const form = { method: 'POST', headers: { 'content-type': 'application/x-www-form-urlencoded' }, body: 'text=%3Cb%3E' }
    t.equal((await get('/notes', form)).status, 303)
    const page = await (await get('/notes')).text()
    t.match(page, /<li>/)
    t.notMatch(page, /<b>/, 'what somebody typed is text')
    const elsewhere = browser('cross-site')
    for (const [name, value] of ours.cookies) elsewhere.cookies.set(name, value)
    t.equal((await elsewhere.fetch(`${url}/notes`, form)).status, 403, 'a form from elsewhere')
    t.equal((await fetch(`${url}/notes`, { ...form, headers: { ...form.headers, cookie: [...ours.cookies].map((pair) => pair.join('=')).join('; ') } })).status, 403, 'or from somebody who does not say')
    const { user, headers } = await as.signUp()
    const member = browser()
    await member.fetch(`${base}/api/v1/auth/session`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ email: user.email, password: PASSWORD }) })
    t.equal((await member.fetch(`${url}/reports`)).status, 403)
    t.notMatch(await (await member.fetch(`${url}/notes`)).text(), /<li>/, 'nor another\'s notes')
    await app.inject({ method: 'DELETE', url: '/api/v1/sessions', headers })
    t.equal((await member.fetch(`${url}/notes`)).status, 303, 'a session that has ended is none here, at once')
  }

  t.test('express-app.js', async (t) => {
    const { createApp } = await example<{ createApp: (express: typeof standIn, options: object) => ReturnType<typeof standIn> }>('express-app.js')
    const server = createApp(standIn, { url: base }).listen(0, '127.0.0.1')
    t.teardown(() => server.close())
    await once(server, 'listening')
    await serverRendered(t, `http://localhost:${(server.address() as AddressInfo).port}`)
    const alone = createApp(standIn, { url: 'http://127.0.0.1:9' }).listen(0, '127.0.0.1')
    t.teardown(() => alone.close())
    await once(alone, 'listening')
    t.equal((await fetch(`http://localhost:${(alone.address() as AddressInfo).port}/`, { headers: { cookie: 'gatehouse=x' } })).status, 503, 'no answer is not nobody')
  })

  t.test('fastify-app.js', async (t) => {
    interface Server { listen: (options: object) => Promise<string>; close: () => Promise<void> }
    const { createApp } = await example<{ createApp: (options: object) => Promise<Server> }>('fastify-app.js')
    const server = await createApp({ url: base })
    t.teardown(() => server.close())
    const url = new URL(await server.listen({ host: '127.0.0.1', port: 0 }))
    await serverRendered(t, `http://localhost:${url.port}`)
    const alone = await createApp({ url: 'http://127.0.0.1:9' })
    t.teardown(() => alone.close())
    const at = await alone.listen({ host: '127.0.0.1', port: 0 })
    t.equal((await fetch(at, { headers: { cookie: 'gatehouse=x' } })).status, 503, 'no answer is not nobody')
  })
})
