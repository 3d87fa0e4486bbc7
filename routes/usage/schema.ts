// The shapes of usage on the wire.
import { Type } from '@sinclair/typebox'
import { Id, Time, TimeFilter } from '../../plugins/http/route-kit.js'
import type { ExportBody } from '../../src/usage/index.js'

const time = (description: string) => Type.Optional(Type.String({ ...TimeFilter, description: `ISO 8601, UTC. ${description}` }))
const id = (description: string) => Type.Optional(Type.String({ ...Id, description }))
const Granularity = Type.Unsafe<'minute' | 'hour' | 'day'>({ type: 'string', enum: ['minute', 'hour', 'day'], default: 'hour', description: 'Hours and days of UTC' })

const fields = {
  keyId: id('One key'),
  ownerId: id('All keys of one user'),
  granularity: Type.Optional(Granularity),
}

export const SeriesQuery = Type.Object({
  ...fields,
  from: time('What begins at or after it. Default: 60 minutes, 24 hours or 30 days before `to`'),
  to: time('What begins before it. Default: up to now'),
}, { additionalProperties: false })

export const ExportQuery = Type.Object({
  ...fields,
  from: time('What begins at or after it. Default: all that is kept'),
  to: time('What begins before it. Default: up to now'),
  format: Type.Optional(Type.Unsafe<'ndjson' | 'csv'>({ type: 'string', enum: ['ndjson', 'csv'], description: 'Default: what Accept prefers, else NDJSON' })),
}, { additionalProperties: false })

const counts = {
  allowed: Type.Integer(),
  revoked: Type.Integer(),
  expired: Type.Integer(),
  ownerSuspended: Type.Integer(),
  forbidden: Type.Integer({ description: 'A permission was missing' }),
  rateLimited: Type.Integer(),
  cost: Type.Integer({ description: 'Of the allowed ones' }),
}
const some = { allowed: 1204, revoked: 0, expired: 0, ownerSuspended: 0, forbidden: 3, rateLimited: 17, cost: 1310 }

export const Series = Type.Object({
  granularity: Granularity,
  from: Time,
  to: Time,
  data: Type.Array(Type.Object({ at: Type.String({ format: 'date-time', description: 'Where it begins' }), ...counts }), { description: 'Oldest first; a stretch without a decision is left out' }),
  total: Type.Object(counts),
}, {
  examples: [{
    granularity: 'hour', from: '2027-01-01T09:00:00.000Z', to: '2027-01-02T09:00:00.000Z', data: [{ at: '2027-01-01T10:00:00.000Z', ...some }], total: some,
  }],
})

// the text itself is a stream
export const Export = Type.Unsafe<ExportBody>({
  type: 'string',
  description: 'One row a key and stretch that has any decision, by time and key: `at`, `keyId`, `ownerUserId` and the counts',
  examples: [`${JSON.stringify({ at: '2027-01-01T10:00:00.000Z', keyId: '0198c0de-7d3a-7c1e-9a53-0d9a3c0b6f11', ownerUserId: '0198c0de-7d3a-7c1e-9a53-0d9a3c0b6f00', ...some })}\n`],
})
