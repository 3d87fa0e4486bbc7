// The public keys of clients, from the client itself or from where it says they are: fetched as anything is that somebody stored, kept for a while, and
// fetched again for a key id that is not among them, though not for each that somebody makes up.
import { LRUCache } from 'lru-cache'
import type { Clock } from '../kernel/clock.js'
import { type Outbound, OutboundError, type Way } from '../outbound/index.js'
import { type KnownClient, wayOf } from './client-directory.js'
import { type ClientKey, readKeySet } from './key-set-rules.js'

export interface KeyDirectory {
  /** Keys that may have made a signature with that key id; none: all there are. Empty where they cannot be fetched. */
  keys: (client: Pick<KnownClient, 'jwks' | 'jwksUri' | 'registration' | 'organizationId'>, kid: string | undefined) => Promise<ClientKey[]>
}

interface Fetched {
  keys: ClientKey[]
  atMs: number
}

const KEPT_MS = 300_000
const AGAIN_MS = 30_000
const MOST_SETS = 2_000
const MOST_BYTES = 64 * 1024

export function createKeyDirectory({ outbound, clock }: { outbound: Pick<Outbound, 'fetch'>; clock: Clock }): KeyDirectory {
  const sets = new LRUCache<string, Fetched>({ max: MOST_SETS })
  const fetching = new Map<string, Promise<Fetched>>()

  async function fetchSet(uri: string, way: Way): Promise<Fetched> {
    const atMs = clock.monotonic()
    try {
      const answer = await outbound.fetch(uri, { way, mostBytes: MOST_BYTES, accept: ['application/json', 'application/jwk-set+json'] })
      return { keys: answer.ok ? readKeySet(await answer.json()) : [], atMs }
    } catch (error) {
      // it does not answer, or not with JSON: nobody proves anything by it
      if (error instanceof OutboundError || error instanceof SyntaxError) return { keys: [], atMs }
      throw error
    }
  }

  async function setOf(uri: string, kid: string | undefined, way: Way): Promise<Fetched> {
    // what one cannot have there is no answer for another
    const name = `${way} ${uri}`
    const known = sets.get(name)
    const ageMs = known ? clock.monotonic() - known.atMs : Infinity
    if (known && ageMs < KEPT_MS && (kid === undefined || known.keys.some((key) => key.kid === kid) || ageMs < AGAIN_MS)) return known
    let started = fetching.get(name)
    if (!started) {
      started = fetchSet(uri, way).finally(() => fetching.delete(name))
      fetching.set(name, started)
    }
    const fetched = await started
    sets.set(name, fetched)
    return fetched
  }

  return {
    async keys({ jwks, jwksUri, ...client }, kid) {
      const all = jwksUri === null ? readKeySet(jwks) : (await setOf(jwksUri, kid, wayOf(client))).keys
      return kid === undefined ? all : all.filter((key) => key.kid === kid || key.kid === null)
    },
  }
}
