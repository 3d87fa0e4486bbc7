// How a body becomes a value: JSON and nothing else, bounded and exact (kernel/json.ts). An empty body is no body, whatever its
// content type says: a DELETE or a sign-out must not fail for a header's sake.
import fp from 'fastify-plugin'
import { problem } from '../../src/kernel/errors.js'
import { readJsonText } from '../../src/kernel/json.js'

// JSON is UTF-8 (RFC 8259 8.1): who says something else means other characters than would be read
const CHARSET = /;\s*charset\s*=\s*"?([^";\s]*)/i
const UTF8 = new Set(['utf-8', 'utf8', 'us-ascii'])

export default fp(async (app) => {
  const parseJson = app.getDefaultJsonParser('error', 'error')
  app.removeAllContentTypeParsers()

  app.addContentTypeParser<Buffer>('application/json', { parseAs: 'buffer' }, (request, body, done) => {
    if (body.length === 0 || request.is404) return done(null)
    let text: string
    try {
      const charset = CHARSET.exec(request.headers['content-type'] ?? '')?.[1]?.toLowerCase() ?? 'utf-8'
      if (!UTF8.has(charset)) throw problem('media_type.unsupported', { detail: 'JSON is sent in UTF-8' })
      text = readJsonText(body)
    } catch (error) {
      return done(error as Error)
    }
    return parseJson(request, text, done)
  })
  app.addContentTypeParser<Buffer>('*', { parseAs: 'buffer' }, (request, body, done) => {
    if (body.length === 0 || request.is404) done(null)
    else done(problem('media_type.unsupported'))
  })

  // without a length there is nothing to parse, and a content type of nothing describes nothing, however it is spelled
  app.addHook('onRequest', ({ raw: { headers } }, _reply, done) => {
    if (headers['content-type'] !== undefined && headers['transfer-encoding'] === undefined && Number(headers['content-length'] ?? 0) === 0) delete headers['content-type']
    done()
  })
}, { name: 'bodies', dependencies: ['errors', 'request-guard'] })
