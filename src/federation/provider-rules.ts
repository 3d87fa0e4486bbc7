// What an identity provider may be, as an administrator writes it down. Pure: what is wrong comes out by path, and never with a secret in it.
import { createPrivateKey } from 'node:crypto'
import type { FieldError } from '../kernel/errors.js'
import { plainText } from '../kernel/text.js'

export type ProviderKind = 'oidc' | 'github'
/** `policy`: as SIGN_UP says; `always`: whoever the provider knows, also where SIGN_UP is closed */
export type ProviderSignUp = 'never' | 'policy' | 'always'

/** Apple's way: client secrets are short tokens signed with a key of the developer's. */
export interface ClientKey {
  teamId: string
  keyId: string
  /** PKCS #8, PEM, of P-256 */
  privateKey: string
}

export interface ProviderFields {
  name: string
  clientId: string
  scopes: string[]
  enabled: boolean
  signUp: ProviderSignUp
  trustedEmailDomains: string[]
  tenants: string[]
  formPost: boolean
}

export interface NewProvider extends Partial<ProviderFields> {
  kind: ProviderKind
  name: string
  issuer?: string
  clientId: string
  clientSecret?: string
  clientKey?: ClientKey
}

export type ProviderPatch = Partial<ProviderFields> & { clientSecret?: string | null; clientKey?: ClientKey | null }

/** GitHub's own, as its metadata name it; a GitHub Enterprise Server has one below its own origin. */
export const GITHUB_ISSUER = 'https://github.com/login/oauth'

const PRESETS: Omit<ProviderFields, 'name' | 'clientId' | 'scopes'> = { enabled: true, signUp: 'policy', trustedEmailDomains: [], tenants: [], formPost: false }
const SCOPES: Record<ProviderKind, string[]> = { oidc: ['openid', 'email', 'profile'], github: ['read:user', 'user:email'] }

/** A new provider with what was left out. */
export function completed(input: NewProvider): ProviderFields & Pick<NewProvider, 'kind'> & { issuer: string } {
  const { kind, issuer = kind === 'github' ? GITHUB_ISSUER : '', clientSecret: _, clientKey: __, scopes = SCOPES[kind], ...rest } = input
  return { ...PRESETS, ...rest, kind, issuer, scopes: withOpenid(kind, scopes), formPost: rest.formPost ?? (host(issuer) === APPLE && scopes.some((scope) => scope !== 'openid')) }
}

/** Without `openid` it is no OpenID Connect, and there is nobody to recognise. */
export function withOpenid(kind: ProviderKind, scopes: readonly string[]): string[] {
  return [...new Set(kind === 'oidc' ? ['openid', ...scopes] : scopes)]
}

function isSigningKey(pem: string): boolean {
  try {
    const key = createPrivateKey(pem)
    return key.asymmetricKeyType === 'ec' && key.asymmetricKeyDetails?.namedCurve === 'prime256v1'
  } catch {
    return false // no key; what it holds instead is nobody's to see
  }
}

/** What the schema cannot say of a provider's fields. */
export function faultsOf(fields: Partial<ProviderFields> & { issuer?: string; clientSecret?: string | null; clientKey?: ClientKey | null }): FieldError[] {
  const { name, issuer, clientSecret, clientKey } = fields
  const faults: FieldError[] = []
  const say = (path: string, message: string): void => void faults.push({ path, message })
  if (name !== undefined && (plainText(name) ?? '') === '') say('/name', 'must be a name, without invisible characters')
  // compared to the letter with what tokens say: a query or a fragment has no place in it (OpenID Connect Discovery 3)
  if (issuer !== undefined && /[?#]/.test(issuer)) say('/issuer', 'must have neither a query nor a fragment')
  if (typeof clientSecret === 'string' && clientKey) say('/clientKey', 'cannot be given together with clientSecret')
  if (clientKey && !isSigningKey(clientKey.privateKey)) say('/clientKey/privateKey', 'must be a private key of P-256 in PKCS #8 PEM')
  return faults
}

export type Flavour = 'google' | 'microsoft' | 'apple' | 'github' | 'generic'

const APPLE = 'appleid.apple.com'
const FLAVOURS: Record<string, Flavour> = { 'accounts.google.com': 'google', 'login.microsoftonline.com': 'microsoft', [APPLE]: 'apple' }

const host = (issuer: string): string => (URL.canParse(issuer) ? new URL(issuer).hostname : '')

/** Whose habits a provider has: what its claims are worth depends on them. `hasClientKey`: its client secrets are signed, which Apple alone asks for. */
export function flavourOf({ kind, issuer, hasClientKey }: { kind: ProviderKind; issuer: string; hasClientKey: boolean }): Flavour {
  if (kind === 'github') return 'github'
  return hasClientKey ? 'apple' : (FLAVOURS[host(issuer)] ?? 'generic')
}
