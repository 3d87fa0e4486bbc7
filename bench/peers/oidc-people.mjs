// People who are signed in at oidc-provider: the sign-in is by name alone, nobody is asked for consent, and refresh tokens are rotated, as Gatehouse's are.
import { createHash } from 'node:crypto'

const CALLBACK = 'https://bench.example/cb'
const VERIFIER = 'the-verifier-of-a-benchmark-which-is-always-the-same'
const CHALLENGE = createHash('sha256').update(VERIFIER).digest('base64url')
const FORM = { 'content-type': 'application/x-www-form-urlencoded' }
const CLIENT_ID = 'people'
const AUTHORIZE = `/auth?${new URLSearchParams({
  client_id: CLIENT_ID, response_type: 'code', redirect_uri: CALLBACK, scope: 'openid', state: 'bench', code_challenge: CHALLENGE, code_challenge_method: 'S256',
})}`
const TOKEN_BODY = new URLSearchParams({ grant_type: 'authorization_code', redirect_uri: CALLBACK, code_verifier: VERIFIER }).toString()
const STEPS = 8

let signedIn = 0

export const SIGN_IN = {
  client: { client_id: CLIENT_ID, token_endpoint_auth_method: 'none', grant_types: ['authorization_code', 'refresh_token'], redirect_uris: [CALLBACK], response_types: ['code'] },
  configuration: {
    rotateRefreshToken: true,
    issueRefreshToken: (_context, client) => client.grantTypeAllowed('refresh_token'),
    findAccount: (_context, accountId) => ({ accountId, claims: () => ({ sub: accountId }) }),
    interactions: { url: (_context, { uid }) => `/interaction/${uid}` },
    async loadExistingGrant({ oidc: { client, session, provider } }) {
      const known = session.grantIdFor(client.clientId)
      if (known) return provider.Grant.find(known)
      const grant = new provider.Grant({ clientId: client.clientId, accountId: session.accountId })
      grant.addOIDCScope('openid')
      await grant.save()
      return grant
    },
  },
  /** Whoever is to sign in is signed in, as somebody new. */
  handle(provider, request, response, callback) {
    if (!request.url.startsWith('/interaction/')) return callback(request, response)
    return provider.interactionFinished(request, response, { login: { accountId: `person-${signedIn += 1}` } })
  },
}

/** The cookie of a browser that has been signed in, and the code it got. */
async function signIn(origin) {
  const jar = new Map()
  let url = `${origin}${AUTHORIZE}`
  for (let step = 0; step < STEPS && !url.startsWith(CALLBACK); step++) {
    const response = await fetch(url, { headers: { cookie: [...jar].map(([name, value]) => `${name}=${value}`).join('; ') }, redirect: 'manual' })
    for (const cookie of response.headers.getSetCookie()) {
      const [pair] = cookie.split(';')
      jar.set(pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1))
    }
    const location = response.headers.get('location')
    if (location === null) throw new Error(`oidc-provider answered ${response.status}: ${(await response.text()).slice(0, 500)}`)
    url = new URL(location, origin).href
  }
  const code = new URL(url).searchParams.get('code')
  if (code === null) throw new Error(`oidc-provider gave no code: ${url}`)
  return { cookie: [...jar].filter(([name]) => name.startsWith('_session')).map(([name, value]) => `${name}=${value}`).join('; '), code }
}

/** The flows that bench/oauth-flows.ts runs. */
export async function prepareFlows(origin, connections) {
  const [cookies, tokens] = [[], []]
  for (let at = 0; at < connections; at++) {
    const { cookie, code } = await signIn(origin)
    const answer = await fetch(`${origin}/token`, { method: 'POST', headers: FORM, body: `${TOKEN_BODY}&client_id=${CLIENT_ID}&code=${code}` })
    const { refresh_token: token } = await answer.json()
    if (token === undefined) throw new Error(`oidc-provider gave no refresh token: ${answer.status}`)
    cookies.push(cookie)
    tokens.push(token)
  }
  const common = { origin, tokenPath: '/token', tokenHeaders: FORM }
  return {
    refresh: { ...common, kind: 'refresh', name: 'peer refresh', authorizePaths: [], tokenBody: `grant_type=refresh_token&client_id=${CLIENT_ID}`, credentials: tokens, markers: ['"access_token":"', '"id_token":"', '"refresh_token":"'] },
    code: { ...common, kind: 'code', name: 'peer code', authorizePaths: [AUTHORIZE], tokenBody: TOKEN_BODY, credentials: cookies, markers: ['"access_token":"', '"id_token":"'] },
  }
}
