// The shapes of a bulk import on the wire.
import { Type } from '@sinclair/typebox'
import { strict } from '../../../plugins/http/route-kit.js'
import type { BulkBody } from '../../../src/bulk/index.js'

export const ImportQuery = strict({
  mode: Type.Optional(Type.Unsafe<'insert' | 'upsert'>({
    type: 'string', enum: ['insert', 'upsert'], default: 'insert', description: 'upsert: an account that is there gets the name and the roles of its row, as PATCH /users/{id} would give them; its password stays',
  })),
  report: Type.Optional(Type.Unsafe<'failed' | 'all'>({ type: 'string', enum: ['failed', 'all'], default: 'failed', description: 'Which rows have a line in the answer' })),
})

// the text itself is a stream
export const Imported = Type.Unsafe<BulkBody>({
  type: 'string',
  description: 'application/x-ndjson: `{ row, status: "failed", code, errors }` for a row that was not taken, and at the end `{ done: true, rows, created, updated, unchanged, failed, resumedAfter }`; `done: false` with a `code` when it ended early, which the same request goes on with',
  examples: ['{"row":17,"status":"failed","code":"email.taken"}\n{"done":true,"rows":1000,"resumedAfter":0,"created":999,"updated":0,"unchanged":0,"failed":1}\n'],
})
