// How often keys were used, and how often refused and why: as a series to draw, or as rows to keep.
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Export, ExportQuery, Series, SeriesQuery } from './schema.js'

const tags = ['Usage']

const usage: FastifyPluginAsyncTypebox = async (app) => {
  app.get('/', {
    schema: {
      operationId: 'readUsage', summary: 'Read usage', tags, querystring: SeriesQuery, response: { 200: Series },
      description: 'Of your own keys; with gatehouse:usage.read of everybody\'s. A decision shows a second or two after it was made. At most 1500 minutes, hours or days in one answer.',
    },
    config: { access: ['user', 'gatehouse:usage.read'], errors: ['key.not_found'] },
  }, (request) => app.usage.series(request.caller, request.query))

  app.get('/export', {
    // a HEAD twin would read every row to throw it away
    exposeHeadRoute: false,
    schema: {
      operationId: 'exportUsage', summary: 'Export usage', tags, produces: ['application/x-ndjson', 'text/csv'], querystring: ExportQuery, response: { 200: Export },
      description: 'Every row of your own keys; with gatehouse:usage.read of everybody\'s. NDJSON or CSV, streamed; a connection that breaks off means it is not complete.',
    },
    config: { access: ['user', 'gatehouse:usage.read'], errors: ['key.not_found', 'response.not_acceptable'], price: 10 },
  }, async (request, reply) => {
    const { mediaType, fileName, body } = await app.usage.export(request.caller, request.query, request.headers.accept, () => request.stillAdmitted())
    return reply.type(`${mediaType}; charset=utf-8`).header('content-disposition', `attachment; filename="${fileName}"`).header('vary', [reply.getHeader('vary') ?? [], 'accept'].flat().join(', ')).send(body)
  })
}

export default usage
