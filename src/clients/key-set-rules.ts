// The public keys of a client, as it gives them (RFC 7517): those that a signature of it may be checked with. Pure.
import { createPublicKey, type JsonWebKey, type KeyObject } from 'node:crypto'

export type SignatureAlgorithm = 'RS256' | 'PS256' | 'ES256' | 'EdDSA'

export interface ClientKey {
  kid: string | null
  algorithms: readonly SignatureAlgorithm[]
  key: KeyObject
}

const MOST_KEYS = 10
const MOST_CHARACTERS = 20_000
const PRIVATE = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k']

function algorithmsOf(key: KeyObject, jwk: Record<string, unknown>): SignatureAlgorithm[] {
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = key
  const bits = details?.modulusLength ?? 0
  const all: SignatureAlgorithm[] = type === 'rsa' && bits >= 2_048 && bits <= 4_096 ? ['RS256', 'PS256'] : type === 'ec' && jwk['crv'] === 'P-256' ? ['ES256'] : type === 'ed25519' ? ['EdDSA'] : []
  return jwk['alg'] === undefined ? all : all.filter((one) => one === jwk['alg'])
}

/** The key of a JWK, or null where it is none that checks signatures here. A key that holds its private half is none. */
export function readKey(jwk: unknown): ClientKey | null {
  if (typeof jwk !== 'object' || jwk === null) return null
  const members = jwk as Record<string, unknown>
  if (PRIVATE.some((name) => name in members) || (members['use'] !== undefined && members['use'] !== 'sig')) return null
  try {
    const key = createPublicKey({ key: members as JsonWebKey, format: 'jwk' })
    const algorithms = algorithmsOf(key, members)
    return algorithms.length === 0 ? null : { kid: typeof members['kid'] === 'string' ? members['kid'] : null, algorithms, key }
  } catch {
    return null
  }
}

/** Those of a key set that can be used; others are passed over, as RFC 7517 5 says. */
export function readKeySet(set: unknown): ClientKey[] {
  const keys = typeof set === 'object' && set !== null ? (set as { keys?: unknown }).keys : undefined
  return Array.isArray(keys) ? keys.slice(0, MOST_KEYS).flatMap((one) => readKey(one) ?? []) : []
}

/** May a client bring it? All of its keys must be good, and none private. */
export function isUsableKeySet(set: { keys: readonly unknown[] }): boolean {
  if (JSON.stringify(set).length > MOST_CHARACTERS || set.keys.length === 0 || set.keys.length > MOST_KEYS) return false
  return set.keys.every((one) => readKey(one) !== null)
}
