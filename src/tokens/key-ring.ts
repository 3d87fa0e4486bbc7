// The signing keys this node knows: the one that was activated last signs, and every one verifies until it retires. The ring is
// read anew every half a minute, so that a rotation reaches every node long before its key signs; an unknown key id reloads it as
// well, at most once a second, so that made-up ids cannot turn into a flood of queries.
import type { Clock } from '../kernel/clock.js'
import type { SigningKey, SigningKeyStore } from './signing-key-store.js'

export interface KeyRing {
  /** Reads the keys, and makes the first one when there is none. */
  load: () => Promise<void>
  /** the key that signs. Throws before `load`. */
  current: () => SigningKey
  /** those that are published: active, or to become so, and not retired */
  all: () => readonly SigningKey[]
  /** the key of an id, reloading when it is unknown; undefined when it stays unknown or has retired */
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

  const isGood = ({ retiresAtMs }: SigningKey): boolean => retiresAtMs === null || clock.now() < retiresAtMs
  const load = (): Promise<void> => (loading ??= read().finally(() => { loading = null }))

  return {
    load,
    current() {
      const nowMs = clock.now()
      // when all wait or have retired (a clock that was set back, a plan that somebody wrote by hand) the newest is better than none
      const active = keys.filter((key) => key.activatesAtMs <= nowMs && isGood(key))
      const newest = active.reduce<SigningKey | undefined>((best, key) => (best && best.activatesAtMs >= key.activatesAtMs ? best : key), undefined) ?? keys[0]
      if (!newest) throw new Error('The signing keys have not been loaded')
      return newest
    },
    all: () => keys.filter(isGood),
    async find(kid) {
      const known = keys.find((key) => key.kid === kid)
      if (known) return isGood(known) ? known : undefined
      if (loading || clock.monotonic() - loadedAtMs >= RELOAD_EVERY_MS) await load()
      return keys.find((key) => key.kid === kid && isGood(key))
    },
  }
}
