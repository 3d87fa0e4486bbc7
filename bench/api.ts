// Gatehouse as its clients see it, for what a scenario needs before it is measured.
import { get } from 'node:http'

export interface Answer {
  status: number
  headers: Headers
  text: string
}

export interface Call {
  method?: 'GET' | 'POST' | 'DELETE'
  headers?: Record<string, string>
  body?: unknown
}

export interface Api {
  origin: string
  /** Where a path is answered: that of the inside listener for gateways and metrics, else `origin`. */
  originOf: (path: string) => string
  send: (path: string, call?: Call) => Promise<Answer>
  /** The parsed body of an answer of 2xx. Throws with the whole answer otherwise. */
  json: <T>(path: string, call?: Call) => Promise<T>
}

export function bearer(credential: string): Record<string, string> {
  return { authorization: `Bearer ${credential}` }
}

const INSIDE = /^\/(gate\/|metrics$)/

export function createApi(origin: string, inside = origin): Api {
  const originOf = (path: string): string => (INSIDE.test(path) ? inside : origin)
  async function send(path: string, { method = 'GET', headers = {}, body }: Call = {}): Promise<Answer> {
    const response = await fetch(`${originOf(path)}${path}`, {
      method,
      headers: { ...headers, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    return { status: response.status, headers: response.headers, text: await response.text() }
  }
  return {
    origin,
    originOf,
    send,
    async json<T>(path: string, call?: Call) {
      const { status, text } = await send(path, call)
      if (status < 200 || status > 299) throw new Error(`${call?.method ?? 'GET'} ${path.slice(0, 80)} answered ${status}: ${text.slice(0, 500)}`)
      return JSON.parse(text) as T
    },
  }
}

/** Bytes of an answer to GET, its headers counted as they were sent. */
export async function sizeOf(origin: string, path: string, headers: Record<string, string>): Promise<number> {
  return new Promise((resolve, reject) => {
    get(`${origin}${path}`, { headers }, (response) => {
      let bytes = response.rawHeaders.reduce((sum, part) => sum + Buffer.byteLength(part) + 2, 0)
      response.on('data', (part: Buffer) => { bytes += part.length })
      response.on('end', () => resolve(bytes))
      response.on('error', reject)
    }).on('error', reject)
  })
}
