// Events: what has happened, told as it happens. Each audit row of a change is one, written by the same statement, numbered after its commit,
// and read by number: as a stream, as a list, and by webhooks.
import type pg from 'pg'
import { tableExpiry } from '../database/expiry.js'
import type { Job } from '../jobs/index.js'
import type { Clock } from '../kernel/clock.js'
import type { Bus } from '../shared-store/shared-store.js'
import type { Metric } from '../telemetry/index.js'
import { createEventFeed, type EventFeed, type EventFeedDeps } from './event-feed.js'
import { createEventService, type EventService } from './event-service.js'
import { createEventStore, type EventStore } from './event-store.js'
import { createEventStreams } from './event-streams.js'

export { EVENT_TYPES, type EventType } from './event-catalogue.js'
export { type EventFeed, NUMBERING } from './event-feed.js'
export { type EventRow, type EventView, type PlaceText, pointText, READ_EVENTS, readTypes, selectionOf, typesFor, viewOf } from './event-rules.js'
export type { EventBody, EventList, EventQuery, EventService } from './event-service.js'
export type { EventPage, EventSelection, EventStore } from './event-store.js'
export { KEEPING_STREAMS } from './event-streams.js'

const DAY_MS = 86_400_000

export interface EventNeeds {
  pool: pg.Pool
  bus: Bus
  clock: Clock
  log: EventFeedDeps['log']
  config: { eventsKeptDays: number; eventStreamsMax: number; eventStreamsPerOwner: number }
}

export interface EventFeature {
  events: EventService
  /** for other readers of the same events */
  eventStore: EventStore
  eventFeed: EventFeed
  /** Ends all streams with a word to their readers, who come again elsewhere. */
  endStreams: () => void
  jobs: Job[]
  metrics: Metric[]
}

export function createEvents({ pool, bus, clock, log, config }: EventNeeds): EventFeature {
  const store = createEventStore({ pool })
  const { feed, job: numbering } = createEventFeed({ store, bus, log })
  const { streams, job: keeping } = createEventStreams({ feed, store, clock, config })
  return {
    events: createEventService({ store, feed, streams, config }),
    eventStore: store,
    eventFeed: feed,
    endStreams: streams.closeAll,
    jobs: [numbering, keeping, tableExpiry(pool, { table: 'events', where: 'at <= $1', before: () => clock.now() - config.eventsKeptDays * DAY_MS })],
    metrics: [
      { name: 'gatehouse_event_streams', type: 'gauge', help: 'Event streams that this node holds open', read: streams.count },
      { name: 'gatehouse_event_position', type: 'gauge', help: 'The last event that this node knows of', read: () => feed.head().position, together: 'max' },
    ],
  }
}
