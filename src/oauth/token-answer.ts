// What the token endpoint answers (RFC 6749 5.1).
import type { KnownClient, Parameters } from '../clients/index.js'
import type { Caller } from '../kernel/principal.js'

export interface TokenAnswer {
  access_token: string
  token_type: 'Bearer'
  /** seconds */
  expires_in: number
  scope: string
  refresh_token?: string
  id_token?: string
}

/** One way to get tokens. Throws OAuthError. */
export type Grant = (client: KnownClient, parameters: Parameters, caller: Caller) => Promise<TokenAnswer>
