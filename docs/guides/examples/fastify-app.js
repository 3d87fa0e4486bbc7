// A server-rendered Fastify app whose visitors sign in with Gatehouse's pages, served from the same host: a proxy in front sends /api/v1 and /ui to
// Gatehouse and everything else here. The session cookie that comes along is asked about at each request. Start it with:
//   (await createApp({ url: 'http://127.0.0.1:3000' })).listen({ port: 8080, host: '127.0.0.1' })
import Fastify from 'fastify'
import fp from 'fastify-plugin'

const SAFE = new Set(['GET', 'HEAD'])
const escape = (text) => String(text).replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;')

/** `request.user`: { id, permissions, act? } or null. A route's `config.permission` names what its visitor must hold; '' is anybody who is signed in. */
export const gatehouse = fp(async (app, { url, fetch = globalThis.fetch }) => {
  app.decorateRequest('user', null)

  app.addHook('onRequest', async (request, reply) => {
    const { cookie, 'sec-fetch-site': site, origin, host } = request.headers
    // a page elsewhere must not send this app's forms with the visitor's cookie
    const isOwn = site === undefined ? origin !== undefined && new URL(origin).host === host : site === 'same-origin'
    if (!SAFE.has(request.method) && !isOwn) return reply.code(403).send('This form was sent from elsewhere')

    if (cookie !== undefined) {
      const response = await fetch(`${url}/api/v1/whoami`, { headers: { cookie }, signal: AbortSignal.timeout(2_000) }).catch(() => null)
      if (response?.ok) request.user = await response.json()
      // 401: nobody, or not any more. Anything else is no answer, and must not become "nobody"
      else if (response?.status !== 401) return reply.code(503).send('Gatehouse does not answer')
    }

    const { permission } = request.routeOptions.config
    if (permission !== undefined && !request.user) return reply.redirect(`/ui/sign-in?return_to=${encodeURIComponent(request.url)}`, 303)
    if (permission && !holds(request.user.permissions, permission)) return reply.code(403).send('You may not do this')
    return undefined
  })
}, { name: 'gatehouse' })

/** `reports:*` covers `reports:read`; `*:*` everything that is the application's. */
function holds(permissions, wanted) {
  return permissions.some((one) => one === wanted || (one === '*:*' && !wanted.startsWith('gatehouse:')) || (one.endsWith(':*') && wanted.startsWith(one.slice(0, -1))))
}

export async function createApp(options) {
  const app = Fastify()
  await app.register(gatehouse, options)
  app.addContentTypeParser('application/x-www-form-urlencoded', { parseAs: 'string' }, (_request, body, done) => done(null, Object.fromEntries(new URLSearchParams(body))))
  const notes = []

  app.get('/', async ({ user }, reply) => reply.type('text/html; charset=utf-8').send(
    `${user?.act ? '<p role="alert">Support is acting for you</p>' : ''}${user ? `<p>You are ${escape(user.id)}. <a href="/ui/sign-out">Sign out</a></p>` : '<p><a href="/ui/sign-in?return_to=/notes">Sign in</a></p>'}`,
  ))
  app.get('/notes', { config: { permission: '' } }, async ({ user }, reply) => reply.type('text/html; charset=utf-8').send(
    `<ul>${notes.filter(({ by }) => by === user.id).map(({ text }) => `<li>${escape(text)}</li>`).join('')}</ul><form method="post"><input name="text"><button>Note</button></form>`,
  ))
  app.post('/notes', { config: { permission: '' } }, async ({ user, body }, reply) => {
    notes.push({ by: user.id, text: body.text ?? '' })
    return reply.redirect('/notes', 303)
  })
  app.get('/reports', { config: { permission: 'reports:read' } }, async () => 'All reports')
  return app
}
