// How this installation proves to a provider that it is the client it registered: by a secret, by a short token signed with a key (Apple), or, as a
// public client, by PKCE alone.
import { createPrivateKey } from 'node:crypto'
import { SignJWT } from 'jose'
import { type ClientAuth, ClientSecretBasic, ClientSecretPost, None, type ServerMetadata } from 'openid-client'
import type { Clock } from '../kernel/clock.js'
import type { ProviderRow } from './provider-store.js'

// Apple takes up to 15,777,000 s; one that is made for each request need not last
const SIGNED_SECONDS = 300

/** A client secret in Apple's way ("Creating a client secret"). */
async function signedSecret({ issuer, clientId, keyTeamId, keyId }: ProviderRow, privateKey: string, nowMs: number): Promise<string> {
  const now = Math.floor(nowMs / 1_000)
  return new SignJWT()
    .setProtectedHeader({ alg: 'ES256', kid: keyId ?? '' })
    .setIssuer(keyTeamId ?? '').setSubject(clientId).setAudience(issuer).setIssuedAt(now).setExpirationTime(now + SIGNED_SECONDS)
    .sign(createPrivateKey(privateKey))
}

/** `secret`: the decrypted one, of whichever kind; null: a public client. */
export async function clientAuthentication(provider: ProviderRow, secret: string | null, { token_endpoint_auth_methods_supported: methods }: ServerMetadata, clock: Clock): Promise<ClientAuth> {
  if (secret === null) return None()
  if (provider.keyId !== null) return ClientSecretPost(await signedSecret(provider, secret, clock.now()))
  // without a word of the provider, Basic is what everybody takes (RFC 6749 2.3.1)
  return methods?.includes('client_secret_post') === true && !methods.includes('client_secret_basic') ? ClientSecretPost(secret) : ClientSecretBasic(secret)
}
