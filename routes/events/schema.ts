// The shapes of events on the wire.
import { Type } from '@sinclair/typebox'
import { strict, Time } from '../../plugins/http/route-kit.js'
import type { EventBody } from '../../src/events/index.js'

const Place = Type.String({ maxLength: 40, pattern: '^(0|[1-9]\\d*-[0-9a-f]{12})$', description: 'A place that was told before (`id` of a stream, `next` of a list): what came after it. 0: the first event that is kept' })
const filters = {
  types: Type.Optional(Type.String({ minLength: 1, maxLength: 2000, pattern: '^[a-z_]+\\.([a-z_]+|\\*)(,[a-z_]+\\.([a-z_]+|\\*))*$', description: 'Of these kinds, comma-separated: `key.revoked,user.*`' })),
  subject: Type.Optional(Type.String({ minLength: 1, maxLength: 300, pattern: '^[\\x21-\\x7e]+$', description: 'About this one alone: its id' })),
  after: Type.Optional(Place),
}

export const StreamQuery = strict(filters)
export const ListQuery = strict({ ...filters, limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 200, default: 50, description: 'Events at most' })) })

const Party = Type.Object({ type: Type.String(), id: Type.String() })
export const eventExample = {
  id: '0198c0de-7d3a-7c1e-9a53-0d9a3c0b6f33', type: 'key.revoked', at: '2027-01-01T09:00:00.000Z', subject: { type: 'key', id: '0198c0de-7d3a-7c1e-9a53-0d9a3c0b6f11' },
  actor: { type: 'user', id: '0198c0de-7d3a-7c1e-9a53-0d9a3c0b6f00' }, requestId: 'k3v9-1f', data: { ownerUserId: '0198c0de-7d3a-7c1e-9a53-0d9a3c0b6f00' },
}
export const Event = Type.Object({
  id: Type.String({ format: 'uuid', description: 'The same wherever and however often the event is told, and the id of its row in the audit log' }),
  type: Type.String({ description: 'noun.verb: docs/events.md' }),
  at: Time,
  subject: Party,
  actor: Party,
  requestId: Type.String(),
  data: Type.Unsafe<Record<string, unknown>>({ type: 'object', additionalProperties: true, description: 'Depends on the type' }),
}, { examples: [eventExample] })

export const EventList = Type.Object({
  data: Type.Array(Event),
  next: Type.String({ description: 'For `after`: where to go on, also later' }),
  more: Type.Boolean({ description: 'There is more to be had at once; a page may be empty and say so' }),
}, { examples: [{ data: [eventExample], next: '1042-0d9a3c0b6f33', more: false }] })

// the text itself is a stream
export const EventStream = Type.Unsafe<EventBody>({
  type: 'string',
  description: 'text/event-stream (the EventSource of browsers). `id` is a place to go on from, `event` the type, `data` an Event. `event: end` says with its `code` why it ends',
  examples: [`id: 1042-0d9a3c0b6f33\nevent: key.revoked\ndata: ${JSON.stringify(eventExample)}\n\n`],
})
