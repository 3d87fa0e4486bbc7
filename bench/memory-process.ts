// What the processes of the memory rows have in common: how much is in use after garbage collections, and the answer to their parent.
import type { MemoryOrder, MemoryResult } from './protocol.js'

/** Bytes of the heap and of what hangs on it. Wants --expose-gc. */
export function usedBytes(): number {
  if (!globalThis.gc) throw new Error('--expose-gc is missing')
  // one collection may leave what only the next finds dead
  for (let pass = 0; pass < 4; pass += 1) globalThis.gc()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

/** Answers each order of the parent; a failure is printed and ends the process. */
export function answerMemory(measure: (order: MemoryOrder) => Promise<MemoryResult>): void {
  async function answer(order: MemoryOrder): Promise<void> {
    try {
      process.send?.(await measure(order))
    } catch (error) {
      console.error(error)
      process.exit(1)
    }
  }
  process.on('message', (order: MemoryOrder) => void answer(order))
  process.on('disconnect', () => process.exit(0))
}
