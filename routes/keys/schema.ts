// The shapes of API keys on the wire.
import { Type } from '@sinclair/typebox'
import { pageOf, pageQuery } from '../../src/kernel/page.js'
import { PERMISSION_LENGTH, PERMISSION_PATTERN } from '../../src/kernel/permissions.js'
import { Id, NullableTime, strict, Time, TimeFilter } from '../../plugins/http/route-kit.js'
import { Cost, DryRun, LimitOverrides, LimitReports, Limits, LimitView, reportExample, RetryAfter } from '../limits/schema.js'

const ID = '0198c0de-7d3a-7c1e-9a53-0d9a3c0b6f11'
const OWNER = '0198c0de-7d3a-7c1e-9a53-0d9a3c0b6f00'

const Name = Type.String({ minLength: 1, maxLength: 200, pattern: '\\S', 'x-text': 'name', description: 'What people call the key' })
const Permission = Type.String({
  maxLength: PERMISSION_LENGTH, pattern: PERMISSION_PATTERN,
  description: 'noun:verb; a last part of * covers all below. Given only by who holds it. Those that begin with gatehouse: are in docs/permissions.md',
})
const Permissions = Type.Array(Permission, { maxItems: 100, uniqueItems: true })
// additionalProperties, not Type.Record: its pattern costs a regular expression a property, and loses names with a line break
const Metadata = Type.Unsafe<Record<string, unknown>>({
  type: 'object', additionalProperties: true, description: 'Anything of yours, at most 4096 bytes of JSON with its numbers written out; POST /keys/verify answers it',
})
const Expiry = Type.Union([Type.String({ format: 'date-time' }), Type.Null()], { description: 'In the future; null: never' })
const Addresses = Type.Array(Type.String({ minLength: 2, maxLength: 60 }), {
  maxItems: 50, uniqueItems: true, description: 'Networks the key may be used from (192.0.2.7, 10.0.0.0/8, 2001:db8::/32). Empty: from anywhere',
})
const Via = Type.String({ maxLength: 100, pattern: '^(key|token|cookie):[0-9a-f-]{36}$|^host$' })
const Kind = Type.Unsafe<'bound' | 'standing'>({
  type: 'string', enum: ['bound', 'standing'],
  description: 'bound: the owner\'s own, and never worth more than the owner holds. standing: sold to the owner, and worth what is written',
})
const Status = Type.Unsafe<'active' | 'revoked' | 'expired'>({ type: 'string', enum: ['active', 'revoked', 'expired'] })

const SELLER = '0198c0de-7d3a-7c1e-9a53-0d9a3c0b6f01'
const VIA = 'token:0198c0de-7d3a-7c1e-9a53-0d9a3c0b6f22'
const view = {
  id: ID, ownerUserId: OWNER, organizationId: null, kind: 'standing', name: 'Reports of Acme', start: 'gk_4fQz', permissions: ['reports:read'], dormant: [],
  limits: [{ name: 'calls', quota: 100, windowSeconds: 60 }],
  metadata: { plan: 'free' }, status: 'active', version: 1, createdAt: '2027-01-01T09:00:00.000Z', updatedAt: '2027-01-01T09:00:00.000Z', lastUsedAt: null,
  expiresAt: null, ownerExpiresAt: null, endsAt: null, addresses: [], ownerAddresses: [], revokedAt: null,
  issuedBy: SELLER, issuedVia: VIA, issuedAt: '2027-01-01T09:00:00.000Z', secretTo: SELLER, secretVia: VIA, secretAt: '2027-01-01T09:00:00.000Z',
}
const issued = { ...view, key: 'gk_4fQzT0p9LmXc2Vb7Nq1Rw8Ys5Kd3Hj0aZ9xQ2' }

const NullableId = Type.Union([Type.String({ format: 'uuid' }), Type.Null()])
const NullableVia = Type.Union([Type.String(), Type.Null()])

const viewFields = {
  id: Type.String({ format: 'uuid' }),
  ownerUserId: Type.Union([Type.String({ format: 'uuid' }), Type.Null()], { description: 'null: an organization owns it' }),
  organizationId: Type.Union([Type.String({ format: 'uuid' }), Type.Null()], { description: 'Set instead of ownerUserId: the organization that owns it. It is never worth more than that is entitled to' }),
  kind: Kind,
  name: Type.String(),
  start: Type.String({ description: 'The first characters of the key, to tell keys apart' }),
  permissions: Type.Array(Type.String()),
  dormant: Type.Array(Type.String(), { description: 'Written on a bound key, and not worth it now: its owner does not hold them (a pattern may be worth a part of it)' }),
  limits: Type.Array(LimitView),
  metadata: Metadata,
  status: Status,
  version: Type.Integer({ description: 'Second half of the ETag' }),
  createdAt: Time,
  updatedAt: Time,
  lastUsedAt: { ...NullableTime, description: 'Noted at most once a minute, and later where more than 250 keys a second come into use' },
  expiresAt: { ...NullableTime, description: 'The seller\'s; of a bound key the only one' },
  ownerExpiresAt: { ...NullableTime, description: 'The owner\'s, of a key that was sold to them' },
  endsAt: { ...NullableTime, description: 'The earlier of the two' },
  addresses: Addresses,
  ownerAddresses: Addresses,
  revokedAt: NullableTime,
  issuedBy: NullableId,
  issuedVia: { ...NullableVia, description: 'The credential it was issued with; null: by an older version' },
  issuedAt: NullableTime,
  secretTo: { ...NullableId, description: 'Who received the secret: a rotation changes it, and keeps issuedBy' },
  secretVia: NullableVia,
  secretAt: NullableTime,
  rotatedToId: Type.Optional(Type.String({ format: 'uuid', description: 'The key that took this one\'s place' })),
}

export const KeyView = Type.Object(viewFields, { examples: [view] })
export const IssuedKey = Type.Object({ ...viewFields, key: Type.String({ description: 'The key itself, shown this once' }) }, { examples: [issued] })
export const KeyPage = pageOf(KeyView)
export const KeyQuery = pageQuery(['createdAt', 'name'], viewFields, {
  ownerUserId: Type.Optional(Id),
  organizationId: Type.Optional(Id),
  kind: Type.Optional(Kind),
  issuedBy: Type.Optional(Id),
  issuedVia: Type.Optional(Via),
  secretTo: Type.Optional(Id),
  secretVia: Type.Optional(Via),
  status: Type.Optional(Status),
  'createdAt[gte]': Type.Optional(TimeFilter),
  'createdAt[lte]': Type.Optional(TimeFilter),
})

export const NewKey = strict({
  name: Name,
  ownerUserId: Type.Optional(Type.String({ ...Id, description: 'Default: the caller. Another\'s needs gatehouse:keys.write' })),
  organizationId: Type.Optional(Type.String({ ...Id, description: 'Instead: an organization, in which the caller has the right keys.write; or by gatehouse:keys.write, sold to it' })),
  permissions: Type.Optional(Permissions),
  limits: Type.Optional(Limits),
  metadata: Type.Optional(Metadata),
  expiresAt: Type.Optional(Expiry),
  addresses: Type.Optional(Addresses),
}, { examples: [{ name: view.name, ownerUserId: OWNER, permissions: view.permissions, limits: view.limits, metadata: view.metadata }] })

export const KeyPatch = strict({
  name: Type.Optional(Name),
  permissions: Type.Optional(Permissions),
  limits: Type.Optional(Limits),
  metadata: Type.Optional(Metadata),
  expiresAt: Type.Optional(Expiry),
  addresses: Type.Optional(Addresses),
  ownerExpiresAt: Type.Optional({ ...Expiry, description: 'By the owner of a key that was sold to them: an end of their own, besides the seller\'s' }),
  ownerAddresses: Type.Optional(Addresses),
}, { minProperties: 1, examples: [{ name: 'Reports of Acme, read only', permissions: ['reports:read'] }] })

export const Rotation = strict({
  graceSeconds: Type.Integer({ minimum: 0, maximum: 2_592_000, description: 'How long the old key still works' }),
}, { examples: [{ graceSeconds: 3600 }] })

export const Revocation = Type.Object({
  revokedAt: Time,
  grants: Type.Optional(Type.Object({ revoked: Type.Integer(), left: Type.Integer(), pending: Type.Boolean() }, { description: 'With ?grants=revoke: what it had issued, and what it had rotated, ended with it' })),
  effectiveWithinMs: Type.Integer({ description: 'No node admits the key later than this after this answer' }),
}, { examples: [{ revokedAt: '2027-01-01T10:00:00.000Z', effectiveWithinMs: 1500 }] })

export const VerifyRequest = strict({
  key: Type.String({ minLength: 1, maxLength: 512, description: 'The key that was presented to your API' }),
  permissions: Type.Optional(Type.Array(Type.String({ maxLength: PERMISSION_LENGTH, pattern: PERMISSION_PATTERN }), { maxItems: 50, description: 'All of these must be covered' })),
  cost: Type.Optional(Cost),
  limits: Type.Optional(LimitOverrides),
  dryRun: Type.Optional(DryRun),
  address: Type.Optional(Type.String({ minLength: 2, maxLength: 60, description: 'Where the request comes from: a key that may be used from some addresses only is forbidden without it' })),
}, { examples: [{ key: issued.key, permissions: ['reports:read'], cost: 1 }] })

const CODES = ['valid', 'not_found', 'revoked', 'expired', 'owner_suspended', 'forbidden', 'rate_limited'] as const

// one flat object, without unions: the answer of the busiest route is written without trying alternatives
export const Verification = Type.Object({
  valid: Type.Boolean(),
  code: Type.Unsafe<(typeof CODES)[number]>({ type: 'string', enum: CODES, description: 'The first check that failed, in this order, or valid' }),
  keyId: Type.Optional(Type.String()),
  name: Type.Optional(Type.String()),
  owner: Type.Optional(Type.Object({ type: Type.Unsafe<'user' | 'organization'>({ type: 'string', enum: ['user', 'organization'] }), id: Type.String() })),
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

export const KeyRevocation = strict({
  filter: strict({
    ownerUserId: Type.Optional(Id),
    organizationId: Type.Optional(Id),
    kind: Type.Optional(Kind),
    issuedBy: Type.Optional(Type.String({ ...Id, description: 'Who vouches for the key; found also when they are gone' })),
    issuedVia: Type.Optional(Via),
    secretTo: Type.Optional(Type.String({ ...Id, description: 'Who received the secret, at issue or at the last rotation' })),
    secretVia: Type.Optional(Via),
    permission: Type.Optional(Type.String({ maxLength: PERMISSION_LENGTH, pattern: PERMISSION_PATTERN, description: 'What is written on the key covers it' })),
    createdBefore: Type.Optional(TimeFilter),
    createdAfter: Type.Optional(TimeFilter),
  }, { minProperties: 1, description: 'All that is given must hold. What a swept key has issued in turn ends with it' }),
  dryRun: Type.Optional(Type.Boolean({ default: false, description: 'Counts, and ends nothing' })),
  expect: Type.Optional(Type.Integer({ minimum: 0, maximum: 100_001, description: 'What the dry run counted: 409 when it is another number now' })),
}, { examples: [{ filter: { issuedBy: OWNER }, dryRun: true }] })

export const KeyRevocationAnswer = Type.Object({
  matched: Type.Integer({ description: 'Live keys that the filter names and the caller may end, up to 100,000' }),
  revoked: Type.Integer({ description: 'Ended, with what they issued in turn' }),
  left: Type.Integer({ description: 'Not ended: they may do within Gatehouse what the caller may not' }),
  pending: Type.Boolean({ description: 'It goes on after this answer' }),
  sweptBefore: { ...Time, description: 'Keys made later are not swept' },
  sweepId: Type.Optional(Type.String()),
  effectiveWithinMs: Type.Integer(),
}, { examples: [{ matched: 12, revoked: 0, left: 0, pending: false, sweptBefore: '2027-01-01T10:00:00.000Z', effectiveWithinMs: 1500 }] })
