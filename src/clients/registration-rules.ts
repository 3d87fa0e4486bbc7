// A client that describes itself (RFC 7591 2, client id metadata documents): what is taken of its words, in our own, and what it is told it has become. Whatever
// nobody may give themselves, consent that is not asked for above all, has no word here. Pure.
import { foldedText, plainText } from '../kernel/text.js'
import { ALGORITHMS, type Algorithm, AUTH_METHODS, type AuthMethod, type ClientFields, type ClientKind, faultsOf, type GrantType } from './client-rules.js'
import { OAuthError } from './oauth-error.js'
import { redirectFault } from './redirect-rules.js'
import { IDENTITY_SCOPES, parseScope } from './scope-rules.js'

export type Metadata = Readonly<Record<string, unknown>>

const MOST_NAME = 100
const MOST_URIS = 20
const GRANTS: readonly GrantType[] = ['authorization_code', 'refresh_token']

const wrong = (description: string): OAuthError => new OAuthError('invalid_client_metadata', description)

function text(metadata: Metadata, name: string): string | null {
  const value = metadata[name]
  if (value === undefined || value === null || value === '') return null
  if (typeof value !== 'string' || value.length > 2_000) throw wrong(`${name} must be a text`)
  return value
}

function texts(metadata: Metadata, name: string): string[] | null {
  const value = metadata[name]
  if (value === undefined || value === null) return null
  if (!Array.isArray(value) || value.length > MOST_URIS || !value.every((one) => typeof one === 'string' && one.length <= 1_000)) throw wrong(`${name} must be a list of at most ${MOST_URIS} texts`)
  return [...new Set(value as string[])]
}

function kindOf(metadata: Metadata, redirectUris: readonly string[]): ClientKind {
  const type = text(metadata, 'application_type')
  if (type !== null && type !== 'web' && type !== 'native') throw wrong('application_type is web or native')
  return type === 'native' || redirectUris.every((uri) => !uri.startsWith('https:')) ? 'native' : 'web'
}

function redirectUrisOf(metadata: Metadata): { redirectUris: string[]; kind: ClientKind } {
  const redirectUris = texts(metadata, 'redirect_uris') ?? []
  if (redirectUris.length === 0) throw new OAuthError('invalid_redirect_uri', 'redirect_uris must name where people come back to')
  const kind = kindOf(metadata, redirectUris)
  for (const uri of redirectUris) {
    const fault = redirectFault(uri, kind)
    if (fault !== null) throw new OAuthError('invalid_redirect_uri', `${uri.slice(0, 100).replace(/[^\x20-\x7e]/g, '?')} ${fault}`)
  }
  return { redirectUris, kind }
}

function grantTypesOf(metadata: Metadata): GrantType[] {
  const types = texts(metadata, 'response_types') ?? ['code']
  if (!types.includes('code')) throw wrong('response_types must hold code')
  const asked = texts(metadata, 'grant_types') ?? ['authorization_code']
  const known = GRANTS.filter((one) => asked.includes(one))
  // what is not done here is left out, and the answer says so (RFC 7591 3.2.1)
  if (!known.includes('authorization_code')) throw wrong('grant_types must hold authorization_code')
  return known
}

function nameOf(metadata: Metadata, redirectUris: readonly string[]): string {
  const given = text(metadata, 'client_name')
  const plain = given === null ? null : plainText(given.slice(0, MOST_NAME))
  if (given !== null && (plain === null || plain === '' || foldedText(plain) === null)) throw wrong('client_name must hold no control, bidirectional or invisible characters')
  return plain ?? new URL(redirectUris[0] ?? '').host.slice(0, MOST_NAME)
}

function authMethodOf(metadata: Metadata, fallback: AuthMethod): AuthMethod {
  const method = text(metadata, 'token_endpoint_auth_method') ?? fallback
  const known = AUTH_METHODS.find((one) => one === method)
  if (known === undefined) throw wrong(`token_endpoint_auth_method is one of ${AUTH_METHODS.join(', ')}`)
  return known
}

function algorithmOf(metadata: Metadata): Algorithm {
  const algorithm = text(metadata, 'id_token_signed_response_alg') ?? 'RS256'
  const known = ALGORITHMS.find((one) => one === algorithm)
  if (known === undefined) throw wrong(`id_token_signed_response_alg is one of ${ALGORITHMS.join(', ')}`)
  return known
}

function maxAgeOf(metadata: Metadata): number | null {
  const value = metadata['default_max_age']
  if (value === undefined || value === null) return null
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 0 || value > 31_536_000) throw wrong('default_max_age must be a number of seconds')
  return value
}

const page = (metadata: Metadata, name: string): string | null => {
  const uri = text(metadata, name)
  if (uri !== null && (!uri.startsWith('https://') || redirectFault(uri, 'web') !== null)) throw wrong(`${name} must be an https URL`)
  return uri
}

/** The client that such words describe. `fallback`: how it proves itself where it does not say. Throws OAuthError. */
export function clientOf(metadata: Metadata, fallback: AuthMethod): ClientFields {
  const { redirectUris, kind } = redirectUrisOf(metadata)
  const scope = text(metadata, 'scope')
  const asked = scope === null ? null : parseScope(scope)
  if (scope !== null && asked === null) throw wrong('scope is not a list of names')
  const jwks = metadata['jwks']
  if (jwks !== undefined && (typeof jwks !== 'object' || jwks === null || !Array.isArray((jwks as { keys?: unknown }).keys))) throw wrong('jwks must be a set of keys')
  const client: ClientFields = {
    kind, name: nameOf(metadata, redirectUris), authMethod: authMethodOf(metadata, fallback), grantTypes: grantTypesOf(metadata), redirectUris, postLogoutRedirectUris: texts(metadata, 'post_logout_redirect_uris') ?? [],
    // nobody has vouched for it, so it has nobody asked in its name
    backchannelLogoutUri: null, resources: [], firstParty: false, requirePkce: true, enabled: true,
    scopes: IDENTITY_SCOPES.filter((one) => asked === null || asked.includes(one)), jwks: jwks === undefined ? null : (jwks as ClientFields['jwks']), jwksUri: text(metadata, 'jwks_uri'),
    idTokenAlgorithm: algorithmOf(metadata), defaultMaxAge: maxAgeOf(metadata), clientUri: page(metadata, 'client_uri'), policyUri: page(metadata, 'policy_uri'), tosUri: page(metadata, 'tos_uri'),
  }
  const [fault] = faultsOf(client)
  if (fault) throw wrong(`${fault.path.slice(1)} ${fault.message}`)
  return client
}

const given = (name: string, value: unknown): Record<string, unknown> => (value === null ? {} : { [name]: value })

/** A client in the words of RFC 7591 3.2.1. */
export function metadataOf(client: ClientFields & { clientId: string; createdAt: Date }): Record<string, unknown> {
  return {
    client_id: client.clientId, client_id_issued_at: Math.floor(client.createdAt.getTime() / 1_000), client_name: client.name, redirect_uris: client.redirectUris, application_type: client.kind, response_types: ['code'],
    grant_types: client.grantTypes, token_endpoint_auth_method: client.authMethod, scope: client.scopes.join(' '), id_token_signed_response_alg: client.idTokenAlgorithm, post_logout_redirect_uris: client.postLogoutRedirectUris,
    subject_type: 'public', ...given('jwks', client.jwks), ...given('jwks_uri', client.jwksUri), ...given('default_max_age', client.defaultMaxAge), ...given('client_uri', client.clientUri), ...given('policy_uri', client.policyUri), ...given('tos_uri', client.tosUri),
  }
}
