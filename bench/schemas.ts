// The schemas of a route, read from the running program's own /openapi.json, so that the bare server checks and writes
// exactly what Gatehouse does and no copy of a schema can fall behind.
interface Parameter {
  name: string
  in: string
  required?: boolean
  schema?: object
}

interface Media {
  content?: Record<string, { schema?: object } | undefined>
}

interface Operation {
  parameters?: Parameter[]
  requestBody?: Media
  responses?: Record<string, Media | undefined>
}

export interface OpenApi {
  paths: Record<string, Record<string, Operation | undefined> | undefined>
  components?: { schemas?: Record<string, object | undefined> }
}

const REFERENCE = '#/components/schemas/'

/** The schema with what it refers to in the place of each reference. Throws on a name that the document lacks, or that refers to itself. */
function inlined(document: OpenApi, schema: object, within: readonly string[] = []): object {
  if (Array.isArray(schema)) return schema.map((one: unknown) => (one !== null && typeof one === 'object' ? inlined(document, one, within) : one))
  const { $ref, ...rest } = schema as { $ref?: string }
  if ($ref !== undefined) {
    const target = document.components?.schemas?.[$ref.slice(REFERENCE.length)]
    if (!target || within.includes($ref)) throw new Error(`The reference ${$ref} of /openapi.json cannot be put in place`)
    return inlined(document, { ...target, ...rest }, [...within, $ref])
  }
  return Object.fromEntries(Object.entries(rest).map(([name, value]: [string, unknown]) =>
    [name, value !== null && typeof value === 'object' ? inlined(document, value, within) : value]))
}

function jsonSchemaOf(media: Media | undefined): object | undefined {
  return media?.content?.['application/json']?.schema
}

/** Schemas of one operation, for its answer of 200, without references: the bare server has nothing to look them up in. Throws when the document has none. */
export function schemasOf(document: OpenApi, method: 'GET' | 'POST', path: string): { body?: object; querystring?: object; response: Record<string, object> } {
  const paths = [path, `${path}/`]
  const operation = paths.map((one) => document.paths[one]?.[method.toLowerCase()]).find((found) => found !== undefined)
  const response = jsonSchemaOf(operation?.responses?.['200'])
  if (!operation || !response) throw new Error(`/openapi.json has no schema for the 200 of ${method} ${path}`)
  const body = jsonSchemaOf(operation.requestBody)
  const query = (operation.parameters ?? []).filter((parameter) => parameter.in === 'query')
  return inlined(document, {
    response: { 200: response },
    ...(body ? { body } : {}),
    ...(query.length === 0 ? {} : { querystring: {
      type: 'object',
      properties: Object.fromEntries(query.map(({ name, schema }) => [name, schema ?? {}])),
      required: query.filter(({ required }) => required).map(({ name }) => name),
      additionalProperties: false,
    } }),
  }) as { body?: object; querystring?: object; response: Record<string, object> }
}
