// How anything is fetched whose address somebody stored or sent: from where it may be asked (target-rules, address-rules), within a time and a size
// that are ours to say, without following redirects, and read in full before anything looks at it.
import { promisify } from 'node:util'
import { brotliDecompress, gunzip, inflate } from 'node:zlib'
import { Agent, request } from 'undici'
import { within } from './deadline.js'
import type { Way } from './name-lookup.js'
import { OutboundError } from './outbound-error.js'
import { createPinnedConnector, type PinnedConnectionDeps } from './pinned-connection.js'
import { targetOf } from './target-rules.js'

export interface OutboundRequest {
  /** on whose account; without it `endpoints` */
  way?: Way
  method?: 'GET' | 'POST'
  headers?: Record<string, string>
  body?: string
  /** of the answer, as sent and as decompressed */
  mostBytes?: number
  /** for all of it, from the look-up of the name to the last byte */
  timeoutMs?: number
  /** content types of the answer that are read: `application/json`; none: any */
  accept?: readonly string[]
}

/** Throws OutboundError; any answer that is no redirect is an answer. */
export type SafeFetch = (url: string, options?: OutboundRequest) => Promise<Response>

const MOST_BYTES = 256 * 1024
const TIMEOUT_MS = 5_000
const MOST_HEADERS_BYTES = 16 * 1024
const CONNECTIONS_EACH = 8
const MOST_ORIGINS = 200
const IDLE_MS = 4_000

const unpackers: Record<string, (packed: Buffer, options: { maxOutputLength: number }) => Promise<Buffer>> = {
  gzip: promisify(gunzip), 'x-gzip': promisify(gunzip), deflate: promisify(inflate), br: promisify(brotliDecompress),
}

/** A body without its content coding. One coding is understood: a stack of them is a bomb's work. */
async function unpacked(body: Buffer, coding: string, most: number): Promise<Buffer> {
  if (coding === '' || coding === 'identity') return body
  const unpack = unpackers[coding]
  if (!unpack) throw new OutboundError('unreadable', 'the answer has a coding that is not understood')
  try {
    return await unpack(body, { maxOutputLength: most })
  } catch (error) {
    const isTooLarge = error instanceof Error && 'code' in error && error.code === 'ERR_BUFFER_TOO_LARGE'
    throw new OutboundError(isTooLarge ? 'too_large' : 'unreadable', isTooLarge ? 'the answer is too large' : 'the answer\'s coding cannot be undone', { cause: error })
  }
}

async function readAll(body: AsyncIterable<Buffer>, most: number): Promise<Buffer> {
  const parts: Buffer[] = []
  let size = 0
  for await (const part of body) {
    size += part.length
    if (size > most) throw new OutboundError('too_large', 'the answer is too large')
    parts.push(part)
  }
  return Buffer.concat(parts)
}

const first = (value: string | string[] | undefined): string => [value].flat()[0] ?? ''

/** What undici or the socket ran into, as one of ours. */
function failureOf(error: unknown): OutboundError {
  if (error instanceof OutboundError) return error
  // a connector's refusal may come wrapped
  if (error instanceof Error && error.cause instanceof OutboundError) return error.cause
  return new OutboundError('unreachable', 'no connection, or a broken one', { cause: error })
}

export function createSafeFetch(deps: PinnedConnectionDeps): { fetch: SafeFetch; close: () => Promise<void> } {
  const agent = new Agent({
    connect: createPinnedConnector(deps), connections: CONNECTIONS_EACH, maxOrigins: MOST_ORIGINS, maxHeaderSize: MOST_HEADERS_BYTES,
    keepAliveTimeout: IDLE_MS, keepAliveMaxTimeout: IDLE_MS, pipelining: 1,
  })

  async function ask(url: URL, signal: AbortSignal, { method = 'GET', headers = {}, body, mostBytes = MOST_BYTES, accept = [] }: OutboundRequest): Promise<Response> {
    const answer = await request(url, {
      dispatcher: agent, method, signal, body: body ?? null,
      headers: { ...(accept.length > 0 ? { accept: accept.join(', ') } : {}), ...headers, 'accept-encoding': 'gzip', 'user-agent': 'Gatehouse' },
    })
    // what breaks the reading is thrown where it is read; what breaks afterwards, because we are through with it, is nothing
    answer.body.on('error', () => undefined)
    try {
      const { statusCode: status } = answer
      if (status >= 300 && status < 400) throw new OutboundError('redirected', 'the answer leads elsewhere')
      const type = first(answer.headers['content-type'])
      const [media = ''] = type.split(';')
      const isError = status >= 400
      if (accept.length > 0 && !isError && !accept.includes(media.trim().toLowerCase())) throw new OutboundError('unreadable', 'the answer has another content type than was asked for')
      if (Number(first(answer.headers['content-length'])) > mostBytes) throw new OutboundError('too_large', 'the answer is too large')
      const content = await unpacked(await readAll(answer.body, mostBytes), first(answer.headers['content-encoding']).trim().toLowerCase(), mostBytes)
      const shown = ['cache-control', 'content-type', 'date', 'etag', 'retry-after', 'www-authenticate'].flatMap((name): [string, string][] => {
        const value = first(answer.headers[name])
        return value === '' ? [] : [[name, value]]
      })
      // a status that may have no body (204) takes none
      return new Response(content.length === 0 ? null : new Uint8Array(content), { status, headers: shown })
    } finally {
      answer.body.destroy()
    }
  }

  return {
    async fetch(text, options = {}) {
      const { url } = targetOf(text)
      return within(options.timeoutMs ?? TIMEOUT_MS, (signal) => ask(url, signal, options).catch((error: unknown) => { throw failureOf(error) }))
    },
    close: () => agent.destroy(),
  }
}
