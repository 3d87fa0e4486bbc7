// The shapes of domains of organizations on the wire.
import { Type } from '@sinclair/typebox'
import { Id, NullableTime, strict, Time } from '../../../../plugins/http/route-kit.js'

const ID = '0198c0de-7d3a-7c1e-9a53-0d9a3c0b6f54'
const ORGANIZATION = '0198c0de-7d3a-7c1e-9a53-0d9a3c0b6f50'
const at = '2027-01-01T09:00:00.000Z'

export const DomainParams = strict({ id: Id, domainId: Id })
const Automatic = Type.Boolean({ description: 'Are people taken in whose confirmed address is at the domain, once it is verified?' })
const RoleIds = Type.Array(Id, { maxItems: 20, uniqueItems: true, description: 'Ids of roles of the organization that they come in with' })
const Record = Type.Object({ name: Type.String(), type: Type.Literal('TXT'), value: Type.String() }, { description: 'To be put into the DNS, at that name itself and not behind an alias, and to stay there' })

const domain = {
  id: ID, organizationId: ORGANIZATION, domain: 'acme.example', status: 'verified', record: { name: '_gatehouse.acme.example', type: 'TXT', value: 'gatehouse-domain=4fQzT0p9LmXc2Vb7Nq1Rw8Ys5Kd3Hj0a' }, automatic: true, roles: [],
  verifiedAt: at, seenAt: at, missingSince: null, expiresAt: null, version: 2, createdAt: at, updatedAt: at,
}
const fields = {
  id: Id, organizationId: Id, domain: Type.String(), status: Type.Unsafe<'unproven' | 'verified'>({ type: 'string', enum: ['unproven', 'verified'] }), record: Record, automatic: Automatic, roles: Type.Array(Type.String()),
  verifiedAt: NullableTime, seenAt: Type.Union([Time, Type.Null()], { description: 'When the record was found last' }), missingSince: Type.Union([Time, Type.Null()], { description: 'Since when it is looked for and not there' }),
  expiresAt: Type.Union([Time, Type.Null()], { description: 'Of one that is not proven: forgotten then' }), version: Type.Integer({ description: 'Second half of the ETag' }), createdAt: Time, updatedAt: Time,
}
export const DomainView = Type.Object(fields, { examples: [domain] })
export const DomainList = Type.Object({ data: Type.Array(Type.Object(fields), { description: 'All of them, by name' }) }, { examples: [{ data: [domain] }] })
export const NewDomain = strict({ domain: Type.String({ minLength: 1, maxLength: 253 }), automatic: Type.Optional(Automatic), roles: Type.Optional(RoleIds) }, { examples: [{ domain: 'acme.example', automatic: true }] })
export const DomainPatch = strict({ automatic: Type.Optional(Automatic), roles: Type.Optional(RoleIds) }, { minProperties: 1, examples: [{ automatic: false }] })
