// The shapes of an export of the audit log on the wire.
import { Type } from '@sinclair/typebox'
import { exportQuery } from '../../../plugins/http/route-kit.js'
import type { BulkBody } from '../../../src/bulk/index.js'
import { AuditEvent, AuditQuery } from '../schema.js'

export const AuditExportQuery = exportQuery(AuditQuery)
const [example = {}] = (AuditEvent['examples'] as object[] | undefined) ?? []
export const ExportedAudit = Type.Unsafe<BulkBody>({ type: 'string', description: 'A row a line', examples: [`${JSON.stringify(example)}\n`] })
