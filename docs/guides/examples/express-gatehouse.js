// Who is signed in, for an Express app (or any server that takes `(req, res, next)`) that is served from the same host as Gatehouse: a proxy in
// front sends /api/v1 and /ui to Gatehouse and everything else here, so that its session cookie comes along. It is asked about at each
// request: an answer from memory, and a session that has ended is refused here at once.

/** Sets `req.user`: { id, permissions, act? } or null. `url`: where this server reaches Gatehouse. */
export function gatehouse({ url, fetch = globalThis.fetch }) {
  return async function identify(req, _res, next) {
    try {
      const { cookie } = req.headers
      req.user = null
      if (cookie === undefined) return next()
      const response = await fetch(`${url}/api/v1/whoami`, { headers: { cookie }, signal: AbortSignal.timeout(2_000) })
      if (response.ok) req.user = await response.json()
      // 401: nobody, or not any more. Anything else is no answer, and must not become "nobody"
      else if (response.status !== 401) throw Object.assign(new Error('Gatehouse does not answer'), { status: 503 })
      return next()
    } catch (error) {
      return next(Object.assign(error, { status: error.status ?? 503 }))
    }
  }
}

/** Sends a stranger to the sign-in page, which leads back. */
export function signedIn(req, res, next) {
  if (req.user) return next()
  res.statusCode = 303
  res.setHeader('location', `/ui/sign-in?return_to=${encodeURIComponent(req.originalUrl ?? req.url)}`)
  return res.end()
}

/** May the user do this? `reports:*` covers `reports:read`. */
export function permits(permission) {
  return (req, res, next) => {
    const holds = req.user?.permissions.some((one) => one === permission || (one === '*:*' && !permission.startsWith('gatehouse:')) || (one.endsWith(':*') && permission.startsWith(one.slice(0, -1))))
    if (holds) return next()
    res.statusCode = 403
    return res.end('You may not do this')
  }
}

/** For the app's own forms: a page elsewhere must not send them with the visitor's cookie. Browsers say where a request comes from, and scripts cannot. */
export function sameOrigin(req, res, next) {
  const { 'sec-fetch-site': site, origin, host } = req.headers
  const isOwn = site === undefined ? origin !== undefined && new URL(origin).host === host : site === 'same-origin'
  if (['GET', 'HEAD'].includes(req.method) || isOwn) return next()
  res.statusCode = 403
  return res.end('This form was sent from elsewhere')
}
