// Work that was promised, done to its end: by this node, or by another one of the test whose own timer was sooner.
import type { FastifyInstance } from 'fastify'
import { QUEUED_WORK } from '../../src/queue/index.js'
import type { TestDatabase } from './database.js'

const MOST_LOOKS = 2_000

/** Resolves when nothing that can be done now is left, what was promised on the way included. */
export async function workedOff(app: FastifyInstance, { prisma }: TestDatabase): Promise<void> {
  for (let look = 0; look < MOST_LOOKS; look += 1) {
    await app.jobs.run(QUEUED_WORK)
    if ((await prisma.queuedWork.count()) === 0) return
  }
  throw new Error('Queued work does not end')
}
