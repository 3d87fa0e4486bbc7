// Tokens for an app on a phone. What must survive a restart is in the system's safe (Keychain, Keystore), handed in as `safe`; the password never
// is. A device token makes this phone a known device: guesses of others then hold nobody back here, and its sign-ins are told of by mail once.
// The order of writing matters: a phone may be switched off between any two lines.

export class ApiError extends Error {
  constructor(status, problem) {
    super(problem.title ?? `HTTP ${status}`)
    this.status = status
    this.problem = problem
  }
}

const EARLY_MS = 15_000

/** `safe`: { get(name), set(name, text), delete(name) }, each a promise, kept by the system and not backed up elsewhere. */
export function createMobileClient({ base, safe, fetch = globalThis.fetch, now = Date.now }) {
  let access = null
  let refreshing = null

  async function call(method, path, body, headers = {}) {
    const response = await fetch(`${base}/api/v1${path}`, {
      method,
      headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), 'user-agent': 'Acme-App/1.0', ...headers },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    const answer = response.status === 204 ? null : await response.json()
    if (!response.ok) throw new ApiError(response.status, answer)
    return answer
  }

  /** First to the safe, then to use: a pair that is used and lost would end the session at the next start. */
  async function keep({ accessToken, refreshToken, expiresIn }) {
    await safe.set('refreshToken', refreshToken)
    access = { token: accessToken, expiresAtMs: now() + expiresIn * 1000 }
  }

  async function forget() {
    access = null
    await safe.delete('refreshToken')
  }

  async function refresh() {
    const refreshToken = await safe.get('refreshToken')
    if (refreshToken === null) throw new ApiError(401, { code: 'credentials.missing', title: 'Sign in first' })
    try {
      // an answer that is lost on the way may be asked for again, with the same token, within ten seconds
      await keep(await call('POST', '/auth/refresh', { refreshToken }))
    } catch (error) {
      if (error instanceof ApiError && error.problem.code === 'refresh.invalid') await forget()
      throw error
    }
  }

  function fresh() {
    if (access && access.expiresAtMs - EARLY_MS > now()) return undefined
    refreshing ??= refresh().finally(() => { refreshing = null })
    return refreshing
  }

  return {
    /** At the start of the app: is there a session from before? */
    async resume() {
      if ((await safe.get('refreshToken')) === null) return false
      await fresh()
      return true
    },

    /** The user; or { status: 'mfa_required', challenge, methods }: ask for a second factor next. */
    async signIn(email, password) {
      const deviceToken = await safe.get('deviceToken')
      const answer = await call('POST', '/auth/login', { email, password, ...(deviceToken === null ? {} : { deviceToken }) })
      if (answer.status === 'mfa_required') return answer
      await safe.set('deviceToken', answer.deviceToken)
      await keep(answer)
      return answer.user
    },

    /** Goes on where signIn was answered with `mfa_required`: method 'totp' or 'recovery_code', and what was typed. The user. */
    async answerFactor(challenge, method, code) {
      const deviceToken = await safe.get('deviceToken')
      const answer = await call('POST', '/auth/mfa', { challenge, method, code, ...(deviceToken === null ? {} : { deviceToken }) })
      await safe.set('deviceToken', answer.deviceToken)
      await keep(answer)
      return answer.user
    },

    async request(method, path, body) {
      await fresh()
      return call(method, path, body, { authorization: `Bearer ${access.token}` })
    },

    /** Signing out keeps the device token: it opens nothing, and the phone stays a known one. */
    async signOut() {
      await fresh()
      await call('POST', '/auth/logout', undefined, { authorization: `Bearer ${access.token}` })
      await forget()
    },
  }
}
