// The body of a form as fields: application/x-www-form-urlencoded, exact and bounded. Each field once, text that is UTF-8, no more fields than a
// form has; anything else is refused, so that no two readers can differ about what was sent.
import formbody from '@fastify/formbody'
import fp from 'fastify-plugin'
import { problem } from '../../src/kernel/errors.js'

const MOST_FIELDS = 40
const MOST_BYTES = 32 * 1024

function decoded(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '))
  } catch {
    throw problem('request.malformed', { detail: 'The form is not percent-encoded UTF-8' })
  }
}

/** Throws request.malformed. */
export function readForm(body: string): Record<string, string> {
  const fields = new Map<string, string>()
  // a browser encodes all that is not ASCII
  if (/[^\x20-\x7e]/.test(body)) throw problem('request.malformed', { detail: 'The form is not percent-encoded' })
  for (const part of body.split('&', MOST_FIELDS + 1)) {
    if (part === '') continue
    const at = part.indexOf('=')
    const name = decoded(at < 0 ? part : part.slice(0, at))
    if (fields.has(name) || fields.size === MOST_FIELDS) throw problem('request.malformed', { detail: 'A field was sent twice, or there are too many' })
    fields.set(name, at < 0 ? '' : decoded(part.slice(at + 1)))
  }
  return Object.assign(Object.create(null) as Record<string, string>, Object.fromEntries(fields))
}

export default fp(async (app) => {
  await app.register(formbody, { bodyLimit: MOST_BYTES, parser: readForm })
}, { name: 'form-body' })
