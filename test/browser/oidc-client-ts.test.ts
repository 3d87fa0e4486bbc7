// oidc-client-ts in a real browser, in a page on another origin: in, renewed without anybody, asked who it is, given back, and out at both.
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { join } from 'node:path'
import t from 'tap'
import { noBrowser, openHouse } from '../support/browser.js'
import { serve } from '../support/mcp.js'
import { oauthHouse } from '../support/oauth.js'
import { ROOT } from '../support/sources.js'

const LIBRARY = readFileSync(join(ROOT, 'node_modules/oidc-client-ts/dist/browser/oidc-client-ts.min.js'), 'utf8')

interface Signed {
  sub: string
  email: string
  token: string
}

t.test('oidc-client-ts', { skip: noBrowser() }, async (t) => {
  const house = await openHouse(t)
  const { as, origin, visit } = house
  const { user } = await as.signUp('ada@example.com')
  const { client } = await oauthHouse(house)
  let clientId = ''
  const app = await serve(t, createServer(({ url = '' }, response) => {
    const isLibrary = url === '/oidc.js'
    const settings = { authority: origin, client_id: clientId, redirect_uri: `${app}/cb`, post_logout_redirect_uri: `${app}/bye`, scope: 'openid email', loadUserInfo: true, automaticSilentRenew: false, revokeTokensOnSignout: true }
    const page = `<!doctype html><link rel="icon" href="data:,"><title>App</title><h1>App</h1><script src="/oidc.js"></script><script>
      const users = new oidc.UserManager(${JSON.stringify(settings)})
      const told = ({ profile, access_token }) => ({ sub: profile.sub, email: profile.email, token: access_token })
    </script>`
    response.writeHead(200, { 'content-type': isLibrary ? 'text/javascript' : 'text/html' }).end(isLibrary ? LIBRARY : page)
  }))
  const spa = await client({ kind: 'web', name: 'App', authMethod: 'none', redirectUris: [`${app}/cb`], postLogoutRedirectUris: [`${app}/bye`] })
  clientId = spa.clientId

  const { page, send } = await visit(t, { others: [app] })
  await page.goto(app)
  await page.evaluate('void users.signinRedirect()')
  await page.waitForURL(`${origin}/ui/sign-in**`)
  await send({ email: 'ada@example.com', 'current-password': 'correct horse battery staple' }, 'Sign in')
  await page.getByRole('button', { name: 'Allow', exact: true }).click()
  await page.waitForURL(`${app}/cb**`)
  const first = await page.evaluate<Signed>('users.signinCallback().then(told)')
  t.match(first, { sub: user.id, email: 'ada@example.com' })
  const renewed = await page.evaluate<Signed>('users.signinSilent().then(told)')
  t.equal(renewed.sub, user.id)
  t.not(renewed.token, first.token)
  t.equal(await page.evaluate('fetch(users.settings.authority + "/oauth/userinfo", { headers: { authorization: "Bearer " + ' + JSON.stringify(renewed.token) + ' } }).then((answer) => answer.status)'), 200)
  await page.evaluate('users.revokeTokens(["access_token"])')
  t.equal((await house.app.inject({ url: '/oauth/userinfo', headers: as.bearer(renewed.token) })).statusCode, 401, 'given back')
  await page.evaluate('void users.signoutRedirect()')
  await page.waitForURL(`${app}/bye**`)
  await page.goto(`${origin}/ui/account`)
  t.match(page.url(), '/ui/sign-in', 'and out there, too')
})
