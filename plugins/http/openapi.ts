// /openapi.json (OpenAPI 3.1) from the routes' own schemas, and /docs to read and try it. Error answers and header fields are added
// here from what each route declares, so the document cannot promise less than the table of errors. It adds nothing to a route.
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import swagger from '@fastify/swagger'
import swaggerUi from '@fastify/swagger-ui'
import fp from 'fastify-plugin'
import { Type } from '@sinclair/typebox'
import type { FastifyRequest, RouteOptions } from 'fastify'
import { countedAddress } from '../../src/kernel/address.js'
import { ERRORS, type ErrorCode, problem } from '../../src/kernel/errors.js'
import { HEADERS, headersOf, PARAMETERS, parametersOf } from './openapi-headers.js'
import { createShapes, hoist, isSchema, type Schema, type Shapes } from './openapi-shapes.js'

declare module 'fastify' {
  interface FastifySchema {
    /** what a generated client calls the operation: every documented route declares one */
    operationId?: string
  }
}

const ROUTES = join(import.meta.dirname, '../../routes')
const DOCS = '/docs'
// thirty openings of the page
const REFERENCE_MAX = 240

// what the page needs and nothing else. No upgrade-insecure-requests: it must work over plain http, on any host
const DOCS_POLICY = [
  "default-src 'none'", "script-src 'self'", "style-src 'self' 'unsafe-inline'", "img-src 'self' data:", "connect-src 'self'", "base-uri 'none'", "form-action 'self'", "frame-ancestors 'none'",
].join('; ')

const PROBLEM = {
  type: 'object',
  description: 'RFC 9457 problem details',
  required: ['type', 'title', 'status', 'code', 'detail', 'requestId'],
  properties: {
    type: { type: 'string', description: 'urn:gatehouse:error:CODE' },
    title: { type: 'string' },
    status: { type: 'integer' },
    code: { type: 'string', description: 'Stable for ever; docs/errors.md lists them all' },
    detail: { type: 'string' },
    requestId: { type: 'string' },
    errors: {
      type: 'array',
      items: { type: 'object', required: ['path', 'message'], properties: { path: { type: 'string' }, message: { type: 'string' } } },
    },
  },
}

/** One answer for each status the route's codes map to, with an example of each code. */
function problemAnswers(codes: Iterable<string>, shapes: Shapes): Record<string, Schema> {
  const byStatus = new Map<number, ErrorCode[]>()
  for (const code of [...codes].toSorted() as ErrorCode[]) byStatus.set(ERRORS[code][0], [...(byStatus.get(ERRORS[code][0]) ?? []), code])
  return Object.fromEntries([...byStatus].map(([status, list]) => [status, {
    description: list.map((code) => `\`${code}\`: ${ERRORS[code][1]}`).join('\n\n'),
    content: {
      'application/problem+json': {
        schema: shapes.mark(PROBLEM),
        examples: Object.fromEntries(list.map((code) => [code, {
          value: { type: `urn:gatehouse:error:${code}`, title: ERRORS[code][1], status, code, detail: ERRORS[code][1], requestId: 'k3v9-1f' },
        }])),
      },
    },
  }]))
}

function accessText({ config }: RouteOptions): string {
  const access = config?.access ?? []
  if (access.includes('public')) return 'Access: public.'
  const words = { user: 'a signed-in user', service: 'an API key', loopback: 'an unforwarded request from this machine' } as Record<string, string>
  return `Access: ${access.map((one) => words[one] ?? `permission \`${one}\``).join(' or ')}.`
}

const capital = (word: string): string => `${word.charAt(0).toUpperCase()}${word.slice(1)}`

/** What the routes' schema files export, by folder. */
async function exportedSchemas(): Promise<Map<string, Record<string, unknown>>> {
  const files = (await readdir(ROUTES, { recursive: true })).filter((name) => /(^|[/\\])schema\.[jt]s$/.test(name)).toSorted()
  const modules = files.map(async (name) => [name.replace(/[/\\]?schema\.[jt]s$/, ''), await import(pathToFileURL(join(ROUTES, name)).href) as Record<string, unknown>] as const)
  return new Map(await Promise.all(modules))
}

/** Moves what is shared in an operation to the document's components. */
function share(operation: Schema, components: Record<string, Record<string, Schema>>): void {
  const schemas = (components['schemas'] ??= {})
  const shareContent = (holder: unknown): void => {
    if (!isSchema(holder) || !isSchema(holder['content'])) return
    for (const media of Object.values(holder['content'])) {
      if (isSchema(media) && isSchema(media['schema'])) media['schema'] = hoist(media['schema'], schemas)
    }
  }
  shareContent(operation['requestBody'])
  for (const response of Object.values(operation['responses'] ?? {}) as unknown[]) shareContent(response)
}

export default fp(async (app) => {
  const shapes = createShapes(new Map([['', { Problem: PROBLEM }], ...(await exportedSchemas())]))
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title: 'Gatehouse', version: '1', description: 'Accounts, sessions, tokens, API keys and limits behind one HTTP API. Guide: docs/api.md.' },
      servers: [{ url: '/', description: 'This installation' }],
      components: {
        securitySchemes: {
          bearer: { type: 'http', scheme: 'bearer', description: 'Access token or API key' },
          apiKey: { type: 'apiKey', in: 'header', name: 'x-api-key' },
          cookie: { type: 'apiKey', in: 'cookie', name: '__Host-gatehouse', description: 'Unsafe methods need x-csrf-token, too' },
        },
      },
    },
    transform({ schema, url, route }) {
      const isPublic = route.config?.access?.includes('public') ?? false
      // a test sees to it that each has one
      const operationId = schema?.operationId ?? ''
      const answers: Record<string, Schema> = { ...problemAnswers(route.config?.declares ?? [], shapes) }
      for (const [status, answer] of Object.entries((schema?.response ?? {}) as Record<string, Schema>)) {
        answers[status] = shapes.mark(answer, `${capital(operationId)}Answer`)
      }
      const responses = Object.entries(answers).map(([status, answer]) => {
        const names = headersOf(route, status)
        // only the names: the fields themselves stand in components.headers
        return [status, names.length === 0 ? answer : { ...answer, headers: Object.fromEntries(names.map((name) => [name, {}])) }]
      })
      return {
        // a folder's own route answers with and without the slash; one of them is documented
        url: url.length > 1 ? url.replace(/\/$/, '') : url,
        schema: {
          ...schema,
          operationId,
          description: [schema?.description, accessText(route)].filter(Boolean).join('\n\n'),
          security: isPublic ? [] : [{ bearer: [] }, { apiKey: [] }, { cookie: [] }],
          ...(isSchema(schema?.body) ? { body: shapes.mark(schema.body, `${capital(operationId)}Request`) } : {}),
          'x-parameters': parametersOf(route),
          response: Object.fromEntries(responses),
        },
      }
    },
    transformObject(given) {
      const document = ('openapiObject' in given ? given.openapiObject : {}) as Schema
      const components = (document['components'] ??= {}) as Record<string, Record<string, Schema>>
      components['headers'] = { ...HEADERS }
      components['parameters'] = { ...PARAMETERS }
      for (const item of Object.values(document['paths'] ?? {}) as Schema[]) {
        for (const operation of Object.values(item) as Schema[]) {
          share(operation, components)
          const { 'x-parameters': taken } = operation
          delete operation['x-parameters']
          if (Array.isArray(taken) && taken.length > 0) {
            operation['parameters'] = [...((operation['parameters'] ?? []) as unknown[]), ...taken.map((name: string) => ({ $ref: `#/components/parameters/${name}` }))]
          }
          for (const response of Object.values(operation['responses'] ?? {}) as Schema[]) {
            if (isSchema(response['headers'])) response['headers'] = Object.fromEntries(Object.keys(response['headers']).map((name) => [name, { $ref: `#/components/headers/${name}` }]))
          }
        }
      }
      return document
    },
  })
  /** The document and the page's files are large, and anybody may ask: an address gets so many a minute. */
  async function spend({ ip }: FastifyRequest): Promise<void> {
    const { allowed, retryAfterMs } = await app.sharedStore.limits.take([{ key: `public:reference:{${countedAddress(ip)}}`, quota: REFERENCE_MAX, windowMs: 60_000, cost: 1 }])
    if (!allowed) throw problem('rate.limited', { retryAfterSeconds: Math.max(1, Math.ceil(retryAfterMs / 1000)) })
  }

  // routes are fixed once the server answers: written once, for to write it anew takes longer than most requests
  let text: Buffer | undefined
  app.get('/openapi.json', {
    onRequest: spend,
    schema: { operationId: 'readOpenApi', summary: 'This API, as OpenAPI 3.1', tags: ['Operations'], response: { 200: Type.Unsafe<object>({ type: 'object', additionalProperties: true, examples: [{ openapi: '3.1.0' }] }) } },
    config: { access: ['public'], errors: ['rate.limited'] },
  }, async (_request, reply) => reply.type('application/json; charset=utf-8').send(text ??= Buffer.from(JSON.stringify(app.swagger()))))

  await app.register(async (docs) => {
    docs.addHook('onRequest', spend)
    docs.addHook('onRoute', (route) => {
      route.config = { ...route.config, access: ['public'], asset: true }
    })
    await docs.register(swaggerUi, { routePrefix: DOCS, staticCSP: DOCS_POLICY, theme: { title: 'Gatehouse API' }, uiConfig: { deepLinking: true, persistAuthorization: false, displayOperationId: true } })
  })
}, { name: 'openapi', dependencies: ['access'] })
