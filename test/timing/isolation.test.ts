// Can the owner of an organization tell by the time of an answer whether there is what is another's? A rank test, as that of sign-ins: what a route does not find takes as long
// as what there never was. On a quiet machine (npm run test:timing); that the same statements are sent for both, npm test looks at (test/attempts/isolation.test.ts).
import t from 'tap'
import { createActors } from '../support/actors.js'
import { expectJson, startApp } from '../support/app.js'
import { createCustomers } from '../support/organizations.js'
import { aboveOf, median, MOST_APART, ROUNDS } from '../support/ranks.js'

const NEVER = '0198c0de-7d3a-7c1e-9a53-0d9a3c0b6f12'
const LEARNING = 20

t.test('what is another organization\'s takes as long as what there is not', async (t) => {
  const { app, as } = await startApp(t, { config: { accessTokenSeconds: 8_640_000 } })
  const { send } = await createActors(app, as)
  const admin = await as.admin()
  const { house } = createCustomers(app, admin)
  const [mine, theirs] = [await house(), await house()]
  expectJson(await send('PATCH', theirs.path, { ...admin, 'if-match': '*' }, { clientsMax: 1, webhooksMax: 1 }), 200)
  const made = async (path: string, body: object): Promise<string> => expectJson<{ id: string }>(await send('POST', path, theirs.owner.headers, body), 201).id
  const keyId = await made('/keys', { name: 'k', organizationId: theirs.id })
  const clientId = await made(`${theirs.path}/clients`, { kind: 'web', name: 'Theirs', redirectUris: ['https://theirs.example/cb'] })
  const webhookId = await made(`${theirs.path}/webhooks`, { url: 'https://theirs.example/hook' })
  const domainId = await made(`${theirs.path}/domains`, { domain: 'theirs.example' })
  const pairs: Record<string, [string, string]> = {
    organization: [theirs.path, `/organizations/${NEVER}`], 'audit log': [`${theirs.path}/audit`, `/organizations/${NEVER}/audit`], key: [`/keys/${keyId}`, `/keys/${NEVER}`],
    'client in one\'s own': [`${mine.path}/clients/${clientId}`, `${mine.path}/clients/${NEVER}`], 'domain in one\'s own': [`${mine.path}/domains/${domainId}`, `${mine.path}/domains/${NEVER}`],
    'webhook endpoint in one\'s own': [`${mine.path}/webhooks/${webhookId}`, `${mine.path}/webhooks/${NEVER}`],
    'member in one\'s own': [`${mine.path}/members/${theirs.member.user.id}`, `${mine.path}/members/${NEVER}`], 'role in one\'s own': [`${mine.path}/roles/${theirs.clerks.id}`, `${mine.path}/roles/${NEVER}`],
  }
  for (const [what, paths] of Object.entries(pairs)) {
    const times: [number[], number[]] = [[], []]
    for (let round = 0; round < LEARNING + 2 * ROUNDS; round += 1) {
      // each comes after the other one as often
      for (const at of round % 2 === 0 ? [0, 1] as const : [1, 0] as const) {
        const begun = process.hrtime.bigint()
        const { statusCode } = await send('GET', paths[at], mine.owner.headers)
        const took = Number(process.hrtime.bigint() - begun) / 1e6
        if (statusCode !== 404) throw new Error(`${what}: ${statusCode}`)
        if (round >= LEARNING) times[at].push(took)
      }
    }
    const [another, none] = times
    const above = aboveOf(another, none)
    t.ok(Math.abs(above - 0.5) < MOST_APART, `${what}: median ${median(another).toFixed(2)} ms against ${median(none).toFixed(2)}, longer in ${(above * 100).toFixed(0)} of 100 pairs`)
  }
})
