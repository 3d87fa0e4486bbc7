// Auth.js (NextAuth) with Gatehouse: the provider, and callbacks that keep what the app needs. In Next.js:
//   export const { handlers, auth, signIn, signOut } = NextAuth(gatehouse({ issuer, clientId, clientSecret }))
// `now` and `fetch` are there for tests.
const EARLY_SECONDS = 30

export function gatehouse({ issuer, clientId, clientSecret, scope = 'openid profile email offline_access', now = Date.now, fetch = globalThis.fetch }) {
  const seconds = () => Math.floor(now() / 1_000)

  /** A new access token; a lost answer is asked for again with the same refresh token, and gets the same successor for ten seconds. */
  async function renewed(token) {
    const answer = await fetch(`${issuer}/oauth/token`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded', authorization: `Basic ${btoa(`${encodeURIComponent(clientId)}:${encodeURIComponent(clientSecret)}`)}` },
      body: new URLSearchParams({ grant_type: 'refresh_token', refresh_token: token.refreshToken }),
    })
    // it has ended: whoever asks for the session finds nobody, and signs in again
    if (answer.status === 400) return null
    if (!answer.ok) throw new Error(`Gatehouse answered ${answer.status}`)
    const body = await answer.json()
    return { ...token, accessToken: body.access_token, refreshToken: body.refresh_token, endsAt: seconds() + body.expires_in }
  }

  return {
    providers: [{
      id: 'gatehouse', name: 'Gatehouse', type: 'oidc', issuer, clientId, clientSecret,
      checks: ['pkce', 'state', 'nonce'],
      // Auth.js reads the id token alone, which has these when they are asked for
      authorization: { params: { scope, claims: { id_token: { email: null, name: null } } } },
      // who it is, for ever, is `sub`; an e-mail may change hands
      profile: ({ sub, name, email }) => ({ id: sub, name: name ?? email, email }),
    }],
    session: { strategy: 'jwt' },
    callbacks: {
      async jwt({ token, account, profile }) {
        if (account) return { ...token, sub: profile.sub, sid: profile.sid, idToken: account.id_token, accessToken: account.access_token, refreshToken: account.refresh_token, endsAt: seconds() + account.expires_in }
        return token.endsAt - EARLY_SECONDS > seconds() ? token : renewed(token)
      },
      // the page learns who it is, and never gets a token
      session: ({ session, token }) => ({ ...session, user: { ...session.user, id: token.sub } }),
    },
  }
}

/** Where to send the browser after signOut(), so that it is signed out at Gatehouse too. */
export function endAddress({ issuer, idToken, back }) {
  return `${issuer}/oauth/logout?${new URLSearchParams({ id_token_hint: idToken, post_logout_redirect_uri: back })}`
}
