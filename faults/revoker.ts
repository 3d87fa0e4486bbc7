// Revokes keys at a steady pace, each at a random node, and writes down when the acknowledgement came. What is not acknowledged
// is asked for again at another node until somebody does, as an operator would.
import { setTimeout as delay } from 'node:timers/promises'
import type { Revocation } from './checks.js'
import type { GatehouseNode } from './nodes.js'
import { type Revoked, steadyMs } from './protocol.js'

export interface RevokerOptions {
  nodes: readonly GatehouseNode[]
  headers: Record<string, string>
  /** ids of the revocable keys, in order */
  ids: readonly string[]
  everyMs: number
  tell: (message: Revoked) => void
}

export interface Revoker {
  revocations: Revocation[]
  /** Begins no more; resolves when the begun ones are acknowledged or given up. */
  end: () => Promise<void>
}

const ATTEMPT_MAX_MS = 2_500
const ATTEMPTS = 20
const PAUSE_MS = 200
/** every so many is revoked with ?wait=true, which promises that it holds everywhere as soon as it is answered */
const WAIT_EVERY = 3

/** Starts now. */
export function startRevoker({ nodes, headers, ids, everyMs, tell }: RevokerOptions): Revoker {
  const revocations: Revocation[] = []
  const begun: Promise<void>[] = []

  async function revoke(key: number, id: string): Promise<void> {
    const revocation: Revocation = { key, acknowledgedMs: null, effectiveWithinMs: 0, refusal: null }
    revocations.push(revocation)
    tell({ kind: 'revoked', key, acknowledged: false })
    const query = key % WAIT_EVERY === 0 ? '?wait=true' : ''
    for (let attempt = 0; attempt < ATTEMPTS && revocation.acknowledgedMs === null; attempt += 1) {
      const node = nodes[Math.floor(Math.random() * nodes.length)]
      try {
        const response = await fetch(`${node?.origin}/api/v1/keys/${id}${query}`, { method: 'DELETE', headers, signal: AbortSignal.timeout(ATTEMPT_MAX_MS) })
        const body = await response.json() as { effectiveWithinMs?: number; code?: string }
        if (response.status === 200) Object.assign(revocation, { acknowledgedMs: steadyMs(), effectiveWithinMs: body.effectiveWithinMs ?? 0 })
        else revocation.refusal = `${response.status} ${body.code ?? ''}`
      } catch (error) {
        revocation.refusal = String(error)
      }
      if (revocation.acknowledgedMs === null) await delay(PAUSE_MS)
    }
    tell({ kind: 'revoked', key, acknowledged: true })
  }

  const timer = setInterval(() => {
    const id = ids[begun.length]
    if (id !== undefined) begun.push(revoke(begun.length, id))
  }, everyMs)
  return {
    revocations,
    async end() {
      clearInterval(timer)
      await Promise.all(begun)
    },
  }
}
