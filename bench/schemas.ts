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
}

function jsonSchemaOf(media: Media | undefined): object | undefined {
  return media?.content?.['application/json']?.schema
}

/** Schemas of one operation, for its answer of 200. Throws when the document has none, or one with a reference. */
export function schemasOf(document: OpenApi, method: 'GET' | 'POST', path: string): { body?: object; querystring?: object; response: Record<string, object> } {
  const paths = [path, `${path}/`]
  const operation = paths.map((one) => document.paths[one]?.[method.toLowerCase()]).find((found) => found !== undefined)
  const response = jsonSchemaOf(operation?.responses?.['200'])
  if (!operation || !response) throw new Error(`/openapi.json has no schema for the 200 of ${method} ${path}`)
  const body = jsonSchemaOf(operation.requestBody)
  const query = (operation.parameters ?? []).filter((parameter) => parameter.in === 'query')
  const schemas = {
    response: { 200: response },
    ...(body ? { body } : {}),
    ...(query.length === 0 ? {} : { querystring: {
      type: 'object',
      properties: Object.fromEntries(query.map(({ name, schema }) => [name, schema ?? {}])),
      required: query.filter(({ required }) => required).map(({ name }) => name),
      additionalProperties: false,
    } }),
  }
  if (JSON.stringify(schemas).includes('"$ref"')) throw new Error(`The schemas of ${method} ${path} hold references, which the bare server does not resolve`)
  return schemas
}
