// The signing keys this node knows: the newest signs, every one of them verifies. An unknown key id reloads the ring,
// for another node may have made a key; at most once a second, so that made-up ids cannot turn into a flood of queries.
import type { Clock } from '../kernel/clock.js'
import type { SigningKey, SigningKeyStore } from './signing-key-store.js'

export interface KeyRing {
  /** Reads the keys, and makes the first one when there is none. */
  load: () => Promise<void>
  /** the key that signs. Throws before `load`. */
  current: () => SigningKey
  all: () => readonly SigningKey[]
  /** the key of an id, reloading when it is unknown; undefined when it stays unknown */
  find: (kid: string) => Promise<SigningKey | undefined>
}

const RELOAD_EVERY_MS = 1_000

export function createKeyRing({ store, clock }: { store: SigningKeyStore; clock: Clock }): KeyRing {
  let keys: readonly SigningKey[] = []
  let loadedAtMs = -Infinity
  let loading: Promise<void> | null = null

  async function read(): Promise<void> {
    loadedAtMs = clock.monotonic()
    keys = await store.list()
    if (keys.length > 0) return
    await store.ensure()
    keys = await store.list()
  }

  const load = (): Promise<void> => (loading ??= read().finally(() => { loading = null }))

  return {
    load,
    current() {
      const [newest] = keys
      if (!newest) throw new Error('The signing keys have not been loaded')
      return newest
    },
    all: () => keys,
    async find(kid) {
      const known = keys.find((key) => key.kid === kid)
      if (known) return known
      if (loading || clock.monotonic() - loadedAtMs >= RELOAD_EVERY_MS) await load()
      return keys.find((key) => key.kid === kid)
    },
  }
}
