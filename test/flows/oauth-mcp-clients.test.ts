// MCP clients that know nothing but an address, against an MCP server behind the gate: one that registers itself, one that is named by a document of its own, and the
// conformance suite's questions to an authorization server.
import { execFileSync, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as current from '@modelcontextprotocol/client'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import t from 'tap'
import { expectJson, startApp } from '../support/app.js'
import { liveClock } from '../support/clock.js'
import { freePort } from '../support/gateway.js'
import { guardedServer } from '../support/mcp.js'
import { oauthHouse, personOf } from '../support/oauth.js'
import { ROOT } from '../support/sources.js'

const CALLBACK = 'http://127.0.0.1/callback'
const METADATA = { client_name: 'A client', redirect_uris: [CALLBACK], application_type: 'native', grant_types: ['authorization_code', 'refresh_token'], response_types: ['code'], token_endpoint_auth_method: 'none' }

/** What both generations of the library ask of whoever uses them. */
function keeper(more: object = {}) {
  const kept: { client?: { client_id: string }; tokens?: { access_token: string; token_type: string; refresh_token?: string }; verifier: string; to: URL | null } = { verifier: '', to: null }
  return {
    kept,
    redirectUrl: CALLBACK, clientMetadata: METADATA, ...more,
    state: () => 'a state',
    clientInformation: () => kept.client,
    saveClientInformation: (client: { client_id: string }) => void (kept.client = client),
    tokens: () => kept.tokens,
    saveTokens: (tokens: NonNullable<typeof kept.tokens>) => void (kept.tokens = tokens),
    redirectToAuthorization: (to: URL) => void (kept.to = to),
    saveCodeVerifier: (verifier: string) => void (kept.verifier = verifier),
    codeVerifier: () => kept.verifier,
  }
}

t.test('MCP clients', async (t) => {
  const main = await startApp(t, { clock: liveClock(), config: { oauthRegistration: 'open', oauthClientDocuments: true, outboundAllow: ['127.0.0.0/8'] } })
  const { app, as, clock } = main
  await app.listen({ host: '127.0.0.1', port: 0 })
  const { client, gate, resource } = await oauthHouse(main)
  const { origin, subjects } = await guardedServer(t, (path, headers) => gate(path, headers))
  const mcp = `${origin}/mcp`
  await resource(mcp, { openToAll: true, scopes: [{ name: 'tools', description: 'Use our tools', permissions: [] }, { name: 'more', description: 'And others', permissions: [] }] })
  expectJson(await app.inject({ method: 'POST', url: '/api/v1/gate-rules', headers: await as.admin(), payload: { path: '/mcp/*', audience: mcp, scopes: ['tools'] } }), 201)
  const native = await client({ kind: 'native', redirectUris: [CALLBACK], resources: [mcp], scopes: ['openid', 'tools'] })
  const { user } = await as.signUp()
  const person = personOf(app, user.email)
  const visit = async (address: URL | null): Promise<URL> => new URL((await person.through(Object.fromEntries(address?.searchParams ?? []))).location)

  t.test('@modelcontextprotocol/sdk registers itself, is let in, and renews what has ended', async (t) => {
    const provider = keeper()
    const open = (): StreamableHTTPClientTransport => new StreamableHTTPClientTransport(new URL(mcp), { authProvider: provider })
    const first = open()
    await t.rejects(new Client({ name: 'x', version: '1' }).connect(first), { message: 'Unauthorized' })
    t.equal(provider.kept.to?.searchParams.get('resource'), mcp)
    const back = await visit(provider.kept.to)
    t.equal(back.searchParams.get('state'), 'a state')
    await first.finishAuth(back.searchParams.get('code') ?? '')
    t.equal(provider.kept.tokens?.token_type, 'Bearer')
    const mine = new Client({ name: 'x', version: '1' })
    await mine.connect(open())
    t.match(await mine.callTool({ name: 'whoami' }), { content: [{ text: user.id }] })
    await mine.close()
    const before = provider.kept.tokens
    clock.advance(301_000)
    const later = new Client({ name: 'x', version: '1' })
    await later.connect(open())
    t.match(await later.callTool({ name: 'whoami' }), { content: [{ text: user.id }] })
    t.not(provider.kept.tokens?.refresh_token, before?.refresh_token, 'renewed without anybody')
    await later.close()
    t.same([...new Set(subjects)], [user.id])
  })

  t.test('@modelcontextprotocol/client is named by its document, and holds an answer in another server\'s name for none', async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'gatehouse-cimd-'))
    t.teardown(() => rmSync(folder, { recursive: true, force: true }))
    const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')]
    execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2', '-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost', '-keyout', key, '-out', cert], { stdio: 'ignore' })
    let name = ''
    const documents = createTlsServer({ key: readFileSync(key), cert: readFileSync(cert) }, (_request, response) => void response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ client_id: name, ...METADATA })))
    await new Promise<void>((resolve) => void documents.listen(0, '127.0.0.1', resolve))
    t.teardown(() => documents.close())
    name = `https://localhost:${(documents.address() as AddressInfo).port}/client.json`
    // a certificate of the test's own, which nobody else has signed: read at each connection, and for this one alone
    process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0'
    t.teardown(() => delete process.env['NODE_TLS_REJECT_UNAUTHORIZED'])
    const provider = keeper({ clientMetadataUrl: name })
    const open = (): current.StreamableHTTPClientTransport => new current.StreamableHTTPClientTransport(new URL(mcp), { authProvider: provider })
    const first = open()
    await t.rejects(new current.Client({ name: 'x', version: '1' }).connect(first), current.UnauthorizedError)
    t.equal(provider.kept.client?.client_id, name)
    const back = await visit(provider.kept.to)
    const forged = new URLSearchParams(back.searchParams)
    forged.set('iss', 'https://evil.example')
    await t.rejects(first.finishAuth(forged), current.IssuerMismatchError)
    await first.finishAuth(back.searchParams)
    const mine = new current.Client({ name: 'x', version: '1' })
    await mine.connect(open())
    t.match(await mine.callTool({ name: 'whoami' }), { content: [{ text: user.id }] })
    await mine.close()
  })

  t.test('@modelcontextprotocol/conformance authorization', async (t) => {
    const port = await freePort()
    const command = join(ROOT, 'node_modules/@modelcontextprotocol/conformance/dist/index.js')
    const child = spawn(process.execPath, ['--import', join(ROOT, 'test/support/mcp-conformance.mjs'), command, 'authorization', '--url', app.publicOrigin(), '--client-id', native.clientId, '--resource', mcp, '--port', String(port)], { stdio: ['ignore', 'pipe', 'pipe'] })
    t.teardown(() => child.kill())
    let said = ''
    let isAsked = false
    child.stderr.on('data', (part: Buffer) => (said += part.toString()))
    child.stdout.on('data', (part: Buffer) => {
      said += part.toString()
      const [address] = /^http\S*\/oauth\/authorize\?\S+$/m.exec(said) ?? []
      if (address === undefined || isAsked) return
      isAsked = true
      void visit(new URL(address)).then((back) => fetch(back))
    })
    const code = await new Promise<number | null>((resolve) => void child.once('close', resolve))
    t.equal(code, 0, said)
    t.match(said, /0 failed/)
    t.notMatch(said, /✗|FAILURE|WARNING|SKIPPED/)
  })
})
