// Tokens for a single-page app on an origin of its own (add it to CORS_ORIGINS). The access token is kept in memory and lives five minutes;
// the refresh token is kept in memory too, so that a reload asks for the password again: a script that steals what a page stores has it for
// ninety days. An app that should survive a reload is served from Gatehouse's origin and uses the cookie instead (cookie-session.js).

export class ApiError extends Error {
  constructor(status, problem) {
    super(problem.title ?? `HTTP ${status}`)
    this.status = status
    this.problem = problem
  }
}

// a token that ends on the way is no use
const EARLY_MS = 15_000

/** `base`: Gatehouse's URL. `onSignedOut` is called when the session has ended, here or elsewhere. */
export function createTokenClient({ base, fetch = globalThis.fetch, now = Date.now, onSignedOut = () => {} }) {
  let tokens = null
  let refreshing = null

  async function post(path, body) {
    const response = await fetch(`${base}/api/v1${path}`, { method: 'POST', ...(body === undefined ? {} : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }) })
    const answer = await response.json()
    if (!response.ok) throw new ApiError(response.status, answer)
    return answer
  }

  function keep({ accessToken, refreshToken, expiresIn }) {
    tokens = { accessToken, refreshToken, expiresAtMs: now() + expiresIn * 1000 }
  }

  function forget() {
    tokens = null
    onSignedOut()
  }

  /** One refresh at a time, however many requests wait for it: each refresh token works once, and a second use ends the session. */
  function refresh() {
    refreshing ??= post('/auth/refresh', { refreshToken: tokens.refreshToken })
      .then(keep, (error) => {
        // the session is over; anything else (no network, 503) may pass
        if (error instanceof ApiError && error.problem.code === 'refresh.invalid') forget()
        throw error
      })
      .finally(() => { refreshing = null })
    return refreshing
  }

  async function send(path, { headers, ...init }) {
    return fetch(`${base}/api/v1${path}`, { ...init, headers: { ...headers, authorization: `Bearer ${tokens.accessToken}` } })
  }

  /** fetch with the access token; renewed before it ends, and once more when the server says that it has. */
  async function request(path, init = {}) {
    if (!tokens) throw new ApiError(401, { code: 'credentials.missing', title: 'Sign in first' })
    if (tokens.expiresAtMs - EARLY_MS <= now()) await refresh()
    let response = await send(path, init)
    if (response.status === 401 && (await response.clone().json()).code === 'token.expired') {
      await refresh()
      response = await send(path, init)
    }
    if (response.status === 401) forget()
    const answer = response.status === 204 ? null : await response.json()
    if (!response.ok) throw new ApiError(response.status, answer)
    return answer
  }

  return {
    request,

    isSignedIn: () => tokens !== null,

    /** With an address and a password: the user. Where addresses are confirmed first, with an address alone: { status: 'accepted' }, a mail leads on. */
    async signUp(input) {
      const answer = await post('/auth/signup', input)
      if (answer.status === 'accepted') return answer
      const { user, ...pair } = answer
      keep(pair)
      return user
    },

    /** The user; or { status: 'mfa_required', challenge, methods }: ask for a second factor next. */
    async signIn(email, password) {
      const answer = await post('/auth/login', { email, password })
      if (answer.status === 'mfa_required') return answer
      keep(answer)
      return answer.user
    },

    /** Goes on where signIn was answered with `mfa_required`: method 'totp' or 'recovery_code', and what was typed. The user. */
    async answerFactor(challenge, method, code) {
      const answer = await post('/auth/mfa', { challenge, method, code })
      keep(answer)
      return answer.user
    },

    /** Before anybody has said who they are (ANONYMOUS_USERS=on): an account without an address. */
    async startAnonymously() {
      const { user, ...pair } = await post('/auth/anonymous')
      keep(pair)
      return user
    },

    /**
     * From an anonymous account to a real one: the id, the keys and this very session stay. Where addresses are confirmed first, with an address alone: the id
     * stays, and once the link of the mail was used one signs in with the password that was chosen there.
     */
    becomeReal: (input) => request('/me/upgrade', { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(input) }),

    /** Throws when the server was not told: the session is still there. */
    async signOut() {
      if (!tokens) return
      await request('/auth/logout', { method: 'POST' })
      forget()
    },
  }
}
