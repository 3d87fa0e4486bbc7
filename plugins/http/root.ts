// What answers at `/`: a page for a person who opens the address in a browser, links for a program. It says whether this installation
// has been set up, and never how: no token, no version, no name of anybody. Nothing on the page runs.
import { createHash } from 'node:crypto'
import fp from 'fastify-plugin'
import { Type } from '@sinclair/typebox'
import { strict } from './route-kit.js'

const ASKED_AGAIN_MS = 1_000

const LINKS = { name: 'Gatehouse', api: '/api/v1', documentation: '/docs', openapi: '/openapi.json', live: '/livez', ready: '/readyz' }
const Root = strict({
  name: Type.String(),
  api: Type.String(),
  documentation: Type.String(),
  openapi: Type.String(),
  live: Type.String(),
  ready: Type.String(),
  setUp: Type.Union([Type.Boolean(), Type.Null()], { description: 'null: the database does not answer' }),
}, { examples: [{ ...LINKS, setUp: true }] })

const STYLE = 'body{font:1rem/1.5 system-ui,sans-serif;max-width:36rem;margin:4rem auto;padding:0 1rem;color-scheme:light dark}'
const POLICY = [
  "default-src 'none'", `style-src 'sha256-${createHash('sha256').update(STYLE).digest('base64')}'`, 'img-src data:', "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'",
].join('; ')

function stateText(setUp: boolean | null): string {
  if (setUp === null) return 'The database does not answer right now; <a href="/readyz">/readyz</a> says more.'
  if (setUp) return 'This installation is set up and running.'
  return 'This installation waits for its first administrator: <code>POST /api/v1/setup</code> with the token that it printed when it started (<code>npm run --silent setup:token</code> prints it again).'
}

function page(setUp: boolean | null): string {
  return `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Gatehouse</title><link rel="icon" href="data:,"><style>${STYLE}</style></head>
<body>
<h1>Gatehouse</h1>
<p>Accounts, sessions, tokens, API keys and limits behind one HTTP API.</p>
<p>${stateText(setUp)}</p>
<ul>
<li><a href="/ui/account">Your account</a></li>
<li><a href="/docs">Read and try the API</a></li>
<li><a href="/openapi.json">Its description, as OpenAPI 3.1</a></li>
<li><a href="/readyz">Health</a></li>
</ul>
</body>
</html>
`
}

/** Does the client prefer HTML? A browser names text/html; a program that takes anything gets JSON. */
function wantsPage(accept: string | undefined): boolean {
  return (accept ?? '').split(',').some((range) => /^\s*text\/html\s*(;(?!\s*q=0(\.0*)?\s*$)|$)/i.test(range))
}

export default fp(async (app) => {
  const { clock, setup } = app
  let isSetUp: boolean | null = null
  let askedAtMs = -Infinity

  /** Once set up, always; until then asked at most once a second, so that strangers cannot have the database asked at will. */
  async function setUpState(): Promise<boolean | null> {
    if (isSetUp === true || clock.monotonic() - askedAtMs < ASKED_AGAIN_MS) return isSetUp
    askedAtMs = clock.monotonic()
    isSetUp = await setup.isDone().catch(() => null)
    return isSetUp
  }

  app.get('/', {
    schema: { operationId: 'readRoot', summary: 'Where to begin', description: 'A page for browsers (Accept: text/html), links for programs.', tags: ['Operations'], response: { 200: Root } },
    config: { access: ['public'] },
  }, async (request, reply) => {
    const setUp = await setUpState()
    void reply.header('vary', 'accept')
    if (!wantsPage(request.headers.accept)) return { ...LINKS, setUp }
    return reply.header('content-security-policy', POLICY).type('text/html; charset=utf-8').serializer((text: string) => text).send(page(setUp))
  })
}, { name: 'root', dependencies: ['setup', 'access'] })
