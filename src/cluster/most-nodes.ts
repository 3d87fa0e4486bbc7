// The most nodes that lived at once lately. A node's share of a limit must not grow before what a node that is gone let through has left the window.

const MAX_CHANGES = 64

/** Of a count that changes: the greatest it was within the last so many ms, as far as it was looked at. */
export function createMostNodes({ liveNodes, now }: { liveNodes: () => number; now: () => number }): (withinMs: number) => number {
  let current = Math.max(1, liveNodes())
  /** oldest first: how many there were, and until when */
  const before: { nodes: number; untilMs: number }[] = []

  function look(): void {
    const nodes = Math.max(1, liveNodes())
    if (nodes === current) return
    before.push({ nodes: current, untilMs: now() })
    current = nodes
    const [oldest, next] = before
    if (before.length <= MAX_CHANGES || !oldest || !next) return
    next.nodes = Math.max(oldest.nodes, next.nodes)
    before.shift()
  }

  return (withinMs) => {
    look()
    const fromMs = now() - withinMs
    return before.reduce((most, { nodes, untilMs }) => (untilMs > fromMs ? Math.max(most, nodes) : most), current)
  }
}
