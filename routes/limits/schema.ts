// The shapes of limits on the wire: on keys, on owners, on namespaces, and what is told of them after a decision.
import { Type } from '@sinclair/typebox'
import { pageOf, pageQuery } from '../../src/kernel/page.js'
import { strict, Time } from '../../plugins/http/route-kit.js'

const ID = '0198c0de-7d3a-7c1e-9a53-0d9a3c0b6f22'
const UNITS = 1_000_000_000

const Quota = Type.Integer({
  minimum: 1, maximum: UNITS, description: 'Units admitted: in any window of that length (window), on average in it (gcra), or in a period (calendar)',
})
const definition = {
  windowSeconds: Type.Optional(Type.Integer({ minimum: 1, maximum: 2_592_000, description: 'Needed by all but calendar' })),
  algorithm: Type.Optional(Type.Unsafe<'window' | 'gcra' | 'calendar'>({
    type: 'string', enum: ['window', 'gcra', 'calendar'],
    description: 'window (the default): a hard limit on every window. gcra: an even rate. calendar: a quota of the hour, day or month, UTC',
  })),
  burst: Type.Optional(Type.Integer({ minimum: 1, maximum: UNITS, description: 'gcra only: how much may come at once. Default: the quota' })),
  period: Type.Optional(Type.Unsafe<'hour' | 'day' | 'month'>({ type: 'string', enum: ['hour', 'day', 'month'], description: 'calendar only' })),
}

export const Limit = strict({ name: Type.String({ pattern: '^[a-z][a-z0-9_.-]{0,63}$' }), quota: Quota, ...definition })
export const Limits = Type.Array(Limit, { maxItems: 10, description: 'Each with a name of its own' })
export const LimitView = Type.Object({ name: Type.String(), quota: Type.Integer(), ...definition })

export const Cost = Type.Integer({ minimum: 1, maximum: UNITS, default: 1, description: 'Charged to each limit' })
export const DryRun = Type.Boolean({ default: false, description: 'Says what would be answered; charges and counts nothing' })

export const LimitOverrides = Type.Array(strict({
  name: Type.String({
    pattern: '^((owner|plan):)?[a-z][a-z0-9_.-]{0,63}$', description: 'A limit of the key, owner:NAME or plan:NAME for one of its owner, or a new name with a whole limit',
  }),
  quota: Type.Optional(Quota),
  ...definition,
  cost: Type.Optional(Type.Integer({ minimum: 0, maximum: UNITS, description: 'Instead of the request\'s cost, and not below it' })),
}), { maxItems: 10, description: 'Lowers limits for this request only (a smaller quota or burst, a higher cost), or adds some; needs gatehouse:limits.override. What would raise one is 403' })

export const LimitReports = Type.Array(Type.Object({
  name: Type.String({ description: 'owner:NAME for a limit that all keys of the owner share' }),
  quota: Type.Integer(),
  remaining: Type.Integer(),
  resetSeconds: Type.Integer({ description: 'Until the whole quota is there again, rounded up' }),
  guarantee: Type.Unsafe<'exact' | 'leased'>({
    type: 'string', enum: ['exact', 'leased'],
    description: 'Neither ever admits more than the limit. leased: nodes hold units in advance, so up to earlyBy units may be refused early',
  }),
  earlyBy: Type.Integer({ description: '0 when exact' }),
}))

export const reportExample = { name: 'calls', quota: 100, remaining: 99, resetSeconds: 60, guarantee: 'exact', earlyBy: 0 }

export const RetryAfter = Type.Unsafe<number | null>({ type: ['integer', 'null'], description: 'When over a limit; null: the cost is above a quota' })

const Namespace = Type.String({ pattern: '^[a-z][a-z0-9_.-]{0,63}$' })
export const NamespaceParams = strict({ namespace: Namespace })
const limits = [{ name: 'minute', quota: 60, windowSeconds: 60 }, { name: 'month', quota: 10_000, algorithm: 'calendar', period: 'month' }]

export const LimitList = strict({
  limits: Type.Array(Limit, { minItems: 1, maxItems: 10, description: 'Each with a name of its own' }),
}, { examples: [{ limits }] })
export const OwnerLimitList = strict({ limits: Limits }, { examples: [{ limits: [{ name: 'all', quota: 1_000, windowSeconds: 60 }] }] })

const times = { createdAt: '2027-01-01T09:00:00.000Z', updatedAt: '2027-01-01T09:00:00.000Z' }
export const NamespaceView = Type.Object({
  id: Type.String({ format: 'uuid' }),
  namespace: Type.String(),
  limits: Type.Array(LimitView),
  version: Type.Integer({ description: 'Second half of the ETag' }),
  createdAt: Time,
  updatedAt: Time,
}, { examples: [{ id: ID, namespace: 'sign-ups', limits, version: 1, ...times }] })
export const NamespacePage = pageOf(NamespaceView)
export const NamespaceQuery = pageQuery(['namespace'], NamespaceView.properties, {})

export const OwnerLimits = Type.Object({
  id: Type.String({ format: 'uuid', description: 'Of the owner' }),
  limits: Type.Array(LimitView),
  version: Type.Integer({ description: 'Second half of the ETag; 1: never set' }),
  updatedAt: Time,
}, { examples: [{ id: ID, limits: [{ name: 'all', quota: 1_000, windowSeconds: 60 }], version: 2, updatedAt: times.updatedAt }] })

export const CheckRequest = strict({
  namespace: Namespace,
  identifier: Type.String({ minLength: 1, maxLength: 512, description: 'Whoever or whatever is counted: an address, an id, an e-mail. Only its hash is kept' }),
  cost: Type.Optional(Cost),
  dryRun: Type.Optional(DryRun),
}, { examples: [{ namespace: 'sign-ups', identifier: '203.0.113.7', cost: 1 }] })

export const CheckAnswer = Type.Object({
  allowed: Type.Boolean(),
  limits: LimitReports,
  retryAfterSeconds: Type.Optional(RetryAfter),
}, {
  examples: [
    { allowed: true, limits: [{ ...reportExample, name: 'minute' }] },
    { allowed: false, limits: [{ ...reportExample, name: 'minute', remaining: 0 }], retryAfterSeconds: 12 },
  ],
})
