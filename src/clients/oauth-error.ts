// What a client is told that asked for something wrong (RFC 6749 5.2 and its kin): one of the standards' own words, with a status. It never says what is
// nobody's business.

export type OAuthErrorCode =
  | 'invalid_request' | 'invalid_client' | 'invalid_grant' | 'unauthorized_client' | 'unsupported_grant_type' | 'invalid_scope' | 'invalid_target' | 'unsupported_response_type' | 'access_denied'
  | 'login_required' | 'consent_required' | 'interaction_required' | 'account_selection_required' | 'unmet_authentication_requirements' | 'request_not_supported' | 'request_uri_not_supported' | 'invalid_request_uri'
  | 'registration_not_supported' | 'invalid_redirect_uri' | 'invalid_client_metadata' | 'invalid_token' | 'insufficient_scope' | 'unsupported_token_type' | 'temporarily_unavailable' | 'server_error'

export interface OAuthErrorOptions {
  status?: number
  /** with 401: a challenge of its own instead of none */
  authenticate?: string
  retryAfterSeconds?: number
  cause?: unknown
}

/** An error of an OAuth endpoint; all of it but `cause` is sent. */
export class OAuthError extends Error {
  override readonly name = 'OAuthError'
  readonly error: OAuthErrorCode
  readonly statusCode: number
  readonly authenticate: string | undefined
  readonly retryAfterSeconds: number | undefined

  constructor(error: OAuthErrorCode, description: string, { status = 400, authenticate, retryAfterSeconds, cause }: OAuthErrorOptions = {}) {
    super(description, cause === undefined ? undefined : { cause })
    this.error = error
    this.statusCode = status
    this.authenticate = authenticate
    this.retryAfterSeconds = retryAfterSeconds
  }
}
