// Logout that a client begins (OpenID Connect RP-Initiated Logout): with an id token of the very sign-in it is done at once, and people go back to an address that
// the client has registered; anything else is asked about on a page of ours, and leads nowhere else.
import { type ClientDirectory, OAuthError, type Parameters } from '../../clients/index.js'
import type { IdTokens } from '../id-token-service.js'
import type { LogoutStore } from './logout-store.js'

/** `end`: the sign-in of this browser ends. `ask`: our own page asks whether it shall. Then people go to `location`. */
export interface LogoutOutcome {
  act: 'end' | 'ask' | 'nothing'
  location: string
}

export interface LogoutService {
  /** `sessionId`: of the browser's sign-in, if any. Throws OAuthError, to be told on a page. */
  logout: (parameters: Parameters, sessionId: string | null) => Promise<LogoutOutcome>
}

export interface LogoutDeps {
  store: Pick<LogoutStore, 'findParent'>
  directory: ClientDirectory
  idTokens: Pick<IdTokens, 'read'>
}

const SIGNED_OUT = '/ui/signed-out'
const ASK = '/ui/sign-out'
const MOST_STATE = 1_500

export function createLogout({ store, directory, idTokens }: LogoutDeps): LogoutService {
  /** The address that the client has registered for this. Throws OAuthError. */
  async function addressOf(parameters: Parameters, clientId: string): Promise<string | null> {
    const asked = parameters.get('post_logout_redirect_uri')
    if (asked === '') return null
    const client = clientId === '' ? null : await directory.client(clientId)
    if (!client?.enabled || !client.postLogoutRedirectUris.includes(asked)) throw new OAuthError('invalid_request', 'post_logout_redirect_uri is none of the client\'s')
    const state = parameters.get('state')
    if (state.length > MOST_STATE) throw new OAuthError('invalid_request', 'state is too long')
    return state === '' ? asked : `${asked}${asked.includes('?') ? '&' : '?'}${new URLSearchParams({ state }).toString()}`
  }

  return {
    async logout(parameters, sessionId) {
      const text = parameters.get('id_token_hint')
      const hint = text === '' ? null : await idTokens.read(text)
      if (text !== '' && !hint) throw new OAuthError('invalid_request', 'id_token_hint is no id token of ours')
      const named = parameters.get('client_id')
      if (hint && named !== '' && named !== hint.clientId) throw new OAuthError('invalid_request', 'client_id is not the one of the id token')
      const address = await addressOf(parameters, hint?.clientId ?? named)
      // without proof that the client has signed somebody in here, nobody is sent anywhere
      const location = hint && address !== null ? address : SIGNED_OUT
      if (sessionId === null) return { act: 'nothing', location }
      const isOwn = hint !== null && (await store.findParent(hint.grantId)) === sessionId
      return isOwn ? { act: 'end', location } : { act: 'ask', location: ASK }
    },
  }
}
