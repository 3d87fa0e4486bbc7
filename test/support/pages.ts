// A browser as far as forms go: a cookie jar, the hidden fields of the page, the headers that browsers add by themselves.
import type { FastifyInstance, LightMyRequestResponse } from 'fastify'

export interface Submission {
  /** instead of the page's own field */
  csrf?: string
  headers?: Record<string, string | undefined>
}

export interface Pages {
  jar: Map<string, string>
  open: (path: string, headers?: Record<string, string>) => Promise<LightMyRequestResponse>
  /** The hidden field of a page. */
  token: (path: string) => Promise<string>
  /** Opens the page, fills its form in, and sends it to the page's own address. */
  submit: (path: string, fields: Record<string, string>, how?: Submission) => Promise<LightMyRequestResponse>
}

/** The hidden field of a page that was shown. */
export function csrfOf({ body }: LightMyRequestResponse): string {
  return /name="csrf" value="([^"]*)"/.exec(body)?.[1] ?? ''
}

export function pagesOf(app: FastifyInstance, userAgent = 'Ada on Linux'): Pages {
  const jar = new Map<string, string>()

  async function send(method: 'GET' | 'POST', url: string, headers: Record<string, string | undefined>, payload?: string): Promise<LightMyRequestResponse> {
    const cookie = [...jar].map(([name, value]) => `${name}=${value}`).join('; ')
    const all = { 'user-agent': userAgent, 'sec-fetch-site': 'same-origin', ...(cookie === '' ? {} : { cookie }), ...headers }
    const given = Object.fromEntries(Object.entries(all).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])))
    const response = await app.inject({ method, url, headers: given, ...(payload === undefined ? {} : { payload }) })
    for (const { name, value, maxAge } of response.cookies) {
      if (maxAge === 0 || value === '') jar.delete(name)
      else jar.set(name, value)
    }
    return response
  }

  const pages: Pages = {
    jar,
    open: (path, headers = {}) => send('GET', path, headers),
    token: async (path) => csrfOf(await pages.open(path)),
    async submit(path, fields, { csrf, headers = {} } = {}) {
      const own = await pages.token(path)
      const body = new URLSearchParams({ ...fields, csrf: csrf ?? own })
      return send('POST', path, { 'content-type': 'application/x-www-form-urlencoded', ...headers }, body.toString())
    },
  }
  return pages
}
