// A server-rendered Express app whose visitors sign in with Gatehouse's pages. Start it with:
//   import express from 'express'
//   createApp(express, { url: 'http://127.0.0.1:3000' }).listen(8080, '127.0.0.1')
import { gatehouse, permits, sameOrigin, signedIn } from './express-gatehouse.js'

const escape = (text) => String(text).replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;')

export function createApp(express, options) {
  const app = express()
  const notes = []
  app.use(gatehouse(options))
  app.use(sameOrigin)
  app.get('/', (req, res) => {
    const greeting = req.user ? `<p>You are ${escape(req.user.id)}. <a href="/ui/sign-out">Sign out</a></p>` : '<p><a href="/ui/sign-in?return_to=/notes">Sign in</a></p>'
    // somebody acts for the visitor: say so on every page
    const banner = req.user?.act ? '<p role="alert">Support is acting for you</p>' : ''
    res.setHeader('content-type', 'text/html; charset=utf-8')
    res.end(banner + greeting)
  })
  app.get('/notes', signedIn, (req, res) => {
    res.setHeader('content-type', 'text/html; charset=utf-8')
    res.end(`<ul>${notes.filter(({ by }) => by === req.user.id).map(({ at }) => `<li>${at}</li>`).join('')}</ul><form method="post" action="/notes"><button>Note</button></form>`)
  })
  app.post('/notes', signedIn, (req, res) => {
    notes.push({ by: req.user.id, at: new Date().toISOString() })
    res.statusCode = 303
    res.setHeader('location', '/notes')
    res.end()
  })
  app.get('/reports', signedIn, permits('reports:read'), (_req, res) => res.end('All reports'))
  return app
}
