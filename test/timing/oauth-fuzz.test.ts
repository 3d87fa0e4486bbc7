// What a request that is wrong in one way costs at each OAuth endpoint: a few milliseconds, however large the wrong part is.
// Run by npm run test:timing, on a machine that does nothing else.
import t from 'tap'
import { startApp } from '../support/app.js'
import { wrongnessAtEachEnd } from '../support/oauth-wrongness.js'
import { API, CALLBACK, oauthHouse, pkce } from '../support/oauth.js'

const AT_MOST_MS = 5

t.test('each kind of wrongness at each endpoint takes little time of a core', async (t) => {
  const main = await startApp(t, { config: { publicUrl: 'http://localhost:3000', oauthRegistration: 'open', oauthClientDocuments: true } })
  const { client, resource } = await oauthHouse(main)
  await resource(API, { openToAll: true })
  const web = await client({ kind: 'web', redirectUris: [CALLBACK], resources: [API], scopes: ['openid', 'email', 'read'] })
  const good = { client_id: web.clientId, response_type: 'code', redirect_uri: CALLBACK, scope: 'openid', code_challenge: pkce().challenge, code_challenge_method: 'S256' }
  const cost = async (send: () => Promise<number>): Promise<number> => {
    const before = process.cpuUsage()
    await send()
    const { user, system } = process.cpuUsage(before)
    return (user + system) / 1_000
  }
  const slow: string[] = []
  let dearest = 0
  for (const { name, send } of wrongnessAtEachEnd(main.app, good, web)) {
    let least = Infinity
    // the least of some: the compiler and the collector are not the request's
    for (let time = 0; time < 8 && least > AT_MOST_MS / 2; time += 1) least = Math.min(least, await cost(send))
    dearest = Math.max(dearest, least)
    if (least > AT_MOST_MS) slow.push(`${name}: ${least.toFixed(1)} ms`)
  }
  t.comment(`the dearest: ${dearest.toFixed(1)} ms`)
  t.same(slow, [])
})
