// A web app on a server, with openid-client: what is on the way is in the app's own session, and so is who has signed in. `session` is any object that the app's
// framework keeps for a browser.
import * as oidc from 'openid-client'

export async function createSignIn({ issuer, clientId, clientSecret, redirectUri, metadata = {}, execute = [] }) {
  const config = await oidc.discovery(new URL(issuer), clientId, metadata, oidc.ClientSecretBasic(clientSecret), { execute })

  return {
    /** Where to send the browser. */
    async begin(session) {
      const verifier = oidc.randomPKCECodeVerifier()
      session.signIn = { verifier, state: oidc.randomState(), nonce: oidc.randomNonce() }
      const { state, nonce } = session.signIn
      return oidc.buildAuthorizationUrl(config, {
        redirect_uri: redirectUri, scope: 'openid email', state, nonce, code_challenge: await oidc.calculatePKCECodeChallenge(verifier), code_challenge_method: 'S256',
      }).href
    },
    /** `address`: all of what the browser came back to. */
    async finish(session, address) {
      const { verifier, state, nonce } = session.signIn ?? {}
      delete session.signIn
      const tokens = await oidc.authorizationCodeGrant(config, new URL(address), { pkceCodeVerifier: verifier, expectedState: state, expectedNonce: nonce, idTokenExpected: true })
      const { sub, sid } = tokens.claims()
      session.user = { id: sub, sid, idToken: tokens.id_token, ...(await oidc.fetchUserInfo(config, tokens.access_token, sub)) }
      return session.user
    },
    /** Where to send the browser to sign out here and there. */
    end(session, back) {
      const idToken = session.user?.idToken
      delete session.user
      return oidc.buildEndSessionUrl(config, { post_logout_redirect_uri: back, ...(idToken === undefined ? {} : { id_token_hint: idToken }) }).href
    },
  }
}
