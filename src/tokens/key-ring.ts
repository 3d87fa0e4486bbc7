// The signing keys this node knows: of each algorithm the one that was activated last signs, and every one verifies until it retires. The ring is
// read anew every half a minute, so that a rotation reaches every node long before its key signs; an unknown key id reloads it as
// well, at most once a second, so that made-up ids cannot turn into a flood of queries.
import type { Clock } from '../kernel/clock.js'
import type { SigningAlgorithm, SigningKey, SigningKeyStore } from './signing-key-store.js'

export interface KeyRing {
  /** Reads the keys, and makes the first one when there is none. */
  load: () => Promise<void>
  /** the key that signs access tokens of sessions. Throws before `load`. */
  current: () => SigningKey
  /** the key that signs by an algorithm; a promise when there is none, and it is made */
  signing: (algorithm: SigningAlgorithm) => SigningKey | Promise<SigningKey>
  /** Reads the keys anew, unless that was less than a second ago: another node may have made one. A promise only then. */
  refresh: () => void | Promise<void>
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
    if (keys.some(({ algorithm }) => algorithm === 'EdDSA')) return
    await store.ensure('EdDSA')
    keys = await store.list()
  }

  const isGood = ({ retiresAtMs }: SigningKey): boolean => retiresAtMs === null || clock.now() < retiresAtMs
  const load = (): Promise<void> => (loading ??= read().finally(() => { loading = null }))

  const making = new Map<SigningAlgorithm, Promise<void>>()

  function newest(algorithm: SigningAlgorithm): SigningKey | undefined {
    const nowMs = clock.now()
    return keys.filter((key) => key.algorithm === algorithm && key.activatesAtMs <= nowMs && isGood(key))
      .reduce<SigningKey | undefined>((best, key) => (best && best.activatesAtMs >= key.activatesAtMs ? best : key), undefined)
  }

  async function make(algorithm: SigningAlgorithm): Promise<void> {
    // it may have been made by another node since this one read them
    await load()
    if (newest(algorithm)) return
    await store.ensure(algorithm)
    await load()
  }

  async function made(algorithm: SigningAlgorithm): Promise<SigningKey> {
    let started = making.get(algorithm)
    if (!started) {
      started = make(algorithm).finally(() => making.delete(algorithm))
      making.set(algorithm, started)
    }
    await started
    const key = newest(algorithm)
    if (!key) throw new Error(`There is no ${algorithm} key to sign with`)
    return key
  }

  return {
    load,
    current() {
      // when all wait or have retired (a clock that was set back, a plan that somebody wrote by hand) the newest is better than none
      const key = newest('EdDSA') ?? keys.find(({ algorithm }) => algorithm === 'EdDSA')
      if (!key) throw new Error('The signing keys have not been loaded')
      return key
    },
    signing: (algorithm) => newest(algorithm) ?? made(algorithm),
    refresh: () => (loading || clock.monotonic() - loadedAtMs >= RELOAD_EVERY_MS ? load() : undefined),
    all: () => keys.filter(isGood),
    async find(kid) {
      const known = keys.find((key) => key.kid === kid)
      if (known) return isGood(known) ? known : undefined
      if (loading || clock.monotonic() - loadedAtMs >= RELOAD_EVERY_MS) await load()
      return keys.find((key) => key.kid === kid && isGood(key))
    },
  }
}
