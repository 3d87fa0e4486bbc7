// Why an authorization request comes to nothing. What is wrong with the client or its address is said to the person in front of the page, for whoever is told of it
// might be anybody; everything else goes back to the client (RFC 6749 4.1.2.1).
import { OAuthError, type OAuthErrorCode } from '../../clients/index.js'

export class AuthorizationError extends OAuthError {
  /** where it is told; null: on a page */
  readonly redirect: { uri: string; state: string } | null

  constructor(error: OAuthErrorCode, description: string, redirect: { uri: string; state: string } | null) {
    super(error, description)
    this.redirect = redirect
  }
}
