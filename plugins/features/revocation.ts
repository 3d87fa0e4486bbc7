// app.revocations: what this node knows of revocations, kept up to date while the server runs; and reply.effective, how soon a change holds everywhere.
import fp from 'fastify-plugin'
import type { FastifyReply } from 'fastify'
import { createRevocation, type RevocationPoller, type Revocations } from '../../src/revocation/index.js'

declare module 'fastify' {
  interface FastifyInstance {
    revocations: RevocationPoller
    knownRevocations: Revocations
    /** To be called in the transaction of a change that takes something away: once it has committed, every node hears of it. */
    publishRevocations: () => Promise<void>
  }

  interface FastifyReply {
    /**
     * After a change that takes something away: sets Effective-Within-Ms, and returns it. From this answer on, no node decides by the
     * old state later than that. With `wait` it waits for the nodes first.
     */
    effective: (wait: boolean | undefined) => Promise<number>
  }
}

export default fp(async (app) => {
  const { config, clock, log, nodes, sharedStore: { bus }, database: { pool, connectAlone, afterCommit } } = app
  const feature = createRevocation({ pool, connectAlone, clock, bus, log, nodeId: nodes.id, config, afterCommit })
  const { revocations } = feature
  app.decorate('revocations', revocations)
  app.decorate('knownRevocations', feature.known)
  app.decorate('publishRevocations', feature.publishRevocations)
  app.operate(feature)
  await revocations.start()

  app.decorateReply('effective', async function effective(this: FastifyReply, wait: boolean | undefined) {
    if (wait === true) await revocations.waitForNodes()
    const effectiveWithinMs = wait === true ? 0 : revocations.effectiveWithinMs()
    void this.header('effective-within-ms', effectiveWithinMs)
    return effectiveWithinMs
  })
}, { name: 'revocation', dependencies: ['redis', 'features'] })
