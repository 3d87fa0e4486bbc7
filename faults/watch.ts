// Asks every node all along whether it is whole, on a new connection each time, and remembers when one was last seen not to be.
import type { GatehouseNode } from './nodes.js'
import { steadyMs } from './protocol.js'

export interface Watch {
  /** When a node last said, or did not answer, that all is well; null: they always did. */
  lastBadMs: () => number | null
  end: () => void
}

const EVERY_MS = 100

/** Starts now. */
export function watchNodes(nodes: readonly GatehouseNode[]): Watch {
  let lastBadMs: number | null = null
  const waiting = new Set<GatehouseNode>()
  async function look(node: GatehouseNode): Promise<void> {
    // one question at a time: a node that stands still is asked once
    if (waiting.has(node)) return
    waiting.add(node)
    const isWhole = await node.isWhole()
    waiting.delete(node)
    if (!isWhole) lastBadMs = steadyMs()
  }
  const timer = setInterval(() => {
    for (const node of nodes) void look(node)
  }, EVERY_MS)
  return { lastBadMs: () => lastBadMs, end: () => clearInterval(timer) }
}
