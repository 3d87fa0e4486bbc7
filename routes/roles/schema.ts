// The shapes of roles on the wire.
import { Type } from '@sinclair/typebox'
import { Id, NullableTime, strict, Time } from '../../plugins/http/route-kit.js'
import { PERMISSION_LENGTH, PERMISSION_PATTERN } from '../../src/kernel/permissions.js'
import { Limits, LimitView } from '../limits/schema.js'

const RoleName = Type.String({ pattern: '^[a-z0-9_.-]{1,64}$' })
const Description = Type.String({ maxLength: 500, pattern: '^[^\\u0000-\\u001f\\u007f\\ud800-\\udfff]*$' })
const Permissions = Type.Array(Type.String({ maxLength: PERMISSION_LENGTH, pattern: PERMISSION_PATTERN }), {
  maxItems: 200, uniqueItems: true, description: 'Only what the caller holds. Gatehouse\'s own are in docs/permissions.md',
})
const Plan = Type.Array(Limits.items, { maxItems: 10, description: 'A plan: limits that count for each holder over all their credentials. Needs gatehouse:limits.write' })

const fields = {
  id: Type.String({ format: 'uuid' }),
  name: Type.String(),
  description: Type.String(),
  permissions: Type.Array(Type.String(), { description: 'A last part of * covers all below it' }),
  limits: Type.Array(LimitView),
  requiresMfa: Type.Boolean({ description: 'Does it ask its holders for a second factor? Until they have given one, their sessions may only add one' }),
  version: Type.Integer({ description: 'Second half of the ETag' }),
  createdAt: Time,
  updatedAt: Time,
}
const example = {
  id: '0198c0de-7d3a-7c1e-9a53-0d9a3c0b6f44', name: 'reporters', description: 'May read reports', permissions: ['reports:read'],
  limits: [{ name: 'calls', quota: 1_000, windowSeconds: 60 }], requiresMfa: false, version: 1, createdAt: '2027-01-01T09:00:00.000Z', updatedAt: '2027-01-01T09:00:00.000Z',
}
const Holder = Type.Object({
  userId: Type.String(), issuedBy: Type.Union([Type.String(), Type.Null()], { description: 'Who gave it' }), issuedVia: Type.Union([Type.String(), Type.Null()]), issuedAt: NullableTime,
})

export const Role = Type.Object({
  ...fields,
  holderCount: Type.Optional(Type.Integer({ description: 'Up to 100,000. Everybody has member, whomever it was given to' })),
  holders: Type.Optional(Type.Array(Holder)),
  nextHolder: Type.Optional(Type.Union([Type.String(), Type.Null()], { description: 'For ?after=; null: these were the last' })),
}, { examples: [example] })
export const RoleList = Type.Object({ data: Type.Array(Type.Object(fields), { description: 'All of them, by name' }) }, { examples: [{ data: [example] }] })

export const RoleParams = strict({ role: Type.String({ minLength: 1, maxLength: 64, pattern: '^[a-z0-9_.-]+$', description: 'Its id or its name' }) })
export const RoleQuery = strict({
  holders: Type.Optional(Type.Boolean({ description: 'Also who holds it, 200 at a time' })),
  after: Type.Optional(Type.String({ ...Id, description: 'nextHolder of the answer before' })),
})

export const NewRole = strict({
  name: RoleName, description: Type.Optional(Description), permissions: Permissions, limits: Type.Optional(Plan), requiresMfa: Type.Optional(Type.Boolean()),
}, { examples: [{ name: 'reporters', description: 'May read reports', permissions: ['reports:read'] }] })
export const RolePatch = strict({
  description: Type.Optional(Description), permissions: Type.Optional(Permissions), limits: Type.Optional(Plan), requiresMfa: Type.Optional(Type.Boolean()),
}, { minProperties: 1, examples: [{ permissions: ['reports:read', 'reports:export'] }] })
