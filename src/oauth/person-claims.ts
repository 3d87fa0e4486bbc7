// What is told of a person, by scope. Pure.

/** What is known of a person, as claims. */
export type PersonClaims = Record<string, string | number | boolean>

export interface Account {
  id: string
  email: string | null
  emailVerified: boolean
  name: string | null
  locale: string | null
  updatedAt: string
}

/** The claims that scopes tell of somebody (OpenID Connect Core 5.4): those that are known alone. */
export function personClaims({ email, emailVerified, name, locale, updatedAt }: Account, scopes: readonly string[]): PersonClaims {
  return {
    ...(scopes.includes('profile') ? { ...(name === null ? {} : { name }), ...(locale === null ? {} : { locale }), updated_at: Math.floor(Date.parse(updatedAt) / 1_000) } : {}),
    ...(scopes.includes('email') && email !== null ? { email, email_verified: emailVerified } : {}),
  }
}
