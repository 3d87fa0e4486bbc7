// Clients that Debian has, against a Gatehouse that listens: Apache's mod_auth_openidc with its guide's example before an application, and Python's Authlib.
import { spawn, spawnSync } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { existsSync } from 'node:fs'
import { createServer } from 'node:http'
import { createInterface } from 'node:readline'
import { join } from 'node:path'
import t from 'tap'
import { QUEUED_WORK } from '../../src/queue/index.js'
import { startApp } from '../support/app.js'
import { liveClock } from '../support/clock.js'
import { freePort, startGateway } from '../support/gateway.js'
import { serve } from '../support/mcp.js'
import { API, browserOf, CALLBACK, oauthHouse, personOf } from '../support/oauth.js'
import { eventually } from '../support/redis.js'
import { ROOT } from '../support/sources.js'

const MODULES = '/usr/lib/apache2/modules'
// the system's own, which has Debian's packages
const PYTHON = '/usr/bin/python3'

/** False when it is there; else why the test is skipped. Under CI nothing is skipped: the test fails for want of it. */
const missing = (isThere: boolean, name: string): string | false => (isThere || process.env['CI'] === 'true' ? false : `apt-get install ${name}`)

t.test('clients that Debian has', async (t) => {
  const main = await startApp(t, { clock: liveClock(), config: { outboundAllow: ['127.0.0.0/8'] } })
  const { app, as } = main
  await app.listen({ host: '127.0.0.1', port: 0 })
  const { client, resource } = await oauthHouse(main)
  const issuer = app.publicOrigin()
  await resource(API)
  const { user } = await as.signUp()
  const person = personOf(app, user.email)
  const visit = async (address: string, who = person): Promise<string> => (await who.through(Object.fromEntries(new URL(address).searchParams))).location

  t.test('mod_auth_openidc: in, who it is for the application behind, out, and told of the end of a session', { skip: missing(existsSync(`${MODULES}/mod_auth_openidc.so`), 'apache2 libapache2-mod-auth-openidc') }, async (t) => {
    const behind = await serve(t, createServer(({ headers, url }, response) => void response.end(JSON.stringify({ url, sub: headers['oidc_claim_sub'], email: headers['oidc_claim_email'] }))))
    const port = await freePort()
    const site = `http://127.0.0.1:${port}`
    const web = await client({ kind: 'web', redirectUris: [`${site}/signed-in`], postLogoutRedirectUris: [`${site}/bye`], backchannelLogoutUri: `${site}/signed-in?logout=backchannel` })
    const modules = ['mpm_event', 'authn_core', 'authz_core', 'authz_user', 'proxy', 'proxy_http', 'auth_openidc'].flatMap((name) => ['-c', `LoadModule ${name}_module ${MODULES}/mod_${name}.so`])
    await startGateway(t, {
      binary: '/usr/sbin/apache2', files: ['../guides/examples/oauth-apache.conf'], port,
      args: (folder) => ['-X', '-d', folder, '-f', `${folder}/oauth-apache.conf`, '-C', `Listen 127.0.0.1:${port}`, '-C', 'ServerName 127.0.0.1', '-C', `PidFile ${folder}/apache.pid`, '-C', `ErrorLog ${folder}/error.log`, '-C', 'User nobody', '-C', 'Group nogroup', '-C', `DefaultRuntimeDir ${folder}`, ...modules.map((one) => (one === '-c' ? '-C' : one))],
      replace: { 'https://auth.example.com': issuer, CLIENT_ID: web.clientId, CLIENT_SECRET: web.clientSecret ?? '', 'https://app.example.com': site, A_SECRET_OF_THIS_SITE: 'a-secret-of-the-site', 'http://127.0.0.1:9000': behind },
    })
    const browser = browserOf()
    const signIn = async (who = person): Promise<string> => {
      const begun = await browser(`${site}/reports?a=1`)
      t.equal(begun.status, 302)
      return (await browser(await visit(begun.headers.get('location') ?? '', who))).headers.get('location') ?? ''
    }
    t.equal(await signIn(), `${site}/reports?a=1`, 'and on to where they wanted to')
    t.same(await (await browser(`${site}/reports?a=1`, { 'OIDC_CLAIM_sub': 'mallory' })).json(), { url: '/reports?a=1', sub: user.id, email: user.email }, 'whatever a visitor sends along')
    const end = new URL((await browser(`${site}/signed-in?logout=${encodeURIComponent(`${site}/bye`)}`)).headers.get('location') ?? '')
    t.equal((await person.pages.open(`${end.pathname}${end.search}`)).headers.location, `${site}/bye`)
    t.equal((await browser(`${site}/reports`)).status, 302)
    const other = personOf(app, user.email)
    await signIn(other)
    t.equal((await browser(`${site}/reports`)).status, 200)
    await other.pages.submit('/ui/sign-out', {})
    await app.jobs.run('promising to tell clients of logouts')
    await app.jobs.run(QUEUED_WORK)
    await eventually(async () => (await browser(`${site}/reports`)).status === 302, 20_000)
    t.equal(await main.database.prisma.deadLetter.count(), 0)
  })

  t.test('Authlib: code, id token, userinfo, refresh, introspection, revocation, and a service by its key', { skip: missing(spawnSync(PYTHON, ['-c', 'import authlib, requests'], { stdio: 'ignore' }).status === 0, 'python3-authlib python3-requests') }, async (t) => {
    const web = await client({ kind: 'web', redirectUris: [CALLBACK] })
    const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2_048 })
    const { kty, n, e } = publicKey.export({ format: 'jwk' })
    const service = await client({ kind: 'service', authMethod: 'private_key_jwt', jwks: { keys: [{ kty, n, e, kid: 'k1', alg: 'RS256' }] }, resources: [API], scopes: ['read'] })
    const told = { issuer, clientId: web.clientId, clientSecret: web.clientSecret, redirectUri: CALLBACK, serviceId: service.clientId, serviceKey: privateKey.export({ type: 'pkcs8', format: 'pem' }), resource: API }
    const child = spawn(PYTHON, [join(ROOT, 'test/support/authlib-client.py'), JSON.stringify(told)], { env: { PATH: process.env['PATH'], AUTHLIB_INSECURE_TRANSPORT: '1' }, stdio: ['pipe', 'pipe', 'pipe'] })
    let wrong = ''
    child.stderr.on('data', (part: Buffer) => (wrong += part.toString()))
    const steps: Record<string, unknown>[] = []
    for await (const line of createInterface({ input: child.stdout })) {
      const said = JSON.parse(line) as { step: string; address?: string }
      if (said.step === 'authorize') child.stdin.end(`${await visit(said.address ?? '')}\n`)
      else steps.push(said)
    }
    t.match(steps, [{ step: 'in', sub: user.id, email: user.email, by: user.id }, { step: 'renewed', isOther: true }, { step: 'introspected', active: true, sub: user.id }, { step: 'revoked', active: false }, { step: 'service', scope: 'read' }], wrong)
  })
})
