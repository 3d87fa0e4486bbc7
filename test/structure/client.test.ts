// A stock generator makes a TypeScript client from /openapi.json, and what an application would write with it compiles: names, bodies,
// answers, headers and parameters are as told, and what is not told is refused.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import openapiTS, { astToString, type OpenAPI3 } from 'openapi-typescript'
import t from 'tap'
import ts from 'typescript'
import { startApp } from '../support/app.js'

t.setTimeout(240_000)

const RIGHT = `
import createClient from 'openapi-fetch'
import type { components, operations, paths } from './api.js'

type Key = components['schemas']['KeyView']
type Operation = 'issueKey' | 'listKeys' | 'revokeKey' | 'verifyKey' | 'listUsers' | 'signUp' | 'setUp' | 'whoAmI'
export type Known = operations[Operation]

const client = createClient<paths>({ baseUrl: 'https://keys.example.com' })

export async function issue(name: string): Promise<string> {
  const { data, error, response } = await client.POST('/api/v1/keys', { body: { name }, params: { header: { 'Idempotency-Key': 'a' } } })
  if (error) throw new Error(error.code + error.detail + error.requestId)
  response.headers.get('etag')
  return data.key
}

export async function all(): Promise<Key[]> {
  const { data } = await client.GET('/api/v1/keys', { params: { query: { limit: 200, sort: '-createdAt', 'createdAt[gte]': '2027-01-01T00:00:00Z' } } })
  return data?.data ?? []
}

export async function rename(id: string, etag: string, name: string): Promise<Key | undefined> {
  const { data } = await client.PATCH('/api/v1/keys/{id}', { params: { path: { id }, header: { 'If-Match': etag } }, body: { name } })
  return data
}

export async function remaining(key: string): Promise<number> {
  const { data } = await client.POST('/api/v1/keys/verify', { body: { key, cost: 1 } })
  const code: 'valid' | 'revoked' | undefined = data?.code === 'valid' || data?.code === 'revoked' ? data.code : undefined
  return code === 'valid' ? (data?.limits?.[0]?.remaining ?? Infinity) : 0
}
`
const WRONG = `
import createClient from 'openapi-fetch'
import type { paths } from './api.js'
const client = createClient<paths>({})
void client.POST('/api/v1/keys', { body: { title: 'no such field' } })
void client.PATCH('/api/v1/keys/{id}', { params: { path: { id: 'x' } }, body: { name: 'without If-Match' } })
void client.GET('/api/v1/nothing')
`

function mistakesIn(file: string): string[] {
  const program = ts.createProgram([file], {
    target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.NodeNext, moduleResolution: ts.ModuleResolutionKind.NodeNext, strict: true, noEmit: true, types: ['node'],
    exactOptionalPropertyTypes: true, noUncheckedIndexedAccess: true, skipLibCheck: true,
  })
  return ts.getPreEmitDiagnostics(program).map(({ messageText, start, file: at }) => `${at?.fileName.split('/').at(-1) ?? ''}:${at && start !== undefined ? at.getLineAndCharacterOfPosition(start).line : 0} ${ts.flattenDiagnosticMessageText(messageText, ' ')}`)
}

t.test('a client generated from /openapi.json compiles, and what an application writes with it is checked', async (t) => {
  const { app } = await startApp(t)
  const document = (await app.inject('/openapi.json')).json<OpenAPI3>()
  const types = astToString(await openapiTS(document, { silent: true }))
  const folder = t.testdir({ 'package.json': '{"type":"module"}', 'right.ts': RIGHT, 'wrong.ts': WRONG })
  writeFileSync(join(folder, 'api.ts'), types)
  t.same(mistakesIn(join(folder, 'right.ts')), [])
  t.equal(mistakesIn(join(folder, 'wrong.ts')).length, 3, 'an unknown field, a missing If-Match and an unknown path are refused')
  t.notMatch(types, /\b\w+_\d+:|: unknown;\n\s+\};\n\s+responses/, 'no invented names')
})
