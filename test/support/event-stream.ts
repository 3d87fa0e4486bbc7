// A reader of GET /events, or of an organization's, over a socket: keeps what it was told, and can be waited for.
import { once } from 'node:events'
import { get, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { FastifyInstance } from 'fastify'

export interface Told {
  id: string
  event: string
  data: { id: string; type: string; subject: { type: string; id: string }; data: Record<string, unknown>; code?: string }
}

export interface EventReader {
  status: number
  headers: IncomingMessage['headers']
  told: Told[]
  /** the last place that was told */
  place: () => string
  /** what else the stream said */
  text: () => string
  /** Resolves when the condition holds; throws after five seconds. */
  until: (holds: (reader: EventReader) => boolean) => Promise<void>
  ended: Promise<unknown>
  pause: () => void
  resume: () => void
  close: () => void
}

/** The port an app listens on; it begins to when it does not yet. */
export async function portOf(app: FastifyInstance): Promise<number> {
  if (!app.server.listening) await app.listen({ host: '127.0.0.1', port: 0 })
  return (app.server.address() as AddressInfo).port
}

export async function readEvents(app: FastifyInstance, query: string, headers: Record<string, string>, path = '/events'): Promise<EventReader> {
  const request = get({ host: '127.0.0.1', port: await portOf(app), path: `/api/v1${path}${query}`, headers, agent: false })
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  const told: Told[] = []
  let text = ''
  let rest = ''
  let place = ''
  const changed = new EventTarget()
  response.setEncoding('utf8')
  response.on('data', (chunk: string) => {
    text = (text + chunk).slice(-1_000_000)
    const blocks = (rest + chunk).split('\n\n')
    rest = blocks.pop() ?? ''
    for (const block of blocks) {
      const fields = new Map(block.split('\n').map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)] as const))
      place = fields.get('id') ?? place
      const data = fields.get('data')
      if (data !== undefined) told.push({ id: fields.get('id') ?? '', event: fields.get('event') ?? '', data: JSON.parse(data) as Told['data'] })
    }
    changed.dispatchEvent(new Event('change'))
  })
  response.on('error', () => undefined)
  request.on('error', () => undefined)
  const reader: EventReader = {
    status: response.statusCode ?? 0, headers: response.headers, told,
    place: () => place,
    text: () => text,
    async until(holds) {
      const late = AbortSignal.timeout(30_000)
      while (!holds(reader)) {
        await once(changed, 'change', { signal: late }).catch(() => { throw new Error(`status ${reader.status}; told so far: ${text.slice(-2_000)}`) })
      }
    },
    ended: new Promise((resolve) => response.once('close', resolve)),
    pause: () => void response.pause(),
    resume: () => void response.resume(),
    close: () => void request.destroy(),
  }
  return reader
}
