// request.browserBinding and request.knownBrowser: what begins in one browser can be held to it, whatever else its answer sets.
import { Type } from '@sinclair/typebox'
import t from 'tap'
import type { FastifyInstance, LightMyRequestResponse } from 'fastify'
import session from '../../plugins/security/session.js'
import { sha256 } from '../../src/kernel/secrets.js'
import { expectJson, PASSWORD, startApp } from '../support/app.js'

interface Bound {
  first: string
  second: string
}

const Answer = Type.Object({ first: Type.String(), second: Type.String() })
const Known = Type.Object({ known: Type.Union([Type.String(), Type.Null()]) })

function addRoutes(app: FastifyInstance): void {
  const config = { access: ['public'] satisfies ['public'] }
  app.get('/bind', { schema: { response: { 200: Answer } }, config }, async (request, reply) => {
    const [first, second] = [request.browserBinding(reply), request.browserBinding(reply)]
    return { first: first.toString('hex'), second: second.toString('hex') }
  })
  app.get('/known', { schema: { response: { 200: Known } }, config }, async (request) => ({ known: request.knownBrowser()?.toString('hex') ?? null }))
  app.register(async (scope) => {
    await scope.register(session)
    scope.post('/sign-in', { schema: { response: { 200: Answer } }, config }, async (request, reply) => {
      const bound = request.browserBinding(reply).toString('hex')
      const opened = await request.openCookie((secret) => app.login.logInWithCookie(request.caller, { email: 'ada@example.com', password: PASSWORD }, secret))
      if (opened.status === 'signed_in') void reply.rememberDevice(opened.deviceToken)
      return { first: bound, second: bound }
    })
  })
}

const cookieOf = (response: LightMyRequestResponse) => response.cookies.find(({ name }) => name.endsWith('-browser'))

t.test('a browser is named by a secret of its own', async (t) => {
  const { app, as } = await startApp(t, { extend: addRoutes })
  await as.signUp('ada@example.com')
  const known = async (cookie?: string) => expectJson<{ known: string | null }>(await app.inject({ url: '/known', headers: cookie === undefined ? {} : { cookie } }), 200).known

  t.test('given once an answer, kept from scripts and other sites, and only its hash is shown to who asks', async (t) => {
    const response = await app.inject('/bind')
    const { first, second } = expectJson<Bound>(response, 200)
    t.equal(first, second, 'asked twice, one name')
    t.equal(response.cookies.length, 1, 'and one cookie')
    const cookie = cookieOf(response)
    t.match(cookie, { name: 'gatehouse-browser', path: '/', httpOnly: true, sameSite: 'Lax', maxAge: 86_400 })
    t.notOk(cookie?.secure, 'plain on http://localhost')
    t.equal(sha256(cookie?.value ?? '').toString('hex'), first)
  })

  t.test('kept by a browser that has one, and never given by a look', async (t) => {
    t.equal(await known(), null)
    const value = cookieOf(await app.inject('/bind'))?.value ?? ''
    const again = await app.inject({ url: '/bind', headers: { cookie: `other=1; gatehouse-browser=${value}` } })
    t.equal(cookieOf(again)?.value, value, 'the same for another day')
    t.equal(await known(`gatehouse-browser=${value}`), sha256(value).toString('hex'))
    t.same((await app.inject('/known')).cookies, [])
  })

  t.test('anything that was not given here is no name', async (t) => {
    for (const text of ['', 'short', 'A'.repeat(44), `${'A'.repeat(42)}=`, `${'A'.repeat(42)}%41%41`]) t.equal(await known(`gatehouse-browser=${text}`), null, text)
    const response = await app.inject({ url: '/bind', headers: { cookie: 'gatehouse-browser=planted' } })
    t.not(cookieOf(response)?.value, 'planted')
  })

  t.test('set beside the cookies of a sign-in, none lost', async (t) => {
    const response = await app.inject({ method: 'POST', url: '/sign-in' })
    expectJson<Bound>(response, 200)
    t.same(response.cookies.map(({ name }) => name).toSorted(), ['gatehouse', 'gatehouse-browser', 'gatehouse-device'])
  })
})

t.test('over https its name ties it to this host', async (t) => {
  const { app } = await startApp(t, { config: { publicUrl: 'https://auth.example.com' }, extend: addRoutes })
  const cookie = cookieOf(await app.inject('/bind'))
  t.match(cookie, { name: '__Host-gatehouse-browser', path: '/', secure: true, httpOnly: true })
})
