// The shapes of API keys on the wire.
import { Type } from '@sinclair/typebox'
import { pageOf, pageQuery } from '../../src/kernel/page.js'
import { Id, NullableTime, strict, Time, TimeFilter } from '../../plugins/route-kit.js'
import { Cost, DryRun, LimitOverrides, LimitReports, Limits, LimitView, reportExample, RetryAfter } from '../limits/schema.js'

const ID = '0198c0de-7d3a-7c1e-9a53-0d9a3c0b6f11'
const OWNER = '0198c0de-7d3a-7c1e-9a53-0d9a3c0b6f00'

const Name = Type.String({ minLength: 1, maxLength: 200, pattern: '\\S', description: 'What people call the key' })
const Permission = Type.String({
  maxLength: 100,
  pattern: '^[a-z0-9_.-]+(:[a-z0-9_.*-]+)+$',
  description: 'noun:verb; a last part of * covers all below. Those that begin with gatehouse: are given only by who holds them',
})
const Permissions = Type.Array(Permission, { maxItems: 100, uniqueItems: true })
// additionalProperties, not Type.Record: its pattern costs a regular expression a property, and loses names with a line break
const Metadata = Type.Unsafe<Record<string, unknown>>({
  type: 'object', additionalProperties: true, description: 'Anything of yours, at most 4096 bytes of JSON; POST /keys/verify answers it',
})
const Expiry = Type.Union([Type.String({ format: 'date-time' }), Type.Null()], { description: 'In the future; null: never' })
const Status = Type.Unsafe<'active' | 'revoked' | 'expired'>({ type: 'string', enum: ['active', 'revoked', 'expired'] })

const view = {
  id: ID, ownerUserId: OWNER, name: 'Reports of Acme', start: 'gk_4fQz', permissions: ['reports:read'],
  limits: [{ name: 'calls', quota: 100, windowSeconds: 60 }],
  metadata: { plan: 'free' }, status: 'active', version: 1, createdAt: '2027-01-01T09:00:00.000Z', updatedAt: '2027-01-01T09:00:00.000Z', lastUsedAt: null,
  expiresAt: null, revokedAt: null,
}
const issued = { ...view, key: 'gk_4fQzT0p9LmXc2Vb7Nq1Rw8Ys5Kd3Hj0aZ9xQ2' }

const viewFields = {
  id: Type.String({ format: 'uuid' }),
  ownerUserId: Type.String({ format: 'uuid' }),
  name: Type.String(),
  start: Type.String({ description: 'The first characters of the key, to tell keys apart' }),
  permissions: Type.Array(Type.String()),
  limits: Type.Array(LimitView),
  metadata: Metadata,
  status: Status,
  version: Type.Integer({ description: 'Second half of the ETag' }),
  createdAt: Time,
  updatedAt: Time,
  lastUsedAt: { ...NullableTime, description: 'Noted at most once a minute, and later where more than 250 keys a second come into use' },
  expiresAt: NullableTime,
  revokedAt: NullableTime,
  rotatedToId: Type.Optional(Type.String({ format: 'uuid', description: 'The key that took this one\'s place' })),
}

export const KeyView = Type.Object(viewFields, { examples: [view] })
export const IssuedKey = Type.Object({ ...viewFields, key: Type.String({ description: 'The key itself, shown this once' }) }, { examples: [issued] })
export const KeyPage = pageOf(KeyView)
export const KeyQuery = pageQuery(['createdAt', 'name'], {
  ownerUserId: Type.Optional(Id),
  status: Type.Optional(Status),
  'createdAt[gte]': Type.Optional(TimeFilter),
  'createdAt[lte]': Type.Optional(TimeFilter),
})

export const NewKey = strict({
  name: Name,
  ownerUserId: Type.Optional(Type.String({ ...Id, description: 'Default: the caller. Another\'s needs gatehouse:keys.write' })),
  permissions: Type.Optional(Permissions),
  limits: Type.Optional(Limits),
  metadata: Type.Optional(Metadata),
  expiresAt: Type.Optional(Expiry),
}, { examples: [{ name: view.name, permissions: view.permissions, limits: view.limits, metadata: view.metadata }] })

export const KeyPatch = strict({
  name: Type.Optional(Name),
  permissions: Type.Optional(Permissions),
  limits: Type.Optional(Limits),
  metadata: Type.Optional(Metadata),
  expiresAt: Type.Optional(Expiry),
}, { minProperties: 1, examples: [{ name: 'Reports of Acme, read only', permissions: ['reports:read'] }] })

export const Rotation = strict({
  graceSeconds: Type.Integer({ minimum: 0, maximum: 2_592_000, description: 'How long the old key still works' }),
}, { examples: [{ graceSeconds: 3600 }] })

export const Revocation = Type.Object({
  revokedAt: Time,
  effectiveWithinMs: Type.Integer({ description: 'No node admits the key later than this after this answer' }),
}, { examples: [{ revokedAt: '2027-01-01T10:00:00.000Z', effectiveWithinMs: 1500 }] })

export const VerifyRequest = strict({
  key: Type.String({ minLength: 1, maxLength: 512, description: 'The key that was presented to your API' }),
  permissions: Type.Optional(Type.Array(Type.String({ minLength: 1, maxLength: 100 }), { maxItems: 50, description: 'All of these must be covered' })),
  cost: Type.Optional(Cost),
  limits: Type.Optional(LimitOverrides),
  dryRun: Type.Optional(DryRun),
}, { examples: [{ key: issued.key, permissions: ['reports:read'], cost: 1 }] })

const CODES = ['valid', 'not_found', 'revoked', 'expired', 'owner_suspended', 'forbidden', 'rate_limited'] as const

// one flat object, without unions: the answer of the busiest route is written without trying alternatives
export const Verification = Type.Object({
  valid: Type.Boolean(),
  code: Type.Unsafe<(typeof CODES)[number]>({ type: 'string', enum: CODES, description: 'The first check that failed, in this order, or valid' }),
  keyId: Type.Optional(Type.String()),
  name: Type.Optional(Type.String()),
  owner: Type.Optional(Type.Object({ type: Type.Unsafe<'user'>({ type: 'string', enum: ['user'] }), id: Type.String() })),
  permissions: Type.Optional(Type.Array(Type.String())),
  metadata: Type.Optional(Metadata),
  expiresAt: Type.Optional(Type.Unsafe<string | null>({ type: ['string', 'null'] })),
  limits: Type.Optional(LimitReports),
  retryAfterSeconds: Type.Optional(RetryAfter),
}, {
  examples: [
    {
      valid: true, code: 'valid', keyId: ID, name: view.name, owner: { type: 'user', id: OWNER }, permissions: ['reports:read'], metadata: { plan: 'free' },
      expiresAt: null, limits: [reportExample],
    },
    { valid: false, code: 'rate_limited', limits: [{ ...reportExample, remaining: 0 }], retryAfterSeconds: 12 },
    { valid: false, code: 'revoked' },
  ],
})

export const VerifyBatch = strict({
  requests: Type.Array(VerifyRequest, { minItems: 1, maxItems: 1_000 }),
}, { examples: [{ requests: [{ key: issued.key, permissions: ['reports:read'] }, { key: issued.key, cost: 5 }] }] })

export const VerifyBatchAnswer = Type.Object({ data: Type.Array(Verification, { description: 'One answer a question, in order' }) }, {
  examples: [{ data: [{ valid: true, code: 'valid', keyId: ID, name: view.name, owner: { type: 'user', id: OWNER }, permissions: ['reports:read'], metadata: {}, expiresAt: null, limits: [] }, { valid: false, code: 'revoked' }] }],
})
