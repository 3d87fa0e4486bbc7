// Queued work in tests: done until nothing of it is left, also what another node has taken.
import type { FastifyInstance } from 'fastify'
import { QUEUED_WORK } from '../../src/queue/index.js'

const MOST_LOOKS = 500

/** Resolves once nothing is queued that is due. Throws when something of it fails each time. */
export async function workOff(app: FastifyInstance): Promise<void> {
  for (let look = 0; (await app.prisma.queuedWork.count()) > 0; look += 1) {
    if (look === MOST_LOOKS) throw new Error(`Queued work is not done: ${JSON.stringify(await app.prisma.queuedWork.findMany({ select: { queue: true, about: true, attempts: true } }))}`)
    await app.jobs.run(QUEUED_WORK)
  }
}
