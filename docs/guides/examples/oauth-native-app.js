// A program on somebody's own machine (RFC 8252): it opens the system's browser, and the way back leads to a port that it listens at for that moment. Node alone; any
// other language does the same. `open` shows an address in the browser; `safe` keeps one text where the system keeps secrets.
import { createHash, randomBytes } from 'node:crypto'
import { createServer } from 'node:http'

const EARLY_MS = 30_000
const PATIENCE_MS = 300_000
const BACK = '/callback'

/** Resolves to what the browser brought back for this `state`; whatever else comes to the port is turned away. */
function listen(state, issuer, patienceMs) {
  const server = createServer()
  const answered = new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('nobody came back')), patienceMs)
    server.on('request', (request, response) => {
      // a page that somebody has open may ask, too, and anything: nothing but the answer to this very request counts
      const [path, query = ''] = request.url.split('?')
      const back = new URLSearchParams(query)
      const isAnswer = request.method === 'GET' && path === BACK && back.get('state') === state && back.get('iss') === issuer
      response.writeHead(isAnswer ? 200 : 404, { 'content-type': 'text/plain; charset=utf-8', connection: 'close' }).end(isAnswer ? 'You can close this page.' : '')
      if (!isAnswer) return
      clearTimeout(timer)
      resolve(back)
    })
  }).finally(() => server.close())
  answered.catch(() => undefined)
  return new Promise((resolve, reject) => {
    // this machine alone: on any other address everybody in the network could answer
    server.on('error', reject).listen(0, '127.0.0.1', () => resolve({ redirectUri: `http://127.0.0.1:${server.address().port}${BACK}`, answered }))
  })
}

export function createSignIn({ issuer, clientId, open, safe, scope = 'openid email offline_access', resource, now = Date.now, patienceMs = PATIENCE_MS }) {
  let access = null
  let renewing = null

  async function redeem(fields) {
    const answer = await fetch(`${issuer}/oauth/token`, { method: 'POST', headers: { 'content-type': 'application/x-www-form-urlencoded' }, body: new URLSearchParams({ client_id: clientId, ...(resource ? { resource } : {}), ...fields }) })
    const body = await answer.json()
    if (!answer.ok) throw Object.assign(new Error(body.error_description), { code: body.error })
    // first to the safe, then to use
    await safe.set(body.refresh_token)
    access = { token: body.access_token, endsAt: now() + body.expires_in * 1_000 }
    return access.token
  }

  async function renew() {
    const kept = await safe.get()
    if (!kept) throw Object.assign(new Error('nobody is signed in'), { code: 'login_required' })
    return redeem({ grant_type: 'refresh_token', refresh_token: kept })
  }

  return {
    /** Signs somebody in; resolves to an access token. */
    async signIn(more = {}) {
      const [state, verifier] = [randomBytes(16).toString('base64url'), randomBytes(32).toString('base64url')]
      const { redirectUri, answered } = await listen(state, issuer, patienceMs)
      await open(`${issuer}/oauth/authorize?${new URLSearchParams({
        client_id: clientId, response_type: 'code', redirect_uri: redirectUri, scope, state, code_challenge: createHash('sha256').update(verifier).digest('base64url'), code_challenge_method: 'S256', ...(resource ? { resource } : {}), ...more,
      })}`)
      const back = await answered
      if (back.get('error')) throw Object.assign(new Error(back.get('error_description') ?? ''), { code: back.get('error') })
      return redeem({ grant_type: 'authorization_code', code: back.get('code'), redirect_uri: redirectUri, code_verifier: verifier })
    },
    /** An access token that lives; renewed where it must be, once for all who ask at a time. */
    async accessToken() {
      if (access && access.endsAt - EARLY_MS > now()) return access.token
      renewing ??= renew().finally(() => (renewing = null))
      return renewing
    },
    /** Gives the grant back. */
    async signOut() {
      const kept = await safe.get()
      access = null
      await safe.set('')
      if (kept) await fetch(`${issuer}/oauth/revoke`, { method: 'POST', headers: { 'content-type': 'application/x-www-form-urlencoded' }, body: new URLSearchParams({ client_id: clientId, token: kept }) })
    },
  }
}
