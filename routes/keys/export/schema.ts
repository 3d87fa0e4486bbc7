// The shapes of an export of keys on the wire.
import { Type } from '@sinclair/typebox'
import { exportQuery } from '../../../plugins/http/route-kit.js'
import type { BulkBody } from '../../../src/bulk/index.js'
import { KeyQuery, KeyView } from '../schema.js'

export const KeyExportQuery = exportQuery(KeyQuery)
const [example = {}] = (KeyView['examples'] as object[] | undefined) ?? []
export const ExportedKeys = Type.Unsafe<BulkBody>({ type: 'string', description: 'A KeyView a line', examples: [`${JSON.stringify(example)}\n`] })
