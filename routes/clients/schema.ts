// The shapes of OAuth clients on the wire. A secret is in the answer that makes it, and in no other.
import { Type } from '@sinclair/typebox'
import { pageOf, pageQuery } from '../../src/kernel/page.js'
import { Id, NullableTime, strict, Time } from '../../plugins/http/route-kit.js'

const words = <W extends string>(list: readonly W[], description: string) => Type.Unsafe<W>({ type: 'string', enum: [...list], description })

const Kind = words(['web', 'native', 'service', 'resource'], '`web`: on a server or in a page; `native`: on somebody\'s own machine; `service`: acts for itself; `resource`: an API that asks about tokens')
const Name = Type.String({ minLength: 1, maxLength: 100, 'x-text': 'name', description: 'Shown to whoever is asked for consent' })
const AuthMethod = words(['none', 'client_secret_basic', 'client_secret_post', 'private_key_jwt'], 'How it proves who it is. Default: client_secret_basic; native: none, by PKCE alone')
const GrantTypes = Type.Array(words(['authorization_code', 'refresh_token', 'client_credentials'] as const, 'RFC 6749, OAuth 2.1'), { maxItems: 3, uniqueItems: true, description: 'Default: by its kind' })
const Uris = (description: string) => Type.Array(Type.String({ minLength: 1, maxLength: 1_000 }), { maxItems: 50, uniqueItems: true, description })
const Scopes = Type.Array(Type.String({ minLength: 1, maxLength: 100, pattern: '^[\\x21\\x23-\\x5b\\x5d-\\x7e]+$' }), { maxItems: 100, uniqueItems: true, description: 'What it may ask for: openid, profile, email, address, phone, offline_access, and scopes of its resources' })
const Resources = Type.Array(Type.String({ minLength: 1, maxLength: 500 }), { maxItems: 50, uniqueItems: true, description: 'Identifiers of the resources it may ask tokens for; of kind resource: those whose tokens it may ask about' })
const text = (maxLength: number) => Type.Optional(Type.String({ maxLength }))
const Jwk = strict({
  kty: Type.String({ maxLength: 10 }), crv: text(20), x: text(100), y: text(100), n: text(1_000), e: text(20), kid: text(200), use: text(10), alg: text(20),
  key_ops: Type.Optional(Type.Array(Type.String({ maxLength: 20 }), { maxItems: 10 })), x5c: Type.Optional(Type.Array(Type.String({ maxLength: 8_000 }), { maxItems: 10 })), x5t: text(100), 'x5t#S256': text(100), x5u: text(1_000),
})
const Jwks = Type.Union([strict({ keys: Type.Array(Jwk, { minItems: 1, maxItems: 10 }) }), Type.Null()], { description: 'Its public keys (RFC 7517)' })
const Uri = (description: string) => Type.Union([Type.String({ minLength: 1, maxLength: 1_000 }), Type.Null()], { description })
const Algorithm = words(['RS256', 'ES256', 'EdDSA'], 'What its id tokens are signed with. Default: RS256')
const FirstParty = Type.Boolean({ description: 'Nobody is asked for consent. Only whoever holds gatehouse:* may set it, or change a client that has it' })
const RequirePkce = Type.Boolean({ description: 'false: only for a client that proves who it is; an authorization without PKCE must have a nonce then' })
const MaxAge = Type.Union([Type.Integer({ minimum: 0, maximum: 31_536_000 }), Type.Null()], { description: 'Seconds: how long ago people may have proven who they are, where it does not say' })

const changeable = {
  authMethod: Type.Optional(AuthMethod), grantTypes: Type.Optional(GrantTypes), redirectUris: Type.Optional(Uris('Where people come back to, compared to the letter; of kind native with any port on loopback')),
  postLogoutRedirectUris: Type.Optional(Uris('Where people may be sent once they have signed out')), backchannelLogoutUri: Type.Optional(Uri('Told when a session of its is over')),
  scopes: Type.Optional(Scopes), resources: Type.Optional(Resources), firstParty: Type.Optional(FirstParty), requirePkce: Type.Optional(RequirePkce), enabled: Type.Optional(Type.Boolean({ description: 'false: it gets nothing, and what it has opens nothing' })),
  jwks: Type.Optional(Jwks), jwksUri: Type.Optional(Uri('Where its public keys are, instead of jwks')), idTokenAlgorithm: Type.Optional(Algorithm), defaultMaxAge: Type.Optional(MaxAge),
  clientUri: Type.Optional(Uri('Its page')), policyUri: Type.Optional(Uri('What it does with data')), tosUri: Type.Optional(Uri('Its terms')),
}

const SECRET_ID = '0198c0de-7d3a-7c1e-9a53-0d9a3c0b6f42'
const secret = { id: SECRET_ID, start: 'gcs_x8Kd', createdAt: '2027-01-01T09:00:00.000Z', expiresAt: null }
const client = {
  id: '0198c0de-7d3a-7c1e-9a53-0d9a3c0b6f41', clientId: '0198c0de-7d3a-7c1e-9a53-0d9a3c0b6f41', kind: 'web', name: 'Reports', authMethod: 'client_secret_basic', grantTypes: ['authorization_code', 'refresh_token'],
  redirectUris: ['https://reports.example.com/callback'], scopes: ['openid', 'email'], resources: [], firstParty: false, enabled: true, registration: 'administrator', organizationId: null, issuedBy: null, issuedVia: 'host', version: 1,
  createdAt: '2027-01-01T09:00:00.000Z', updatedAt: '2027-01-01T09:00:00.000Z',
}
const whole = {
  ...client, postLogoutRedirectUris: [], backchannelLogoutUri: null, requirePkce: true, jwks: null, jwksUri: null, idTokenAlgorithm: 'RS256', defaultMaxAge: null, clientUri: null, policyUri: null, tosUri: null, secrets: [secret],
}

const listed = {
  id: Id, clientId: Type.String({ description: 'What it calls itself by in OAuth' }), kind: Kind, name: Type.String(), authMethod: AuthMethod, grantTypes: GrantTypes, redirectUris: Type.Array(Type.String()), scopes: Type.Array(Type.String()),
  resources: Type.Array(Type.String()), firstParty: Type.Boolean(), enabled: Type.Boolean(), registration: words(['administrator', 'dynamic', 'document'], 'By whom it came'),
  organizationId: Type.Union([Type.String(), Type.Null()], { description: 'The organization that owns it: enabled while that is active, and worth no more than it is entitled to' }),
  issuedBy: Type.Union([Type.String(), Type.Null()], { description: 'Who vouches for what it may ask for' }), issuedVia: Type.Union([Type.String(), Type.Null()]),
  version: Type.Integer({ description: 'Second half of the ETag' }), createdAt: Time, updatedAt: Time,
}
export const ClientSecretView = Type.Object({ id: Id, start: Type.String({ description: 'Its first characters' }), createdAt: Time, expiresAt: NullableTime }, { examples: [secret] })
const shown = {
  ...listed, postLogoutRedirectUris: Type.Array(Type.String()), backchannelLogoutUri: Uri('Told when a session of its is over'), requirePkce: Type.Boolean(),
  jwks: Type.Union([Type.Object({ keys: Type.Array(Type.Object({}, { additionalProperties: true })) }), Type.Null()]), jwksUri: Uri('Where its public keys are'), idTokenAlgorithm: Algorithm, defaultMaxAge: MaxAge,
  clientUri: Uri('Its page'), policyUri: Uri('What it does with data'), tosUri: Uri('Its terms'), secrets: Type.Array(ClientSecretView),
}
export const ClientView = Type.Object(shown, { examples: [whole] })
export const CreatedClient = Type.Object({ ...shown, clientSecret: Type.Union([Type.String(), Type.Null()], { description: 'Shown this once; null: it has none' }) }, { examples: [{ ...whole, clientSecret: 'gcs_x8Kd0e...' }] })
export const ClientPage = pageOf(Type.Object(listed, { examples: [client] }))
export const ClientQuery = pageQuery(['createdAt'], listed, { kind: Type.Optional(Kind), registration: Type.Optional(words(['administrator', 'dynamic', 'document'], 'By whom it came')), clientId: Type.Optional(Type.String({ maxLength: 1_000 })), organizationId: Type.Optional(Id) })
export const OrganizationClientParams = strict({ id: Id, clientId: Id })
export const OrganizationSecretParams = strict({ id: Id, clientId: Id, secretId: Id })
export const OrganizationClientQuery = pageQuery(['createdAt'], listed, { kind: Type.Optional(Kind) })
export const NewClient = strict({ kind: Kind, name: Name, ...changeable }, { examples: [{ kind: 'web', name: 'Reports', redirectUris: ['https://reports.example.com/callback'], scopes: ['openid', 'email'] }] })
export const ClientPatch = strict({ name: Type.Optional(Name), ...changeable }, { minProperties: 1, examples: [{ redirectUris: ['https://reports.example.com/callback', 'https://reports.example.com/silent'] }] })

// an organization's asks about nobody's tokens, and people are always asked
const { firstParty: _, ...ofOrganizations } = changeable
const OrganizationKind = words(['web', 'native', 'service'], 'As of any client')
export const NewOrganizationClient = strict({ kind: OrganizationKind, name: Name, ...ofOrganizations }, { examples: [{ kind: 'service', name: 'Nightly', resources: ['https://api.example.com'], scopes: ['read'] }] })
export const OrganizationClientPatch = strict({ name: Type.Optional(Name), ...ofOrganizations }, { minProperties: 1, examples: [{ enabled: false }] })

export const NewClientSecret = strict({
  expiresAt: Type.Optional(Type.String({ format: 'date-time' })),
  othersEndInSeconds: Type.Optional(Type.Integer({ minimum: 0, maximum: 31_536_000, description: 'How long the secrets before it go on working; not given: as they did' })),
}, { examples: [{ othersEndInSeconds: 86_400 }] })
export const CreatedClientSecret = Type.Object({ ...ClientSecretView.properties, clientSecret: Type.String({ description: 'Shown this once' }) }, { examples: [{ ...secret, clientSecret: 'gcs_x8Kd0e...' }] })
export const SecretParams = strict({ id: Id, secretId: Id })
