// /openapi.json (OpenAPI 3.1) from the routes' own schemas, and /docs to read and try it. Error answers are added here
// from each route's declared codes, so the document cannot promise less than the table of errors.
import swagger from '@fastify/swagger'
import swaggerUi from '@fastify/swagger-ui'
import fp from 'fastify-plugin'
import { Type } from '@sinclair/typebox'
import type { RouteOptions } from 'fastify'
import { ERRORS, type ErrorCode } from '../src/kernel/errors.js'

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
    errors: { type: 'array', items: { type: 'object', properties: { path: { type: 'string' }, message: { type: 'string' } } } },
  },
} as const

/** One answer for each status the route's codes map to, with an example of each code. */
function problemAnswers(codes: Iterable<string>): Record<string, object> {
  const byStatus = new Map<number, ErrorCode[]>()
  for (const code of [...codes].toSorted() as ErrorCode[]) byStatus.set(ERRORS[code][0], [...(byStatus.get(ERRORS[code][0]) ?? []), code])
  return Object.fromEntries([...byStatus].map(([status, list]) => [status, {
    description: list.map((code) => `\`${code}\`: ${ERRORS[code][1]}`).join('\n\n'),
    content: {
      'application/problem+json': {
        schema: PROBLEM,
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

export default fp(async (app) => {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title: 'Gatehouse', version: '1', description: 'Accounts, sessions, tokens, API keys and limits behind one HTTP API. Guide: docs/api.md.' },
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
      return {
        // a folder's own route answers with and without the slash; one of them is documented
        url: url.length > 1 ? url.replace(/\/$/, '') : url,
        schema: {
          ...schema,
          description: [schema?.description, accessText(route)].filter(Boolean).join('\n\n'),
          security: isPublic ? [] : [{ bearer: [] }, { apiKey: [] }, { cookie: [] }],
          response: { ...problemAnswers(route.config?.declares ?? []), ...(schema?.response as object | undefined) },
        },
      }
    },
  })
  app.get('/openapi.json', {
    schema: { summary: 'This API, as OpenAPI 3.1', tags: ['Operations'], response: { 200: Type.Unsafe<object>({ type: 'object', additionalProperties: true, examples: [{ openapi: '3.1.0' }] }) } },
    config: { access: ['public'] },
  }, async () => app.swagger())

  await app.register(async (docs) => {
    docs.addHook('onRoute', (route) => {
      route.config = { ...route.config, access: ['public'], asset: true }
    })
    await docs.register(swaggerUi, { routePrefix: '/docs', staticCSP: true, uiConfig: { deepLinking: true, persistAuthorization: false } })
  })
}, { name: 'openapi', dependencies: ['access'] })
