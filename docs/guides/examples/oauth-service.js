// A service that calls an API: a token of its own, kept until shortly before its end, asked for once however many wait.
export function createServiceTokens({ issuer, clientId, clientSecret, resource, scope, fetch = globalThis.fetch }) {
  let token = null
  let asking = null

  async function ask() {
    const response = await fetch(`${issuer}/oauth/token`, {
      method: 'POST',
      headers: { authorization: `Basic ${Buffer.from(`${encodeURIComponent(clientId)}:${encodeURIComponent(clientSecret)}`).toString('base64')}` },
      body: new URLSearchParams({ grant_type: 'client_credentials', resource, ...(scope === undefined ? {} : { scope }) }),
    })
    const answer = await response.json()
    if (!response.ok) throw Object.assign(new Error(answer.error_description), { code: answer.error })
    token = { value: answer.access_token, endsAt: Date.now() + (answer.expires_in - 15) * 1000 }
    return token.value
  }

  return {
    async headers() {
      if (token === null || token.endsAt < Date.now()) {
        asking ??= ask().finally(() => { asking = null })
        await asking
      }
      return { authorization: `Bearer ${token.value}` }
    },
    /** The API said 401: what is kept is no good. */
    forget() { token = null },
  }
}
