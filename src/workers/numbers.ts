// The numbers of all workers of a node, asked for by the one that was asked for /metrics. What has ended is not in them: to Prometheus, a
// counter that falls has begun anew.
import cluster, { type Worker } from 'node:cluster'
import { after } from '../kernel/timers.js'
import { type Message, isMessage, type Numbers, onSupervisor, tellSupervisor } from './messages.js'

// a worker that hangs is left out
const ANSWER_WITHIN_MS = 1_000

/** In the supervisor: collects the numbers of every worker for whoever asks. */
export function answerForAll(): void {
  let asked = 0
  const open = new Map<string, (numbers: Numbers) => void>()

  function ask(worker: Worker): Promise<Numbers | null> {
    const id = `${asked += 1}`
    return new Promise((resolve) => {
      const cancel = after(ANSWER_WITHIN_MS, () => {
        open.delete(id)
        resolve(null)
      })
      open.set(id, (numbers) => {
        cancel()
        open.delete(id)
        resolve(numbers)
      })
      worker.send({ gatehouse: 'own-numbers', id } satisfies Message)
    })
  }

  async function answer(asker: Worker, id: number): Promise<void> {
    const workers = Object.values(cluster.workers ?? {}).filter((worker) => worker !== undefined && worker.isConnected())
    const found = await Promise.all(workers.map(async (worker) => (worker ? ask(worker) : null)))
    if (asker.isConnected()) asker.send({ gatehouse: 'all-numbers-are', id, numbers: found.filter((numbers) => numbers !== null) } satisfies Message)
  }

  cluster.on('message', (asker, message: unknown) => {
    if (!isMessage(message)) return
    if (message.gatehouse === 'own-numbers-are') open.get(message.id)?.(message.numbers)
    if (message.gatehouse === 'all-numbers') void answer(asker, message.id)
  })
}

/** In a worker: answers for itself, and asks for all. `own` gives this process's numbers. */
export function createNumbersOfAll(own: () => Promise<Numbers>): () => Promise<Numbers[]> {
  let asked = 0
  const open = new Map<number, (numbers: Numbers[]) => void>()
  async function tell(id: string): Promise<void> {
    // a number that cannot be read leaves this worker out, and no more than that
    const numbers = await own().catch((error: unknown) => process.emitWarning(error instanceof Error ? error : String(error)))
    tellSupervisor({ gatehouse: 'own-numbers-are', id, numbers: numbers ?? [] })
  }
  onSupervisor((message) => {
    if (message.gatehouse === 'own-numbers') void tell(message.id)
    if (message.gatehouse === 'all-numbers-are') open.get(message.id)?.(message.numbers)
  })
  return () => new Promise((resolve, reject) => {
    const id = asked += 1
    const cancel = after(2 * ANSWER_WITHIN_MS, () => {
      open.delete(id)
      reject(new Error('the supervisor did not answer for its workers'))
    })
    open.set(id, (numbers) => {
      cancel()
      open.delete(id)
      resolve(numbers)
    })
    tellSupervisor({ gatehouse: 'all-numbers', id })
  })
}
