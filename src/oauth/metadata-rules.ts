// What is told of the authorization server (RFC 8414, OpenID Connect Discovery) and of the resources that it issues tokens for (RFC 9728). Pure.
import { IDENTITY_SCOPES, type KnownResource } from '../clients/index.js'
import { MULTI_FACTOR, ONE_FACTOR } from '../kernel/assurance.js'
import { CLAIMS_OF } from './authorization/claims-rules.js'

const AUTH_METHODS = ['client_secret_basic', 'client_secret_post', 'private_key_jwt', 'none']
const ASSERTION_ALGORITHMS = ['RS256', 'PS256', 'ES256', 'EdDSA']

/** RFC 8414 2, OpenID Connect Discovery 3. */
export function providerMetadata(issuer: string, { hasRegistration, hasDocuments }: { hasRegistration: boolean; hasDocuments: boolean }): Record<string, unknown> {
  const endpoint = (name: string): string => `${issuer}/oauth/${name}`
  const confidential = AUTH_METHODS.filter((one) => one !== 'none')
  return {
    issuer,
    authorization_endpoint: endpoint('authorize'),
    token_endpoint: endpoint('token'),
    userinfo_endpoint: endpoint('userinfo'),
    pushed_authorization_request_endpoint: endpoint('par'),
    end_session_endpoint: endpoint('logout'),
    backchannel_logout_supported: true,
    backchannel_logout_session_supported: true,
    introspection_endpoint: endpoint('introspect'),
    revocation_endpoint: endpoint('revoke'),
    ...(hasRegistration ? { registration_endpoint: endpoint('register') } : {}),
    ...(hasDocuments ? { client_id_metadata_document_supported: true } : {}),
    jwks_uri: `${issuer}/.well-known/jwks.json`,
    scopes_supported: [...IDENTITY_SCOPES],
    response_types_supported: ['code'],
    response_modes_supported: ['query'],
    grant_types_supported: ['authorization_code', 'refresh_token', 'client_credentials'],
    code_challenge_methods_supported: ['S256'],
    authorization_response_iss_parameter_supported: true,
    require_pushed_authorization_requests: false,
    request_parameter_supported: false,
    request_uri_parameter_supported: false,
    claims_parameter_supported: true,
    subject_types_supported: ['public'],
    id_token_signing_alg_values_supported: ['RS256', 'ES256', 'EdDSA'],
    claim_types_supported: ['normal'],
    claims_supported: ['sub', 'iss', 'aud', 'exp', 'iat', 'auth_time', 'nonce', 'acr', 'amr', 'at_hash', 'sid', ...Object.values(CLAIMS_OF).flat()],
    acr_values_supported: [ONE_FACTOR, MULTI_FACTOR],
    prompt_values_supported: ['none', 'login', 'consent', 'select_account'],
    display_values_supported: ['page', 'popup'],
    token_endpoint_auth_methods_supported: AUTH_METHODS,
    token_endpoint_auth_signing_alg_values_supported: ASSERTION_ALGORITHMS,
    introspection_endpoint_auth_methods_supported: confidential,
    introspection_endpoint_auth_signing_alg_values_supported: ASSERTION_ALGORITHMS,
    revocation_endpoint_auth_methods_supported: AUTH_METHODS,
    revocation_endpoint_auth_signing_alg_values_supported: ASSERTION_ALGORITHMS,
  }
}

/** RFC 9728 2. */
export function resourceMetadata(issuer: string, { identifier, name, scopes, algorithm }: Pick<KnownResource, 'identifier' | 'name' | 'scopes' | 'algorithm'>): Record<string, unknown> {
  return {
    resource: identifier, resource_name: name, authorization_servers: [issuer], jwks_uri: `${issuer}/.well-known/jwks.json`, scopes_supported: scopes.map((one) => one.name), bearer_methods_supported: ['header'],
    resource_signing_alg_values_supported: [algorithm],
  }
}
