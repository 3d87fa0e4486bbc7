// What a client is, and what fits together in one. Pure: faults out, nothing thrown.
import type { FieldError } from '../kernel/errors.js'
import { isUsableKeySet } from './key-set-rules.js'
import { redirectFault } from './redirect-rules.js'
import { isIdentityScope } from './scope-rules.js'

export type ClientKind = 'web' | 'native' | 'service' | 'resource'
export const AUTH_METHODS = ['none', 'client_secret_basic', 'client_secret_post', 'private_key_jwt'] as const
export type AuthMethod = (typeof AUTH_METHODS)[number]
export const GRANT_TYPES = ['authorization_code', 'refresh_token', 'client_credentials'] as const
export type GrantType = (typeof GRANT_TYPES)[number]
export const ALGORITHMS = ['RS256', 'ES256', 'EdDSA'] as const
export type Algorithm = (typeof ALGORITHMS)[number]

export interface ClientFields {
  kind: ClientKind
  name: string
  authMethod: AuthMethod
  grantTypes: GrantType[]
  redirectUris: string[]
  postLogoutRedirectUris: string[]
  backchannelLogoutUri: string | null
  scopes: string[]
  resources: string[]
  firstParty: boolean
  requirePkce: boolean
  enabled: boolean
  jwks: { keys: Record<string, unknown>[] } | null
  jwksUri: string | null
  idTokenAlgorithm: Algorithm
  /** seconds */
  defaultMaxAge: number | null
  clientUri: string | null
  policyUri: string | null
  tosUri: string | null
}

export type NewClient = Pick<ClientFields, 'kind' | 'name'> & Partial<ClientFields>
/** Its kind stays: what it may have asked for by then hangs on it. */
export type ClientPatch = Partial<Omit<ClientFields, 'kind'>>

const GRANTS_OF: Record<ClientKind, GrantType[]> = {
  web: ['authorization_code', 'refresh_token'], native: ['authorization_code', 'refresh_token'], service: ['client_credentials'], resource: [],
}

/** What was left out, as it is usually meant. */
export function completed({ kind, ...given }: NewClient): ClientFields {
  const isForPeople = kind === 'web' || kind === 'native'
  return {
    kind, authMethod: kind === 'native' ? 'none' : 'client_secret_basic', grantTypes: GRANTS_OF[kind], redirectUris: [], postLogoutRedirectUris: [], backchannelLogoutUri: null,
    scopes: isForPeople ? ['openid', 'profile', 'email', 'offline_access'] : [], resources: [], firstParty: false, requirePkce: true, enabled: true, jwks: null, jwksUri: null,
    idTokenAlgorithm: 'RS256', defaultMaxAge: null, clientUri: null, policyUri: null, tosUri: null, ...given,
  }
}

/** Can it keep a secret, or a key? */
export function isConfidential({ authMethod }: Pick<ClientFields, 'authMethod'>): boolean {
  return authMethod !== 'none'
}

export function hasSecret({ authMethod }: Pick<ClientFields, 'authMethod'>): boolean {
  return authMethod === 'client_secret_basic' || authMethod === 'client_secret_post'
}

type Say = (path: string, message: string) => void

function judgeGrants({ kind, authMethod, grantTypes, redirectUris, requirePkce, scopes, firstParty }: ClientFields, say: Say): void {
  const isForPeople = kind === 'web' || kind === 'native'
  const isPublic = authMethod === 'none'
  if (isPublic && !isForPeople) say('/authMethod', 'must be one that proves who the client is: it acts for itself')
  if (grantTypes.includes('client_credentials') && isPublic) say('/grantTypes', 'client_credentials is for clients that can prove who they are')
  if (grantTypes.includes('client_credentials') && kind === 'native') say('/grantTypes', 'client_credentials is for machines of one\'s own')
  if (!isForPeople && grantTypes.some((one) => one !== 'client_credentials')) say('/grantTypes', 'people sign in to clients of kind web and native')
  if (kind === 'resource' && grantTypes.length > 0) say('/grantTypes', 'must be empty: a resource asks about tokens and gets none')
  if (grantTypes.includes('refresh_token') && !grantTypes.includes('authorization_code')) say('/grantTypes', 'refresh_token comes with authorization_code')
  if (grantTypes.includes('authorization_code') && redirectUris.length === 0) say('/redirectUris', 'must name where people come back to')
  if (!grantTypes.includes('authorization_code') && redirectUris.length > 0) say('/redirectUris', 'nobody comes back to it')
  if (!isForPeople && scopes.some(isIdentityScope)) say('/scopes', 'nobody signs in to it: scopes of resources only')
  // OAuth 2.1 4.1.1: without PKCE a nonce must bind the code, and the client prove who it is
  if (!requirePkce && isPublic) say('/requirePkce', 'must be true for a client that cannot prove who it is')
  if (firstParty && !isForPeople) say('/firstParty', 'is of clients that people sign in to')
}

function judgeAddresses({ kind, redirectUris, postLogoutRedirectUris, clientUri, policyUri, tosUri, jwksUri, backchannelLogoutUri }: ClientFields, say: Say): void {
  for (const [name, uris] of Object.entries({ redirectUris, postLogoutRedirectUris })) {
    for (const [at, uri] of uris.entries()) {
      const fault = redirectFault(uri, kind)
      if (fault !== null) say(`/${name}/${at}`, fault)
    }
  }
  for (const [name, uri] of Object.entries({ clientUri, policyUri, tosUri })) {
    if (uri !== null && (!uri.startsWith('https://') || redirectFault(uri, 'web') !== null)) say(`/${name}`, 'must be an https URL')
  }
  for (const [name, uri] of Object.entries({ jwksUri, backchannelLogoutUri })) {
    if (uri !== null && (!URL.canParse(uri) || uri.includes('#') || !/^https?:$/.test(new URL(uri).protocol) || new URL(uri).username !== '')) say(`/${name}`, 'must be an https URL without a fragment')
  }
}

/** What does not fit a client that an organization owns: people are always asked, and it asks about nobody's tokens. */
export function organizationFaults({ kind, firstParty }: Pick<ClientFields, 'kind' | 'firstParty'>): FieldError[] {
  return [
    ...(kind === 'resource' ? [{ path: '/kind', message: 'must be another: an organization asks about nobody\'s tokens' }] : []),
    ...(firstParty ? [{ path: '/firstParty', message: 'must be false: people are asked before a client of an organization acts for them' }] : []),
  ]
}

/** Everything that does not fit together in a client. */
export function faultsOf(client: ClientFields): FieldError[] {
  const faults: FieldError[] = []
  const say: Say = (path, message) => void faults.push({ path, message })
  judgeGrants(client, say)
  judgeAddresses(client, say)
  const { authMethod, jwks, jwksUri } = client
  if (jwks !== null && jwksUri !== null) say('/jwksUri', 'stands beside jwks: one of them')
  if (jwks !== null && !isUsableKeySet(jwks)) say('/jwks', 'must hold 1 to 10 public keys (RSA of 2048 to 4096 bits, P-256, Ed25519), and nothing private')
  if (authMethod === 'private_key_jwt' && jwks === null && jwksUri === null) say('/jwks', 'must be given, or jwksUri: its assertions are checked with it')
  return faults
}
