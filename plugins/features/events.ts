// app.events: what has happened, told as it happens; and for other readers of the same, app.eventStore and app.eventFeed.
import fp from 'fastify-plugin'
import { createEvents, type EventFeature } from '../../src/events/index.js'

declare module 'fastify' {
  interface FastifyInstance {
    events: EventFeature['events']
    eventStore: EventFeature['eventStore']
    eventFeed: EventFeature['eventFeed']
  }
}

export default fp(async (app) => {
  const { config, clock, log, sharedStore: { bus }, database: { pool } } = app
  const feature = createEvents({ pool, bus, clock, log, config })
  app.decorate('events', feature.events)
  app.decorate('eventStore', feature.eventStore)
  app.decorate('eventFeed', feature.eventFeed)
  app.operate(feature)
  // before the listener waits for its connections to end
  app.addHook('preClose', async () => feature.endStreams())
}, { name: 'events', dependencies: ['redis', 'audit', 'features'] })
