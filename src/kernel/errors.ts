// The one table of every error Gatehouse answers with: code -> HTTP status and title. Codes are stable for ever.
// Nothing here knows HTTP framing; plugins/http/errors.ts turns an AppError into RFC 9457 application/problem+json.

export const ERRORS = {
  'request.invalid': [400, 'The request does not match its schema'],
  'request.malformed': [400, 'The request cannot be read'],
  'cursor.invalid': [400, 'The cursor is not one this list gave out'],
  'credentials.ambiguous': [400, 'More than one credential in one request'],
  'credentials.malformed': [400, 'The Authorization header does not follow its grammar'],
  'gate.headers_missing': [400, 'The gateway does not tell what it holds'],
  'gate.header_refused': [400, 'The request carries a header that only the gateway may set'],
  'gate.upgrade_refused': [400, 'A connection may be upgraded to a WebSocket and to nothing else'],
  'gate.target_refused': [400, 'The request target is not one that all servers read alike'],
  'password.weak': [400, 'The password is too easy to guess'],
  'role.unknown': [400, 'No such role'],
  'owner.unknown': [400, 'No such owner'],
  'federation.state_invalid': [400, 'The sign-in did not begin in this browser, is over, or took too long'],
  'credentials.missing': [401, 'A credential is needed'],
  'credentials.invalid': [401, 'The e-mail or the password is wrong'],
  'token.invalid': [401, 'The access token is not valid'],
  'token.expired': [401, 'The access token has expired'],
  'session.invalid': [401, 'The session is not valid'],
  'key.invalid': [401, 'The API key is not valid'],
  'refresh.invalid': [401, 'The refresh token is not valid'],
  'magic_link.invalid': [401, 'The code or the link is not right, used, too old, or was asked for elsewhere'],
  'challenge.invalid': [401, 'The challenge is wrong, used, expired or ended'],
  'factor.invalid': [401, 'The code or the passkey is not right'],
  'login.stepup': [401, 'Who asks must prove once more who they are'],
  'setup.token_invalid': [401, 'The setup token is not the one this installation printed'],
  'access.denied': [403, 'The credential does not allow this'],
  'scope.insufficient': [403, 'The token lacks a scope that is needed here'],
  'permission.not_held': [403, 'A permission can be given only by someone who holds it'],
  'federation.denied': [403, 'The provider was told no'],
  'federation.refused': [403, 'The answer of the provider cannot be believed'],
  'identity.other': [403, 'The identity is not one of this account'],
  'factor.required': [403, 'The account has a second factor, which is needed here'],
  'signup.closed': [403, 'Signing up is not open here'],
  'gate.untrusted': [403, 'The address is not that of a gateway'],
  'gate.no_rule': [403, 'No gate rule covers the request'],
  'csrf.invalid': [403, 'The request lacks proof that it comes from the same site'],
  'route.not_found': [404, 'No such endpoint'],
  'magic_link.off': [404, 'Signing in by mail is not switched on here'],
  'factor_reset.not_found': [404, 'No reset of factors is planned'],
  'factor.not_found': [404, 'No such factor'],
  'invitation.not_found': [404, 'No such invitation'],
  'user.not_found': [404, 'No such user'],
  'role.not_found': [404, 'No such role'],
  'provider.not_found': [404, 'No such identity provider'],
  'identity.not_found': [404, 'No such identity'],
  'organization.not_found': [404, 'No such organization'],
  'organization.member_not_found': [404, 'Nobody of that id is in the organization'],
  'organization.invitation_not_found': [404, 'No such invitation'],
  'key.not_found': [404, 'No such key'],
  'namespace.not_found': [404, 'No such namespace of limits'],
  'webhook.not_found': [404, 'No such webhook endpoint'],
  'device.not_found': [404, 'No such device'],
  'session.not_found': [404, 'No such session'],
  'client.not_found': [404, 'No such client'],
  'client.secret_not_found': [404, 'The client has no such secret'],
  'organization.domain_not_found': [404, 'The organization has no such domain'],
  'grant.not_found': [404, 'Nothing was granted to this application'],
  'resource.not_found': [404, 'No such resource'],
  'dead_letter.not_found': [404, 'No such dead letter'],
  'gate_rule.not_found': [404, 'No such gate rule'],
  'method.not_allowed': [405, 'The endpoint does not answer this method'],
  'response.not_acceptable': [406, 'The answer cannot be given in an accepted form'],
  'request.timeout': [408, 'The request took too long to arrive'],
  'email.taken': [409, 'The e-mail belongs to another account'],
  'client.taken': [409, 'There is a client of this name'],
  'client.cap_reached': [409, 'There are as many clients as there may be'],
  'client.no_secret': [409, 'The client does not prove itself by a secret'],
  'client.secrets_full': [409, 'The client has as many secrets as one may have'],
  'resource.taken': [409, 'There is a resource of this identifier'],
  'resource.cap_reached': [409, 'There are as many resources as there may be'],
  'provider.taken': [409, 'There is a provider of this issuer and client'],
  'provider.cap_reached': [409, 'There are as many identity providers as there may be'],
  'provider.in_use': [409, 'Identities of people hang on the provider'],
  'identity.taken': [409, 'The identity belongs to another account'],
  'identity.last': [409, 'The account would have no way to sign in'],
  'identity.cap_reached': [409, 'The account has as many identities as one may have'],
  'setup.done': [409, 'This installation has been set up already'],
  'session.cap_reached': [409, 'The user has as many sessions as one may have'],
  'admin.last': [409, 'The last administrator cannot be removed, suspended or demoted'],
  'role.taken': [409, 'There is a role of this name'],
  'role.held': [409, 'Somebody holds the role'],
  'role.builtin': [409, 'A role that Gatehouse needs cannot be changed so'],
  'role.cap_reached': [409, 'There are as many roles as there may be'],
  'keys.unexpected_count': [409, 'The filter names another number of keys than expected'],
  'organization.taken': [409, 'There is an organization of this slug'],
  'organization.cap_reached': [409, 'Somebody owns as many organizations as one may'],
  'organization.member_known': [409, 'The person is in the organization already'],
  'organization.full': [409, 'The organization, or the person, has as many memberships as they may'],
  'organization.invitations_full': [409, 'As many invitations wait as may'],
  'organization.domain_known': [409, 'The organization has asked for this domain already'],
  'organization.domain_unproven': [409, 'The record that proves the domain was not found'],
  'organization.domain_taken': [409, 'Another organization has proven that the domain is its own'],
  'organization.domains_full': [409, 'The organization has as many domains as one may have'],
  'organization.last_owner': [409, 'The last owner of an organization stays'],
  'factor.cap_reached': [409, 'There are as many factors of this kind as one may have'],
  'factor.taken': [409, 'The passkey is registered already'],
  'factor.needed': [409, 'A role of the account asks for a second factor: this is the last one'],
  'factor.none': [409, 'There is no factor that this would stand in for'],
  'invitation.cap_reached': [409, 'There are as many invitations as one may have given'],
  'key.taken': [409, 'This key is known already'],
  'key.cap_reached': [409, 'The owner has as many live keys as they may'],
  'webhook.cap_reached': [409, 'There are as many webhook endpoints as there may be'],
  'webhook.full': [409, 'As many messages to the endpoint wait as may'],
  'key.expired': [409, 'The key has expired'],
  'key.revoked': [409, 'The key has been revoked'],
  'key.rotated': [409, 'The key has been rotated already'],
  'gate_rule.taken': [409, 'There is a gate rule for this host, path and methods'],
  'idempotency.in_flight': [409, 'A request with this Idempotency-Key is being handled'],
  'impersonation.unavailable': [409, 'Nobody can act for this account'],
  'account.not_anonymous': [409, 'The account is not anonymous'],
  'reset.unavailable': [409, 'This account cannot be given a password'],
  'federation.code_invalid': [410, 'The code is wrong, used or expired'],
  'link.void': [410, 'Nothing waits to be linked here'],
  'organization.invitation_void': [410, 'The invitation is wrong, used, withdrawn, expired or void'],
  'reset.void': [410, 'The link is wrong, used, expired or void'],
  'events.expired': [410, 'What came after this place is not kept any more'],
  'invitation.void': [410, 'The invitation is wrong, used, expired, revoked or void'],
  'confirmation.void': [410, 'The link that confirms an address is wrong, used, expired or void'],
  'precondition.failed': [412, 'The resource has changed since it was read'],
  'body.too_large': [413, 'The request body is too large'],
  'uri.too_long': [414, 'The request target is too long'],
  'media_type.unsupported': [415, 'The content type is not supported'],
  'expectation.failed': [417, 'The expectation cannot be met'],
  'idempotency.mismatch': [422, 'This Idempotency-Key was used with another request'],
  'precondition.required': [428, 'An If-Match header is needed'],
  'login.throttled': [429, 'Too many failed sign-ins'],
  'rate.limited': [429, 'Too many requests'],
  'events.too_many_streams': [429, 'There are as many event streams as one may have'],
  'headers.too_large': [431, 'The request headers are too large'],
  'server.error': [500, 'Something went wrong on our side'],
  'provider.unavailable': [502, 'The identity provider does not answer'],
  'server.busy': [503, 'The server has too much to do'],
  'database.unavailable': [503, 'The database does not answer'],
} as const satisfies Record<string, readonly [number, string]>

export type ErrorCode = keyof typeof ERRORS

export interface FieldError {
  /** JSON pointer into the body, or the name of the query parameter or header */
  path: string
  message: string
}

export interface ProblemOptions {
  detail?: string
  errors?: FieldError[]
  /** whole seconds, sent as Retry-After */
  retryAfterSeconds?: number
  /** parameters of WWW-Authenticate, with 401 */
  authenticate?: string
  cause?: unknown
}

/** An error that may be shown to the caller: everything in it but `cause` is sent. */
export class AppError extends Error {
  readonly code: ErrorCode
  readonly statusCode: number
  readonly title: string
  readonly detail: string | undefined
  readonly errors: FieldError[] | undefined
  readonly retryAfterSeconds: number | undefined
  readonly authenticate: string | undefined

  constructor(code: ErrorCode, options: ProblemOptions = {}) {
    const [status, title] = ERRORS[code]
    super(options.detail ?? title, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'AppError'
    this.code = code
    this.statusCode = status
    this.title = title
    this.detail = options.detail
    this.errors = options.errors
    this.retryAfterSeconds = options.retryAfterSeconds
    this.authenticate = options.authenticate
  }
}

/** The error of a code, to be thrown: `throw problem('email.taken')`. */
export function problem(code: ErrorCode, options?: ProblemOptions): AppError {
  return new AppError(code, options)
}

/** Is it an error of one of these codes? */
export function isProblem(error: unknown, ...codes: readonly ErrorCode[]): error is AppError {
  return error instanceof AppError && codes.includes(error.code)
}
