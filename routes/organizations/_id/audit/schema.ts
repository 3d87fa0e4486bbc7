// The shapes of the audit log of an organization on the wire.
import { Type } from '@sinclair/typebox'
import { pageOf, pageQuery } from '../../../../src/kernel/page.js'
import { AuditEvent, AuditQuery } from '../../../audit/schema.js'

const { credential: _, address: _from, ...shared } = AuditEvent.properties
const fields = { ...shared, address: Type.Union([Type.String(), Type.Null()], { description: 'Where somebody acted from who is, or was, in the organization; null: of anybody else' }) }
const [{ credential: _by, ...example } = { credential: '' }] = (AuditEvent['examples'] as { credential: string }[] | undefined) ?? []
const { actorId, action, targetId, 'at[gte]': since, 'at[lte]': until } = AuditQuery.properties
export const OrganizationAuditQuery = pageQuery(['at'], fields, { actorId, action, targetId, 'at[gte]': since, 'at[lte]': until })
export const OrganizationAuditPage = pageOf(Type.Object(fields, { examples: [example] }))
