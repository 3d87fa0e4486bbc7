// The shapes of an export of accounts on the wire.
import { Type } from '@sinclair/typebox'
import { exportQuery } from '../../../plugins/http/route-kit.js'
import type { BulkBody } from '../../../src/bulk/index.js'
import { userExample, UserQuery } from '../schema.js'

export const UserExportQuery = exportQuery(UserQuery)
export const ExportedUsers = Type.Unsafe<BulkBody>({ type: 'string', description: 'A User a line', examples: [`${JSON.stringify(userExample)}\n`] })
