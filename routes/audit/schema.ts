// The shapes of the audit log on the wire.
import { Type } from '@sinclair/typebox'
import { Time, TimeFilter } from '../../plugins/http/route-kit.js'
import { pageOf, pageQuery } from '../../src/kernel/page.js'

const Word = Type.String({ maxLength: 100, pattern: '^[a-z][a-z0-9_.]*$' })
const Id = Type.String({ maxLength: 300, pattern: '^[\\x21-\\x7e]+$' })

export const AuditEvent = Type.Object({
  id: Type.String(),
  at: Time,
  actorType: Type.String({ description: 'user, key, anonymous, or host: a command given on the machine' }),
  actorId: Type.String({ description: 'The user; for a key, its owner; empty when nobody is known' }),
  credential: Type.String({ description: 'token:SESSION, cookie:SESSION, key:KEY, or none' }),
  action: Type.String({ description: 'noun.verb' }),
  targetType: Type.String(),
  targetId: Type.String(),
  address: Type.String(),
  requestId: Type.String(),
  details: Type.Unsafe<Record<string, unknown>>({ type: 'object', additionalProperties: true, description: 'Depends on the action' }),
}, {
  examples: [{
    id: '0198c0de-7d3a-7c1e-9a53-0d9a3c0b6f33', at: '2027-01-01T09:00:00.000Z', actorType: 'user', actorId: '0198c0de-7d3a-7c1e-9a53-0d9a3c0b6f00',
    credential: 'token:0198c0de-7d3a-7c1e-9a53-0d9a3c0b6f22', action: 'key.revoked', targetType: 'key', targetId: '0198c0de-7d3a-7c1e-9a53-0d9a3c0b6f11',
    address: '203.0.113.7', requestId: 'k3v9-1f', details: {},
  }],
})

export const AuditQuery = pageQuery(['at'], AuditEvent.properties, {
  actorId: Type.Optional(Id),
  action: Type.Optional(Word),
  targetType: Type.Optional(Word),
  targetId: Type.Optional(Id),
  'at[gte]': Type.Optional(TimeFilter),
  'at[lte]': Type.Optional(TimeFilter),
})
export const AuditPage = pageOf(AuditEvent)
