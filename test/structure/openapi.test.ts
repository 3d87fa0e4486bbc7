// What makes a client generated from /openapi.json read well: operations and shapes have names, headers are told, choices say what
// tells them apart, and every example is one that the API takes.
import t from 'tap'
import { createShapes, hoist, type Schema } from '../../plugins/http/openapi-shapes.js'
import { startApp } from '../support/app.js'
import { none } from '../support/sources.js'

interface Media {
  schema?: Schema
  example?: unknown
  examples?: Record<string, { value: unknown }>
}

interface Operation {
  operationId: string
  parameters?: { $ref?: string }[]
  requestBody?: { content: Record<string, Media> }
  responses: Record<string, { headers?: Record<string, { $ref: string }>; content?: Record<string, Media> }>
}

interface Document {
  paths: Record<string, Record<string, Operation>>
  components: { schemas: Record<string, Schema>; headers: Record<string, unknown>; parameters: Record<string, unknown> }
}

const { app, as } = await startApp(t)
const document = (await app.inject('/openapi.json')).json<Document>()
const operations = Object.entries(document.paths).flatMap(([path, item]) => Object.entries(item).map(([method, operation]) => ({ path, method, operation, name: `${method.toUpperCase()} ${path}` })))

/** Every schema of the document, with where it stands. */
function schemasIn(value: unknown, at: string): [string, Schema][] {
  if (typeof value !== 'object' || value === null) return []
  const isNamed = !Array.isArray(value) && ('type' in value || 'anyOf' in value || 'oneOf' in value)
  return [
    ...(isNamed ? [[at, value] as [string, Schema]] : []),
    ...Object.entries(value).filter(([key]) => !['example', 'examples', 'enum', 'default'].includes(key)).flatMap(([key, inner]) => schemasIn(inner, `${at}/${key}`)),
  ]
}

t.test('every operation has a name of its own that is a method name', async (t) => {
  const names = operations.map(({ operation }) => operation.operationId)
  // what routes declare themselves, those of the inside listener, too
  const declared = app.inventory.filter(({ config }) => config?.asset !== true)
    .map(({ method, url, schema }) => ({ name: `${[method].flat().join('|')} ${url}`, operationId: schema?.operationId ?? '' }))
  t.ok(declared.length >= operations.length)
  none(t, declared.filter(({ operationId }) => !/^[a-z][A-Za-z0-9]+$/.test(operationId)).map(({ name }) => `${name} has no operationId: declare one in its schema`), 'declared')
  none(t, operations.filter(({ operation }) => !/^[a-z][A-Za-z0-9]+$/.test(operation.operationId)).map(({ name }) => `${name} has no operationId in the document`), 'named')
  none(t, names.filter((name, at) => names.indexOf(name) !== at).map((name) => `${name} is two operations: declare another operationId in one of the schemas`), 'unique')
  for (const name of ['issueKey', 'listKeys', 'revokeKey', 'verifyKey', 'listUsers', 'signUp', 'setUp', 'whoAmI']) t.ok(names.includes(name), name)
})

t.test('bodies and answers are named shapes, and every reference leads somewhere', async (t) => {
  const inline = operations.flatMap(({ name, operation }) => [operation.requestBody, ...Object.values(operation.responses)].flatMap((holder) => Object.values(holder?.content ?? {}))
    .filter(({ schema }) => schema?.['properties']).map(() => name))
  none(t, inline, 'no shape stands in an operation')
  const missing = [...JSON.stringify(document).matchAll(/"\$ref":"#\/components\/(\w+)\/([^"]+)"/g)]
    .filter(([, kind, name]) => !(name as string in (document.components[kind as keyof Document['components']] ?? {}))).map(([reference]) => reference)
  none(t, missing, 'nothing is missing')
  none(t, Object.keys(document.components.schemas).filter((name) => !/^[A-Z][A-Za-z0-9]+$/.test(name)), 'names are type names')
  t.ok(Object.keys(document.components.schemas).length > 10)
  none(t, JSON.stringify(document).match(/"x-(shape-name|parameters)"/g) ?? [], 'no marks are left')
})

t.test('a choice between objects says which property tells them apart', async (t) => {
  const choices = schemasIn(document, '').filter(([, schema]) => {
    const list = (schema['anyOf'] ?? schema['oneOf']) as Schema[] | undefined
    return (list ?? []).filter((one) => one['$ref'] !== undefined || one['properties'] !== undefined).length > 1
  })
  none(t, choices.filter(([, schema]) => schema['discriminator'] === undefined).map(([at]) => `${at}: export its members, each with a property of one value`), 'discriminators')
})

t.test('headers that are taken and given are told', async (t) => {
  const byName = new Map(operations.map(({ operation }) => [operation.operationId, operation]))
  const taken = (id: string): string[] => (byName.get(id)?.parameters ?? []).flatMap(({ $ref }) => $ref?.split('/').at(-1) ?? [])
  const given = (id: string, status: string): string[] => Object.keys(byName.get(id)?.responses[status]?.headers ?? {})
  t.same(taken('issueKey'), ['IdempotencyKey'])
  t.same(taken('changeKey'), ['IfMatch'])
  t.same(taken('revokeKey'), ['IfMatchOptional'])
  t.same(taken('readKey'), ['IfNoneMatch'])
  t.same(given('readKey', '200'), ['ETag'])
  t.same(given('revokeKey', '200'), ['Effective-Within-Ms'])
  t.same(given('signIn', '429'), ['RateLimit', 'RateLimit-Policy', 'Retry-After'])
  t.same(given('signIn', '503'), ['Retry-After'])
  t.same(given('readKey', '401'), ['WWW-Authenticate'])
})

t.test('every example is one that the API takes, and what is told of its answer is so', async (t) => {
  const admin = await as.admin()
  const bodies = operations.flatMap(({ path, method, operation, name }) => Object.values(operation.requestBody?.content ?? {}).flatMap(({ example, examples }) =>
    [...(example === undefined ? [] : [example]), ...Object.values(examples ?? {}).map(({ value }) => value)].map((payload) => ({ path, method, operation, name, payload }))))
  t.ok(bodies.length >= 15, `${bodies.length} examples`)
  for (const { path, method, operation, name, payload } of bodies) {
    const url = path.replace(/\{(?:id|[a-z]+Id)\}/g, '0198c0de-7d3a-7c1e-9a53-0d9a3c0b6f11').replace(/\{[^}]+\}/g, 'example')
    const isPublic = /\/auth\/(login|signup|refresh|session)$|\/setup$/.test(path)
    const response = await app.inject({
      method: method.toUpperCase() as 'POST', url, payload: payload as object, headers: { ...(isPublic ? { 'sec-fetch-site': 'same-origin' } : admin), 'if-match': '*' },
    })
    const status = String(response.statusCode)
    t.notMatch(response.body, /"code":"request\./, `${name}: the example is well-formed`)
    t.ok(operation.responses[status], `${name}: ${status} is documented`)
    if (!status.startsWith('2')) continue
    const told = Object.keys(operation.responses[status]?.headers ?? {}).map((header) => header.toLowerCase()).filter((header) => !header.startsWith('idempotency') && !(header in response.headers))
    none(t, told, `${name}: the headers of its ${status} are there`)
  }
})

t.test('shapes: named once by what exports them, told apart by folder, with a discriminator where they can be told apart', async (t) => {
  const cat = { type: 'object', properties: { kind: { const: 'cat' }, lives: { type: 'integer' } } }
  const dog = { type: 'object', properties: { kind: { type: 'string', enum: ['dog'] } } }
  const other = { type: 'object', properties: { size: { type: 'integer' } } }
  const shapes = createShapes(new Map([['a', { Cat: cat, Dog: dog }], ['b/c', { Cat: other, text: { type: 'string' } }]]))
  const components: Record<string, Schema> = {}
  t.same(hoist(shapes.mark({ type: 'array', items: { anyOf: [cat, dog] } }), components), {
    type: 'array', items: { anyOf: [{ $ref: '#/components/schemas/Cat' }, { $ref: '#/components/schemas/Dog' }], discriminator: { propertyName: 'kind', mapping: { cat: '#/components/schemas/Cat', dog: '#/components/schemas/Dog' } } },
  })
  t.same(hoist(shapes.mark({ ...other, description: 'described anew' }), components), { $ref: '#/components/schemas/BCCat' })
  t.same(Object.keys(components).toSorted(), ['BCCat', 'Cat', 'Dog'])
  t.same(hoist(shapes.mark({ anyOf: [cat, other] }), components), { anyOf: [{ $ref: '#/components/schemas/Cat' }, { $ref: '#/components/schemas/BCCat' }] }, 'none where nothing tells them apart')
  t.same(hoist(shapes.mark({ ...cat, description: 'mine' }), components), { $ref: '#/components/schemas/Cat', description: 'mine' })
})
