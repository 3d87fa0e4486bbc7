// Tenant isolation, generated from the table of routes: every route that takes an id or a filter is tried with those of another tenant by people of every standing, and
// answers what it answers for ids that never were: the same status, the same body but for the request's own id, the same header names, and the same statements sent to
// the database for it. What a route does not find is told apart by nothing that is answered, nor by how long that takes (npm run test:timing measures it, too).
import t from 'tap'
import type { InjectOptions, LightMyRequestResponse } from 'fastify'
import { createActors } from '../support/actors.js'
import { expectJson, startApp } from '../support/app.js'
import { createCustomers, type House } from '../support/organizations.js'
import { watchStatements } from '../support/statements.js'

type Headers = Record<string, string>
type Method = NonNullable<InjectOptions['method']>

interface Route {
  method: Method
  url: string
  schema: { body?: { examples?: unknown[] }; querystring?: { properties?: Record<string, unknown> } } | undefined
}

/** The ids of one tenant, by the names that routes have for them. */
type Ids = Record<'id' | 'organizationId' | 'userId' | 'roleId' | 'invitationId' | 'keyId' | 'domainId' | 'clientId' | 'secretId' | 'webhookId' | 'slug' | 'email', string>

const NEVER: Ids = {
  id: '0198c0de-7d3a-7c1e-9a53-0d9a3c0b6f11', organizationId: '0198c0de-7d3a-7c1e-9a53-0d9a3c0b6f12', userId: '0198c0de-7d3a-7c1e-9a53-0d9a3c0b6f13', roleId: '0198c0de-7d3a-7c1e-9a53-0d9a3c0b6f14',
  invitationId: '0198c0de-7d3a-7c1e-9a53-0d9a3c0b6f15', keyId: '0198c0de-7d3a-7c1e-9a53-0d9a3c0b6f16', domainId: '0198c0de-7d3a-7c1e-9a53-0d9a3c0b6f17', clientId: '0198c0de-7d3a-7c1e-9a53-0d9a3c0b6f18',
  secretId: '0198c0de-7d3a-7c1e-9a53-0d9a3c0b6f19', webhookId: '0198c0de-7d3a-7c1e-9a53-0d9a3c0b6f1a', slug: 'never-was', email: 'never-was@example.com',
}
// what names no tenant, or is no request that can be repeated here: the operator's events, and what ends or proves the session that asks
const APART = /^\/api\/v1\/events(\/|$)|\/(auth\/(logout|refresh|login|signup|stepup|session|providers|passkey|mfa|magic-link|email|password|anonymous)|setup|dev)(\/|$)/

t.test('nothing of another tenant is found, by any route', async (t) => {
  const { app, as, database } = await startApp(t, { config: { accessTokenSeconds: 8_640_000 } })
  const { send } = await createActors(app, as)
  const admin = await as.admin()
  const { house, someone } = createCustomers(app, admin)
  const routes: Route[] = app.inventory.filter(({ url, config, method }) => url.startsWith('/api/v1/') && config?.asset !== true && String(method) !== 'HEAD' && !APART.test(url))
    .map(({ method, url, schema }) => ({ method: String(method), url, schema: schema as Route['schema'] }))
  t.ok(routes.length > 80, `${routes.length} routes`)

  async function idsOf({ id, owner, member, clerks, path }: House): Promise<Ids> {
    const email = `invited-${id}@example.com`
    const { id: invitationId } = expectJson<{ id: string }>(await send('POST', `${path}/invitations`, owner.headers, { email }), 201)
    const { id: keyId } = expectJson<{ id: string }>(await send('POST', '/keys', owner.headers, { name: 'k', organizationId: id }), 201)
    const { slug } = expectJson<{ slug: string }>(await send('GET', path, owner.headers), 200)
    const { id: domainId } = expectJson<{ id: string }>(await send('POST', `${path}/domains`, owner.headers, { domain: 'acme.example' }), 201)
    expectJson(await send('PATCH', path, { ...admin, 'if-match': '*' }, { clientsMax: 5, webhooksMax: 5 }), 200)
    const { id: clientId, secrets: [secret] } = expectJson<{ id: string; secrets: { id: string }[] }>(await send('POST', `${path}/clients`, owner.headers, { kind: 'web', name: 'Theirs', redirectUris: ['https://theirs.example/cb'] }), 201)
    const secretId = secret?.id ?? ''
    const { id: webhookId } = expectJson<{ id: string }>(await send('POST', `${path}/webhooks`, owner.headers, { url: 'https://theirs.example/hook' }), 201)
    return { id, organizationId: id, userId: member.user.id, roleId: clerks.id, invitationId, keyId, domainId, clientId, secretId, webhookId, slug, email }
  }

  const [mine, theirs] = [await house(['reports:*'], ['members.write', 'roles.write', 'keys.write', 'usage.read']), await house(['reports:*'], ['keys.write'])]
  const of = await idsOf(theirs)
  const former = await someone()
  await send('POST', `${theirs.path}/members`, admin, { userId: former.user.id, owner: true })
  await send('DELETE', `${theirs.path}/members/${former.user.id}`, theirs.owner.headers)
  const within = as.bearer(expectJson<{ accessToken: string }>(await send('POST', '/auth/organization', mine.owner.headers, { organizationId: mine.id }), 200).accessToken)
  const key = as.bearer(expectJson<{ key: string }>(await send('POST', '/keys', mine.owner.headers, { name: 'k', organizationId: mine.id, permissions: ['reports:read'] }), 201).key)
  const people: [string, Headers][] = [
    ['an owner of another organization', mine.owner.headers], ['one who acts in theirs', within], ['a member of another', mine.member.headers], ['a former owner', former.headers], ['a key of another organization', key], ['somebody in none', (await someone()).headers],
  ]

  /** The ids of a tenant in the place of what a route names; `id` is of whatever the route is about. */
  function urlOf(url: string, ids: Ids): string {
    const about = url.startsWith('/api/v1/keys') ? ids.keyId : url.startsWith('/api/v1/organizations') ? ids.id : url.startsWith('/api/v1/users') ? ids.userId : ids.id
    return url.replaceAll(/:([A-Za-z]+)/g, (_all, name: string) => (name === 'id' ? about : ids[name as keyof Ids] ?? ids.id)).replace(/(.)\/$/, '$1')
  }
  /** Bodies that name a tenant's things, and each query that may. */
  function variantsOf({ schema, url }: Route, ids: Ids): { query: string; payload?: object }[] {
    const properties = Object.keys(schema?.querystring?.properties ?? {})
    const values: Record<string, string> = { ownerUserId: ids.userId, organizationId: ids.organizationId, ownerId: ids.organizationId, keyId: ids.keyId, userId: ids.userId, role: ids.roleId, slug: ids.slug, email: ids.email, issuedBy: ids.userId, secretTo: ids.userId, targetId: ids.id }
    const queries = ['', ...properties.filter((name) => name in values).map((name) => `?${name}=${encodeURIComponent(values[name] ?? '')}`)]
    const examples = (schema?.body?.examples ?? []).map((one) => ({ ...(one as object) }))
    const named = url === '/api/v1/keys/' || url === '/api/v1/keys' ? [{ name: 'k', organizationId: ids.id }] : url.startsWith('/api/v1/auth/organization') ? [{ organizationId: ids.id }] : []
    const payloads = [...named, ...examples]
    return queries.flatMap((query) => (payloads.length === 0 ? [{ query }] : payloads.map((payload) => ({ query, payload }))))
  }
  /** What can be seen of an answer, with the ids of either tenant under the same names. */
  function seen(answer: LightMyRequestResponse, ids: Ids): string {
    const neutral = Object.entries(ids).reduce((text, [name, value]) => text.replaceAll(value, `<${name}>`), answer.body)
    const body = neutral.replaceAll(/"requestId":"[^"]*"/g, '"requestId":""').replaceAll(/"(from|to|sweptBefore|createdAt|updatedAt|issuedAt|secretAt|nextCursor)":"[^"]*"/g, '"$1":""')
    return JSON.stringify([answer.statusCode, body.replaceAll('<organizationId>', '<id>'), Object.keys(answer.headers).filter((name) => name !== 'date').toSorted()])
  }

  const before = await database.pool.query<{ text: string }>(STATE, [theirs.id])
  const watched = watchStatements(database.pool)
  let asked = 0
  const differing: string[] = []
  for (const route of routes) {
    // of what makes something of one's own only what names the other tenant is of interest
    const isMaking = route.method === 'POST' && !route.url.includes(':') && !/^\/api\/v1\/(keys\/?$|auth\/organization)/.test(route.url)
    if (isMaking) continue
    const [real, none] = [variantsOf(route, of), variantsOf(route, NEVER)]
    if (!route.url.includes(':') && real.length === 1 && real[0]?.payload === undefined && real[0]?.query === '') continue
    if (!route.url.includes(':') && route.method !== 'GET' && route.method !== 'POST') continue // one's own
    for (const [who, headers] of people) {
      for (const [at, variant] of real.entries()) {
        if (!route.url.includes(':') && variant.query === '' && route.method === 'GET') continue
        const ask = (ids: Ids, { query, payload }: { query: string; payload?: object }) => app.inject({
          method: route.method, url: `${urlOf(route.url, ids)}${query}`, headers: { ...headers, 'if-match': '*' }, ...(payload ? { payload } : {}),
        })
        const asks = async (): Promise<{ answers: LightMyRequestResponse[]; sent: string[]; sentForNone: string[] }> => {
          const answers: LightMyRequestResponse[] = []
          const sent = await watched.during(async () => answers.push(await ask(of, variant)))
          return { answers, sent, sentForNone: await watched.during(async () => answers.push(await ask(NEVER, none[at] ?? { query: '' }))) }
        }
        const { answers: [theirsAnswer, noneAnswer], ...first } = await asks()
        if (!theirsAnswer || !noneAnswer) throw new Error('each is answered')
        asked += 1
        // the first of many refusals is written down, and a look at what is in memory fills it: asked once more, neither is in the way
        const { sent, sentForNone } = first.sent.join() === first.sentForNone.join() ? first : await asks()
        if (sent.join() !== sentForNone.join()) differing.push(`${who}: ${route.method} ${route.url}${variant.query} sends ${sent.length} statements and not ${sentForNone.length}\n  ${sent.map((text) => text.slice(0, 160)).join('\n  ')}\n and not\n  ${sentForNone.map((text) => text.slice(0, 160)).join('\n  ')}`)
        if (seen(theirsAnswer, of) !== seen(noneAnswer, NEVER)) differing.push(`${who}: ${route.method} ${route.url}${variant.query} ${seen(theirsAnswer, of).slice(0, 300)} and not ${seen(noneAnswer, NEVER).slice(0, 300)}`)
        if (theirsAnswer.statusCode < 300 && theirsAnswer.body.includes(of.id)) differing.push(`${who}: ${route.method} ${route.url} shows what is another's`)
      }
    }
  }
  // one's own organization, and what is in another
  for (const route of routes.filter(({ url }) => /^\/api\/v1\/organizations\/:id\/\w+\/:/.test(url))) {
    for (const [at, variant] of variantsOf(route, of).entries()) {
      const ask = (ids: Ids, payload: object | undefined) => app.inject({ method: route.method, url: urlOf(route.url, ids), headers: { ...mine.owner.headers, 'if-match': '*' }, ...(payload ? { payload } : {}) })
      const [crossed, none] = [{ ...of, id: mine.id }, { ...NEVER, id: mine.id }]
      const [theirsAnswer, noneAnswer] = [await ask(crossed, variant.payload), await ask(none, variantsOf(route, NEVER)[at]?.payload)]
      asked += 1
      if (theirsAnswer.statusCode !== 404 || seen(theirsAnswer, crossed) !== seen(noneAnswer, none)) differing.push(`crossed: ${route.method} ${route.url} ${seen(theirsAnswer, crossed).slice(0, 300)}`)
    }
  }
  t.ok(asked > 300, `${asked} questions`)
  t.same(differing, [], 'no difference')
  t.same((await database.pool.query<{ text: string }>(STATE, [theirs.id])).rows, before.rows, 'and nothing of theirs has changed')
})

const STATE = `
  SELECT (SELECT json_agg(o ORDER BY o.id) FROM organizations o WHERE o.id = $1)::text || (SELECT json_agg(m ORDER BY m.id) FROM organization_members m WHERE m.organization_id = $1)::text
    || (SELECT json_agg(r ORDER BY r.id) FROM organization_roles r WHERE r.organization_id = $1)::text || (SELECT json_agg(i ORDER BY i.id) FROM organization_invitations i WHERE i.organization_id = $1)::text
    || (SELECT json_agg(k ORDER BY k.id) FROM api_keys k WHERE k.organization_id = $1)::text || (SELECT json_agg(d ORDER BY d.id) FROM organization_domains d WHERE d.organization_id = $1)::text
    || (SELECT json_agg(c ORDER BY c.id) FROM oauth_clients c WHERE c.organization_id = $1)::text || (SELECT json_agg(s ORDER BY s.id) FROM oauth_client_secrets s JOIN oauth_clients c ON c.id = s.client_id WHERE c.organization_id = $1)::text
    || (SELECT json_agg(json_build_array(w.id, w.url, w.types, w.enabled, w.given_by, w.version, w.secret_ciphertext) ORDER BY w.id) FROM webhook_endpoints w WHERE w.organization_id = $1)::text AS text`
