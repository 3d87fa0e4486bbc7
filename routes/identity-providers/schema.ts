// The shapes of identity providers on the wire. No answer has a secret.
import { Type } from '@sinclair/typebox'
import { pageOf, pageQuery } from '../../src/kernel/page.js'
import { Id, strict, Time } from '../../plugins/http/route-kit.js'

const Kind = Type.Unsafe<'oidc' | 'github'>({ type: 'string', enum: ['oidc', 'github'], description: '`oidc`: OpenID Connect by discovery; `github`: GitHub, or a GitHub Enterprise Server' })
const SignUp = Type.Unsafe<'never' | 'policy' | 'always'>({
  type: 'string', enum: ['never', 'policy', 'always'],
  description: 'Who without an account gets one: nobody, whom SIGN_UP lets (default), or everybody the provider knows, also where SIGN_UP is closed',
})
const Name = Type.String({ minLength: 1, maxLength: 60, description: 'For sign-in pages' })
const Issuer = Type.String({ minLength: 1, maxLength: 300, description: 'To the letter as the provider writes it; github: default https://github.com/login/oauth. It never changes' })
const ClientId = Type.String({ minLength: 1, maxLength: 300, pattern: '^[\\x21-\\x7e]+$' })
const Secret = Type.String({ minLength: 1, maxLength: 2000, pattern: '^[\\x20-\\x7e]+$', description: 'Kept encrypted, and never answered again. None: a public client, by PKCE alone' })
const Team = Type.String({ minLength: 1, maxLength: 100, pattern: '^[\\x21-\\x7e]+$' })
const ClientKey = strict({
  teamId: Team, keyId: Team, privateKey: Type.String({ minLength: 1, maxLength: 2000, description: 'P-256, PKCS #8 in PEM: the .p8 file. Kept encrypted, and never answered again' }),
}, { description: 'Apple, instead of clientSecret: client secrets are signed with this key, anew for each request' })
const Scopes = Type.Array(Type.String({ minLength: 1, maxLength: 100, pattern: '^[\\x21\\x23-\\x5b\\x5d-\\x7e]+$' }), { maxItems: 20, uniqueItems: true, description: 'Default: openid, email, profile; github: read:user, user:email' })
const Domains = Type.Array(Type.String({ minLength: 1, maxLength: 253 }), {
  maxItems: 100, uniqueItems: true,
  description: 'Domains whose addresses are believed when this provider says that it has proven them; `*`: any. None (the default): no address of it is believed, and who signs up has none',
})
const Tenants = Type.Array(Type.String({ pattern: '^[0-9A-Fa-f]{8}-([0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}$' }), { maxItems: 100, uniqueItems: true, description: 'Of an issuer for many tenants (Microsoft: common, organizations): whose people may come; none: all' })
const FormPost = Type.Boolean({ description: 'The provider posts its answer (response_mode=form_post). Apple needs it for name and e-mail, and has it by default' })
const Enabled = Type.Boolean({ description: 'false: nobody signs in by it, and nothing of it is lost' })

const optional = {
  scopes: Type.Optional(Scopes), enabled: Type.Optional(Enabled), signUp: Type.Optional(SignUp), trustedEmailDomains: Type.Optional(Domains), tenants: Type.Optional(Tenants), formPost: Type.Optional(FormPost),
}

const provider = {
  kind: 'oidc', name: 'Example', issuer: 'https://login.example.com', clientId: 'gatehouse', scopes: ['openid', 'email', 'profile'], enabled: true, signUp: 'policy',
  trustedEmailDomains: ['example.com'], tenants: [], formPost: false,
}
const PROVIDER_ID = '0198c0de-7d3a-7c1e-9a53-0d9a3c0b6f31'
const view = {
  id: PROVIDER_ID, ...provider, hasSecret: true, clientKey: null, redirectUri: `https://auth.example.com/api/v1/auth/providers/${PROVIDER_ID}/callback`, version: 1,
  createdAt: '2027-01-01T09:00:00.000Z', updatedAt: '2027-01-01T09:00:00.000Z',
}
const { redirectUri: _, ...listed } = view

const shown = {
  id: Id, kind: Kind, name: Type.String(), issuer: Type.String(), clientId: Type.String(), hasSecret: Type.Boolean(),
  clientKey: Type.Union([Type.Object({ teamId: Type.String(), keyId: Type.String() }), Type.Null()]),
  scopes: Type.Array(Type.String()), enabled: Type.Boolean(), signUp: SignUp, trustedEmailDomains: Type.Array(Type.String()), tenants: Type.Array(Type.String()), formPost: Type.Boolean(),
  version: Type.Integer({ description: 'Second half of the ETag' }), createdAt: Time, updatedAt: Time,
}

export const IdentityProviderView = Type.Object({ ...shown, redirectUri: Type.String({ description: 'To be registered with the provider, to the letter' }) }, { examples: [view] })
export const IdentityProviderPage = pageOf(Type.Object(shown, { examples: [listed] }))
export const IdentityProviderQuery = pageQuery(['createdAt'], shown, { issuer: Type.Optional(Type.String()) })

export const NewIdentityProvider = strict({
  kind: Kind, name: Name, issuer: Type.Optional(Issuer), clientId: ClientId, clientSecret: Type.Optional(Secret), clientKey: Type.Optional(ClientKey), ...optional,
}, { examples: [{ kind: 'oidc', name: 'Example', issuer: 'https://login.example.com', clientId: 'gatehouse', clientSecret: 'from the provider', trustedEmailDomains: ['example.com'] }] })
export const IdentityProviderPatch = strict({
  name: Type.Optional(Name), clientId: Type.Optional(ClientId), clientSecret: Type.Optional(Type.Union([Secret, Type.Null()])), clientKey: Type.Optional(Type.Union([ClientKey, Type.Null()])), ...optional,
}, { minProperties: 1, examples: [{ enabled: false }] })
export const IdentitiesQuery = strict({
  identities: Type.Optional(Type.Unsafe<'delete'>({ type: 'string', enum: ['delete'], description: 'Delete people\'s identities with it; without this word a provider that has any stays' })),
})
