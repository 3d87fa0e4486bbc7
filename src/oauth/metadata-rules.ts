// What is told of the authorization server (RFC 8414) and of the resources that it issues tokens for (RFC 9728). Pure.
import type { KnownResource } from '../clients/index.js'

const AUTH_METHODS = ['client_secret_basic', 'client_secret_post', 'private_key_jwt', 'none']
const ASSERTION_ALGORITHMS = ['RS256', 'PS256', 'ES256', 'EdDSA']

/** RFC 8414 2. */
export function serverMetadata(issuer: string): Record<string, unknown> {
  const endpoint = (name: string): string => `${issuer}/oauth/${name}`
  const confidential = AUTH_METHODS.filter((one) => one !== 'none')
  return {
    issuer,
    token_endpoint: endpoint('token'),
    introspection_endpoint: endpoint('introspect'),
    revocation_endpoint: endpoint('revoke'),
    jwks_uri: `${issuer}/.well-known/jwks.json`,
    response_types_supported: [],
    grant_types_supported: ['client_credentials'],
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
