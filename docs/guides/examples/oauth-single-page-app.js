// Signing in from a page on another origin: authorization code with PKCE, no secret, nothing kept but a verifier on the way.
const encoded = (bytes) => btoa(String.fromCharCode(...bytes)).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')
const random = () => encoded(crypto.getRandomValues(new Uint8Array(32)))

export function createSignIn({ issuer, clientId, redirectUri, scope = 'openid email', storage, go, fetch = globalThis.fetch }) {
  let refreshing = null
  let tokens = null

  async function ask(fields) {
    const response = await fetch(`${issuer}/oauth/token`, { method: 'POST', body: new URLSearchParams({ client_id: clientId, ...fields }) })
    const answer = await response.json()
    if (!response.ok) throw Object.assign(new Error(answer.error_description), { code: answer.error })
    tokens = { accessToken: answer.access_token, refreshToken: answer.refresh_token, idToken: answer.id_token, endsAt: Date.now() + answer.expires_in * 1000 }
    return tokens
  }

  return {
    /** Sends the person to the sign-in. */
    async begin(more = {}) {
      const [verifier, state] = [random(), random()]
      storage.setItem('sign-in', JSON.stringify({ verifier, state }))
      const challenge = encoded(new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(verifier))))
      const query = { client_id: clientId, response_type: 'code', redirect_uri: redirectUri, scope, state, code_challenge: challenge, code_challenge_method: 'S256', ...more }
      go(`${issuer}/oauth/authorize?${new URLSearchParams(query)}`)
    },
    /** On the page of redirectUri: trades what came back for tokens. */
    async finish(address) {
      const { verifier, state } = JSON.parse(storage.getItem('sign-in') ?? '{}')
      storage.removeItem('sign-in')
      const back = new URL(address).searchParams
      // it did not begin here, or another server answers (RFC 9207)
      if (state === undefined || back.get('state') !== state || back.get('iss') !== issuer) throw Object.assign(new Error('This sign-in did not begin here'), { code: 'state' })
      if (back.has('error')) throw Object.assign(new Error(back.get('error_description') ?? ''), { code: back.get('error') })
      return ask({ grant_type: 'authorization_code', code: back.get('code') ?? '', redirect_uri: redirectUri, code_verifier: verifier })
    },
    /** A token that is good for a while; one refresh at a time, for a refresh token works once. */
    async accessToken() {
      if (tokens === null) throw Object.assign(new Error('Sign in'), { code: 'login_required' })
      if (tokens.endsAt - Date.now() > 15_000) return tokens.accessToken
      refreshing ??= ask({ grant_type: 'refresh_token', refresh_token: tokens.refreshToken }).finally(() => { refreshing = null })
      return (await refreshing).accessToken
    },
  }
}
