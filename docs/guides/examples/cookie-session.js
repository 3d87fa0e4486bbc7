// Signing in from a page of Gatehouse's own origin, and calling the API as whoever is signed in. The session is in a cookie that no script
// can read; what proves that a change comes from this page is the csrfToken, which only a page of this origin gets to see.
// In a page: import { createCookieClient } from './cookie-session.js'; const client = createCookieClient()

/** What an answer of 400 and above says (RFC 9457): decide by `problem.code`. */
export class ApiError extends Error {
  constructor(status, problem) {
    super(problem.title ?? `HTTP ${status}`)
    this.status = status
    this.problem = problem
  }
}

/** `base`: '' in a page of the same origin. `fetch` is the browser's; tests bring their own. */
export function createCookieClient({ base = '', fetch = globalThis.fetch } = {}) {
  let csrfToken = ''

  async function call(method, path, body, headers = {}) {
    const response = await fetch(`${base}/api/v1${path}`, {
      method,
      credentials: 'same-origin',
      headers: {
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(method === 'GET' ? {} : { 'x-csrf-token': csrfToken }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    const answer = response.status === 204 ? null : await response.json()
    if (!response.ok) throw new ApiError(response.status, answer)
    return answer
  }

  return {
    call,

    /** Who is signed in here; null: nobody. Ask once when the page loads: it also brings the csrfToken. */
    async whoIsHere() {
      try {
        const here = await call('GET', '/auth/session')
        csrfToken = here.csrfToken
        return here.user
      } catch (error) {
        if (error instanceof ApiError && error.status === 401) return null
        throw error
      }
    },

    /** The user; or { status: 'mfa_required', challenge, methods }: ask for a second factor next. */
    async signIn(email, password) {
      const opened = await call('POST', '/auth/session', { email, password })
      if (opened.status === 'mfa_required') return opened
      csrfToken = opened.csrfToken
      return opened.user
    },

    /** Goes on where signIn was answered with `mfa_required`: method 'totp' or 'recovery_code', and what was typed. The user. */
    async answerFactor(challenge, method, code) {
      const opened = await call('POST', '/auth/session/mfa', { challenge, method, code })
      csrfToken = opened.csrfToken
      return opened.user
    },

    async signOut() {
      await call('DELETE', '/auth/session')
      csrfToken = ''
    },

    /** A change that must not undo somebody else's: the version that was seen goes along. */
    rename: (user, name) => call('PATCH', '/me', { name }, { 'if-match': `"${user.id}.${user.version}"` }),
  }
}
