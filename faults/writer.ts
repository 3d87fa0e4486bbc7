// Writes at a steady pace beside the revocations: keys are issued at random nodes, and those whose issue was acknowledged must be there in
// the end. What is refused is not tried again: nobody has promised anything.
import type { Api } from '../bench/api.js'
import type { Revocation } from './checks.js'
import type { GatehouseNode } from './nodes.js'

export interface Writer {
  /** ids of the keys whose issue was acknowledged */
  acknowledged: string[]
  /** Begins no more; resolves when the begun ones are answered or given up. */
  end: () => Promise<void>
}

const ATTEMPT_MAX_MS = 2_500
const EVERY_MS = 250

/** Starts now. */
export function startWriter(nodes: readonly GatehouseNode[], headers: Record<string, string>): Writer {
  const acknowledged: string[] = []
  const begun: Promise<void>[] = []
  async function issue(name: string): Promise<void> {
    const node = nodes[Math.floor(Math.random() * nodes.length)]
    try {
      const response = await fetch(`${node?.origin}/api/v1/keys`, {
        method: 'POST', headers: { ...headers, 'content-type': 'application/json' }, body: JSON.stringify({ name }), signal: AbortSignal.timeout(ATTEMPT_MAX_MS),
      })
      const { id } = await response.json() as { id?: string }
      if (response.status === 201 && id !== undefined) acknowledged.push(id)
    } catch {
      // no acknowledgement
    }
  }
  const timer = setInterval(() => void begun.push(issue(`written ${begun.length}`)), EVERY_MS)
  return {
    acknowledged,
    async end() {
      clearInterval(timer)
      await Promise.all(begun)
    },
  }
}

export interface Writes {
  acknowledged: number
  /** issued keys that are not there, and revoked ones that are not revoked */
  lost: number
}

/** Looks for everything that was acknowledged. `ids` are those of the revocable keys, in order. */
export async function lookForWrites(api: Api, headers: Record<string, string>, { issued, revocations, ids }: { issued: readonly string[]; revocations: readonly Revocation[]; ids: readonly string[] }): Promise<Writes> {
  const revoked = revocations.filter(({ acknowledgedMs }) => acknowledgedMs !== null).flatMap(({ key }) => ids[key] ?? [])
  let lost = 0
  for (const [wanted, keys] of [['active', issued], ['revoked', revoked]] as const) {
    for (const id of keys) {
      const { status, text } = await api.send(`/api/v1/keys/${id}`, { headers })
      if (status !== 200 && status !== 404) throw new Error(`GET /keys/${id} answered ${status}: ${text}`)
      if (status === 404 || (JSON.parse(text) as { status: string }).status !== wanted) lost += 1
    }
  }
  return { acknowledged: issued.length + revoked.length, lost }
}
