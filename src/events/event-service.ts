// Events as their readers ask for them: a stream that goes on, or a list that ends at now. Both go on from a place that was told before, on any node.
import type { Readable } from 'node:stream'
import { problem } from '../kernel/errors.js'
import type { Principal } from '../kernel/principal.js'
import type { EventFeed } from './event-feed.js'
import { type EventFilter, type EventView, type PlaceText, type Point, pointAfter, pointText, readPoint, readTypes, selectionOf, typesFor, viewOf } from './event-rules.js'
import type { EventSelection, EventStore } from './event-store.js'
import type { EventStreams, Share } from './event-streams.js'

/** The text of a stream, which ends when its reader may not be told any more. */
export type EventBody = Readable

export interface EventQuery {
  types?: string
  subject?: string
  /** a place that was told before; `0`: the first event that is kept */
  after?: string
}

export interface EventList {
  data: EventView[]
  /** where to go on: also when nothing is there yet */
  next: string
  /** is there more to be had at once? */
  more: boolean
}

export interface EventService {
  /** From a place, or from now on. `admitted` is asked again and again: see EventStreams. Throws request.invalid, cursor.invalid, events.expired, events.too_many_streams, server.busy. */
  stream: (principal: Principal, query: EventQuery, admitted: () => Principal | Promise<Principal>) => Promise<EventBody>
  /** At most `limit` from a place, or from the first that is kept. Throws like `stream`. */
  list: (principal: Principal, query: EventQuery, limit: number) => Promise<EventList>
  /** stream, of what is about an organization, for who may see that as long as they are admitted; with places as `placeText` writes them. */
  streamOf: (organizationId: string, principal: Principal, query: EventQuery, how: { admitted: () => Principal | Promise<Principal>; placeText: PlaceText }) => Promise<EventBody>
  /** list, of what is about an organization, for who may see that. */
  listOf: (organizationId: string, query: EventQuery, limit: number) => Promise<EventList>
}

export interface EventServiceDeps {
  store: EventStore
  feed: EventFeed
  streams: EventStreams
  config: { eventStreamsMax: number; eventStreamsPerOwner: number }
}

// of an organization there may be none among many
const MOST_WINDOWS = 2
// the streams of an organization: as many as so many of its people may have
const OWNERS_OF_ONE = 5

const filterOf = ({ types, subject }: EventQuery): EventFilter => ({ types: readTypes(types), subject: subject ?? null })

const shareOf = (name: string, most: number): Share => ({ name, most, code: 'events.too_many_streams' })

export function createEventService({ store, feed, streams, config }: EventServiceDeps): EventService {
  const ownShare = ({ id }: Principal): Share => shareOf(id, config.eventStreamsPerOwner)

  /** The place after an event that is still there. Throws cursor.invalid, events.expired. */
  async function placeOf(text: string): Promise<Point> {
    const point = readPoint(text)
    if (point.position === 0) return { position: await store.beginning(), tail: '' }
    const head = feed.head()
    // the last one may have been deleted with age; it is known all the same
    const id = head.position === point.position ? head.id : await store.idAt(point.position)
    if (id === null || !id.endsWith(point.tail)) throw problem('events.expired')
    return point
  }

  /** Where a stream begins: at a place, or now. */
  async function beginningOf({ after }: EventQuery): Promise<Point> {
    await feed.look()
    return after === undefined ? pointAfter(feed.head()) : placeOf(after)
  }

  async function listed(query: EventQuery, selection: EventSelection, limit: number, windows: number): Promise<EventList> {
    await feed.look()
    const from = await placeOf(query.after ?? '0')
    const head = feed.head()
    let page = await store.page(from.position, head.position, selection, limit)
    for (let looked = 1; looked < windows && page.rows.length === 0 && page.end < head.position; looked += 1) page = await store.page(page.end, head.position, selection, limit)
    const { rows, end } = page
    const data = rows.map(viewOf)
    if (end >= head.position) return { data, next: pointText(pointAfter(head)), more: false }
    const id = await store.idAt(end)
    // the events of that place are gone: the first that is kept comes next
    return { data, next: id === null ? '0' : pointText(pointAfter({ position: end, id })), more: true }
  }

  return {
    async stream(principal, query, admitted) {
      const filter = filterOf(query)
      const from = await beginningOf(query)
      return streams.open({ typesFor: ({ permissions }) => typesFor(filter, permissions), subject: filter.subject, organizationId: null, placeText: pointText, from, admitted, shares: [ownShare(principal)] })
    },

    async streamOf(organizationId, principal, query, how) {
      const { types, ...selection } = selectionOf(organizationId, filterOf(query))
      const from = await beginningOf(query)
      // of the streams of a node operators have half for themselves
      const together: Share = { name: 'organizations', most: Math.max(1, Math.floor(config.eventStreamsMax / 2)), code: 'server.busy' }
      const shares = [ownShare(principal), shareOf(`organization ${organizationId}`, OWNERS_OF_ONE * config.eventStreamsPerOwner), together]
      return streams.open({ ...how, ...selection, typesFor: () => types, from, shares })
    },

    async list(principal, query, limit) {
      const filter = filterOf(query)
      return listed(query, { types: typesFor(filter, principal.permissions), subject: filter.subject }, limit, 1)
    },

    async listOf(organizationId, query, limit) {
      return listed(query, selectionOf(organizationId, filterOf(query)), limit, MOST_WINDOWS)
    },
  }
}
