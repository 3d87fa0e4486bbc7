// The shapes of an import of keys on the wire.
import { Type } from '@sinclair/typebox'
import { Id, strict } from '../../../plugins/http/route-kit.js'
import type { BulkBody } from '../../../src/bulk/index.js'
import { NewKey } from '../schema.js'

const { name, permissions, limits, metadata, expiresAt, addresses } = NewKey.properties

/** A row: what POST /keys takes, and the key that is there already. */
export const BroughtKey = strict({
  name, permissions, limits, metadata, expiresAt, addresses,
  ownerUserId: Type.Optional(Type.String({ ...Id, description: 'Whose it is' })),
  ownerEmail: Type.Optional(Type.String({ maxLength: 254, description: 'Instead: the address of their account' })),
  organizationId: Type.Optional(Type.String({ ...Id, description: 'Instead: the organization that it is sold to' })),
  key: Type.Optional(Type.String({ maxLength: 60, description: 'The key itself; its hash is kept' })),
  hash: Type.Optional(Type.String({ maxLength: 64, description: 'Instead: the SHA-256 of the whole key, in hex or base64' })),
  start: Type.Optional(Type.String({ maxLength: 21, description: 'With a hash: the beginning of the key, by which people tell keys apart' })),
})

/** A row of an organization's own: of a key that its people have, and not of one whose hash they know. */
export const OrganizationBroughtKey = strict({ name, permissions, limits, metadata, expiresAt, addresses, key: Type.String({ maxLength: 60, description: 'The key itself; its hash is kept' }) })

export const KeyImportQuery = strict({
  mode: Type.Optional(Type.Unsafe<'insert' | 'upsert'>({
    type: 'string', enum: ['insert', 'upsert'], default: 'insert', description: 'upsert: a key of the same owner that is there gets what its row says, as PATCH /keys/{id} would give it',
  })),
  report: Type.Optional(Type.Unsafe<'failed' | 'all'>({ type: 'string', enum: ['failed', 'all'], default: 'failed', description: 'Which rows have a line in the answer' })),
})

// the text itself is a stream
export const KeysImported = Type.Unsafe<BulkBody>({
  type: 'string',
  description: 'application/x-ndjson: `{ row, status: "failed", code, errors }` for a row that was not taken, and at the end `{ done: true, rows, created, updated, unchanged, failed, resumedAfter }`; `done: false` with a `code` when it ended early, which the same request goes on with',
  examples: ['{"row":17,"status":"failed","code":"owner.unknown"}\n{"done":true,"rows":1000,"resumedAfter":0,"created":999,"updated":0,"unchanged":0,"failed":1}\n'],
})
