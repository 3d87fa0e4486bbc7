// A client library that knows nothing of us (openid-client) over real sockets: discovery, PAR, code, userinfo, refresh, introspection, revocation, logout, services by
// secret and by key, and a client that registers itself.
import { generateKeyPair } from 'jose'
import * as oidc from 'openid-client'
import t from 'tap'
import { expectJson, startApp } from '../support/app.js'
import { API, CALLBACK, oauthHouse, personOf } from '../support/oauth.js'

t.test('openid-client', async (t) => {
  const main = await startApp(t, { config: { oauthRegistration: 'open' } })
  const { app, as, clock } = main
  await app.listen({ host: '127.0.0.1', port: 0 })
  const { client, resource } = await oauthHouse(main)
  const issuer = app.publicOrigin()
  await resource(API, { openToAll: true })
  const admin = await as.admin()
  const { user } = await as.signUp()
  const person = personOf(app, user.email)
  // its clock is the system's, ours stands in another year
  const skew = Math.round((clock.now() - Date.now()) / 1_000)

  async function discovered(clientId: string, metadata: Partial<oidc.ClientMetadata>, method?: oidc.ClientAuth): Promise<oidc.Configuration> {
    return oidc.discovery(new URL(issuer), clientId, { ...metadata, [oidc.clockSkew]: skew }, method, { execute: [oidc.allowInsecureRequests] })
  }
  /** The error that a call fails with. */
  async function errorOf(call: Promise<unknown>): Promise<string> {
    return call.then(() => 'none', (error: { error?: string; code?: string }) => error.error ?? error.code ?? 'unknown')
  }
  /** Sends the person to an address of ours; where they are led back to. */
  async function visit(url: URL): Promise<URL> {
    const { location } = await person.through(Object.fromEntries(url.searchParams))
    return new URL(location)
  }

  t.test('a web app: PAR, code with PKCE, state and nonce, id token, userinfo, refresh, logout', async (t) => {
    const web = await client({ kind: 'web', redirectUris: [CALLBACK], postLogoutRedirectUris: ['https://app.example.com/bye'] })
    const config = await discovered(web.clientId, {}, oidc.ClientSecretBasic(web.clientSecret ?? ''))
    const verifier = oidc.randomPKCECodeVerifier()
    const [state, nonce] = [oidc.randomState(), oidc.randomNonce()]
    const url = await oidc.buildAuthorizationUrlWithPAR(config, { redirect_uri: CALLBACK, scope: 'openid email offline_access', code_challenge: await oidc.calculatePKCECodeChallenge(verifier), code_challenge_method: 'S256', state, nonce })
    const back = await visit(url)
    const tokens = await oidc.authorizationCodeGrant(config, back, { pkceCodeVerifier: verifier, expectedState: state, expectedNonce: nonce, idTokenExpected: true })
    t.equal(tokens.claims()?.sub, user.id)
    t.match(await oidc.fetchUserInfo(config, tokens.access_token, user.id), { sub: user.id, email: user.email })
    const refreshed = await oidc.refreshTokenGrant(config, tokens.refresh_token ?? '')
    t.equal(refreshed.claims()?.sub, user.id)
    t.match(await oidc.tokenIntrospection(config, refreshed.access_token), { active: true, sub: user.id })
    await oidc.tokenRevocation(config, refreshed.refresh_token ?? '')
    t.match(await oidc.tokenIntrospection(config, refreshed.access_token), { active: false })
    t.equal(await errorOf(oidc.refreshTokenGrant(config, refreshed.refresh_token ?? '')), 'invalid_grant')
    const bye = oidc.buildEndSessionUrl(config, { id_token_hint: tokens.id_token ?? '', post_logout_redirect_uri: 'https://app.example.com/bye', state: 'x' })
    t.equal((await person.pages.open(`${bye.pathname}${bye.search}`)).headers.location, 'https://app.example.com/bye?state=x')
  })

  t.test('id tokens by each algorithm, whose hash of the access token it checks', async (t) => {
    for (const algorithm of ['RS256', 'ES256', 'EdDSA']) {
      const web = await client({ kind: 'web', redirectUris: [CALLBACK], firstParty: true, idTokenAlgorithm: algorithm })
      const config = await discovered(web.clientId, { id_token_signed_response_alg: algorithm }, oidc.ClientSecretBasic(web.clientSecret ?? ''))
      const verifier = oidc.randomPKCECodeVerifier()
      const back = await visit(oidc.buildAuthorizationUrl(config, { redirect_uri: CALLBACK, scope: 'openid', code_challenge: await oidc.calculatePKCECodeChallenge(verifier), code_challenge_method: 'S256' }))
      const tokens = await oidc.authorizationCodeGrant(config, back, { pkceCodeVerifier: verifier, idTokenExpected: true })
      t.equal(tokens.claims()?.sub, user.id, algorithm)
    }
  })

  t.test('a single-page app: no secret, and errors where it looks for them', async (t) => {
    const spa = await client({ kind: 'web', authMethod: 'none', redirectUris: [CALLBACK] })
    const config = await discovered(spa.clientId, {}, oidc.None())
    const verifier = oidc.randomPKCECodeVerifier()
    const parameters = { redirect_uri: CALLBACK, scope: 'openid', code_challenge: await oidc.calculatePKCECodeChallenge(verifier), code_challenge_method: 'S256', state: 's' }
    const back = await visit(oidc.buildAuthorizationUrl(config, parameters))
    const tokens = await oidc.authorizationCodeGrant(config, back, { pkceCodeVerifier: verifier, expectedState: 's' })
    t.equal(tokens.claims()?.sub, user.id)
    t.equal(await errorOf(oidc.authorizationCodeGrant(config, back, { pkceCodeVerifier: verifier, expectedState: 's' })), 'invalid_grant')
    const denied = await visit(oidc.buildAuthorizationUrl(config, { ...parameters, prompt: 'none', scope: 'openid email' }))
    t.equal(await errorOf(oidc.authorizationCodeGrant(config, denied, { pkceCodeVerifier: verifier, expectedState: 's' })), 'consent_required')
    const forged = new URL(back)
    forged.searchParams.set('iss', 'https://evil.example')
    t.equal(await errorOf(oidc.authorizationCodeGrant(config, forged, { pkceCodeVerifier: verifier, expectedState: 's' })), 'OAUTH_INVALID_RESPONSE', 'an answer in another server\'s name')
  })

  t.test('a service: by its secret either way, and by a key', async (t) => {
    const own = { scope: 'read', resource: API }
    for (const [authMethod, method] of [['client_secret_basic', oidc.ClientSecretBasic], ['client_secret_post', oidc.ClientSecretPost]] as const) {
      const service = await client({ kind: 'service', authMethod, resources: [API], scopes: ['read'] })
      const tokens = await oidc.clientCredentialsGrant(await discovered(service.clientId, {}, method(service.clientSecret ?? '')), own)
      t.match(tokens, { token_type: 'bearer', scope: 'read', expires_in: 300 }, authMethod)
    }
    const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true })
    const jwk = { ...(await crypto.subtle.exportKey('jwk', publicKey)), kid: 'mine' }
    const { kty, crv, x, y, kid } = jwk
    const service = await client({ kind: 'service', authMethod: 'private_key_jwt', jwks: { keys: [{ kty, crv, x, y, kid }] }, resources: [API], scopes: ['read'] })
    const config = await discovered(service.clientId, {}, oidc.PrivateKeyJwt({ key: privateKey, kid: 'mine' }))
    t.match(await oidc.clientCredentialsGrant(config, own), { scope: 'read' })
  })

  t.test('one that registers itself, and asks for an API', async (t) => {
    const config = await oidc.dynamicClientRegistration(new URL(issuer), { client_name: 'Self', redirect_uris: [CALLBACK], token_endpoint_auth_method: 'none', grant_types: ['authorization_code', 'refresh_token'], [oidc.clockSkew]: skew }, oidc.None(), { execute: [oidc.allowInsecureRequests] })
    const verifier = oidc.randomPKCECodeVerifier()
    const back = await visit(oidc.buildAuthorizationUrl(config, { redirect_uri: CALLBACK, scope: 'read', resource: API, code_challenge: await oidc.calculatePKCECodeChallenge(verifier), code_challenge_method: 'S256' }))
    const tokens = await oidc.authorizationCodeGrant(config, back, { pkceCodeVerifier: verifier }, { resource: API })
    t.equal(tokens.scope, 'read')
    t.ok(admin)
    expectJson(await app.inject({ url: '/.well-known/oauth-authorization-server' }), 200)
  })
})
