// What the words of a provider are worth. The subject is who somebody is; an address is a hint that decides nothing unless the operator trusts this
// provider with it and the provider says, in the way that it has, that it has proven it. Pure.
import { normaliseEmail } from '../accounts/index.js'
import { plainText } from '../kernel/text.js'
import type { Flavour } from './provider-rules.js'

/** What a provider said of somebody, after every signature and every comparison. */
export interface Arrived {
  issuer: string
  subject: string
  claims: Readonly<Record<string, unknown>>
  /** an issuer for many tenants: any of them may say any address */
  isMultiTenant: boolean
}

export interface TrustFacts {
  flavour: Flavour
  trustedEmailDomains: readonly string[]
}

const GOOGLE_OWN = new Set(['gmail.com', 'googlemail.com'])
const MOST_SUBJECT = 255
const MOST_NAME = 200

/** A subject is compared to the letter (OpenID Connect Core 2: at most 255 ASCII characters). Null: it is none. */
export function subjectOf(value: unknown): string | null {
  return typeof value === 'string' && value.length <= MOST_SUBJECT && /^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/.test(value) ? value : null
}

/** The address in its one spelling, whether it is proven or not. Null: there is none. */
export function emailOf({ email }: Readonly<Record<string, unknown>>): string | null {
  if (typeof email !== 'string') return null
  try {
    return normaliseEmail(email)
  } catch {
    return null // what is no address here is no address there
  }
}

/** Does the provider say that it has proven the address, in the way that this one says it? */
function isProven(flavour: Flavour, claims: Readonly<Record<string, unknown>>, domain: string): boolean {
  const verified = claims['email_verified']
  if (flavour === 'apple') return verified === true || verified === 'true' // Apple documents a text
  // a text, a number, an absence: none of them is the word of the specification
  if (flavour === 'microsoft') return claims['xms_edov'] === true || claims['xms_edov'] === 1 || claims['xms_edov'] === '1'
  if (verified !== true) return false
  // Google has proven addresses of its own and of a Workspace; any other was proven once, and may be somebody else's since
  if (flavour === 'google') return GOOGLE_OWN.has(domain) || (typeof claims['hd'] === 'string' && claims['hd'].toLowerCase() === domain)
  return true
}

/** The address that may be taken for this person's. Null: none may. */
export function trustedEmail({ flavour, trustedEmailDomains }: TrustFacts, { claims, isMultiTenant }: Pick<Arrived, 'claims' | 'isMultiTenant'>): string | null {
  const email = emailOf(claims)
  // whoever has a tenant writes any address into it (nOAuth)
  if (email === null || isMultiTenant) return null
  const domain = email.slice(email.lastIndexOf('@') + 1)
  if (!trustedEmailDomains.includes('*') && !trustedEmailDomains.includes(domain)) return null
  return isProven(flavour, claims, domain) ? email : null
}

/** How somebody is called, for their new account; '' when nothing is said that can be shown. */
export function nameOf(claims: Readonly<Record<string, unknown>>): string {
  const { name, given_name: given, family_name: family } = claims
  const said = typeof name === 'string' ? name : [given, family].filter((part) => typeof part === 'string').join(' ')
  return said.length > MOST_NAME ? '' : (plainText(said) ?? '')
}

/** The name that Apple's page posts the first time, as claims. Nobody has signed it: it names, and decides nothing. */
export function claimsOfPostedUser(text: string | null): Record<string, unknown> {
  if (text === null || text.length > 2_000) return {}
  try {
    const posted: unknown = JSON.parse(text)
    const name = typeof posted === 'object' && posted !== null && 'name' in posted ? posted.name : null
    if (typeof name !== 'object' || name === null) return {}
    return { given_name: 'firstName' in name ? name.firstName : undefined, family_name: 'lastName' in name ? name.lastName : undefined }
  } catch {
    return {} // no JSON: no name
  }
}

const GUID = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/i
const TEMPLATE = '{tenantid}'

/** `https://login.example/{tenantid}/v2.0`: the issuer that metadata of a provider for many tenants name, which is `configured` with its place for the tenant. */
export function isTemplateOf(configured: string, said: string): boolean {
  return said.includes(TEMPLATE) && ['common', 'organizations'].some((place) => configured.split('/').includes(place) && configured.replace(`/${place}`, `/${TEMPLATE}`) === said)
}

/** The issuer of one tenant; null when `tenant` is no GUID, or none of those that may come. */
export function issuerOfTenant(template: string, tenant: unknown, tenants: readonly string[]): string | null {
  if (typeof tenant !== 'string' || !GUID.test(tenant)) return null
  if (tenants.length > 0 && !tenants.includes(tenant.toLowerCase())) return null
  return template.replace(TEMPLATE, tenant)
}
