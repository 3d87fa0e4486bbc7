// Forward-auth as Caddy asks it: an API key under rules, one of which matches by host, path and method and wants a permission
// and a limit. The answer has no body: whom it let through is checked by its headers.
import { type Api, bearer } from './api.js'
import { issueKey, type Prepared, signIn, type World } from './world.js'

export const HOST = 'api.bench.example'
export const PERMISSION = 'reports:read'
const QUOTA = 1_000_000_000
// the first is the one that decides
const RULES = [
  { host: HOST, path: '/reports/:id', methods: ['GET'], permissions: [PERMISSION], limit: { quota: QUOTA, windowSeconds: 60 } },
  { host: HOST, path: '/reports/*', methods: ['POST', 'DELETE'], permissions: ['reports:write'] },
  { host: '*.bench.example', path: '/*', permissions: ['bench:everything'] },
  { host: '*', path: '/public/*', public: true },
]

/** What Caddy's forward_auth sends along. */
function asked(uri: string, method = 'GET'): Record<string, string> {
  return {
    'x-forwarded-method': method, 'x-forwarded-proto': 'https', 'x-forwarded-host': HOST, 'x-forwarded-uri': uri, 'x-forwarded-for': '192.0.2.17',
  }
}

/** The rules, made once for all runs. */
export async function ensureRules(api: Api, accessToken: string): Promise<void> {
  for (const rule of RULES) {
    const { status, text } = await api.send('/api/v1/gate-rules', { method: 'POST', headers: bearer(accessToken), body: rule })
    if (status !== 201 && !text.includes('gate_rule.taken')) throw new Error(`POST /gate-rules answered ${status}: ${text.slice(0, 500)}`)
  }
}

async function expect(api: Api, wanted: number, headers: Record<string, string>): Promise<Headers> {
  const answer = await api.send('/gate/caddy', { headers })
  if (answer.status !== wanted) throw new Error(`GET /gate/caddy answered ${answer.status}, not ${wanted}: ${answer.text.slice(0, 500)}`)
  return answer.headers
}

/** Makes sure that the rules are seen to decide, both ways. */
export async function prepareGate(world: World): Promise<Prepared> {
  const { api, connections, seconds } = world
  const { accessToken } = await signIn(world)
  await ensureRules(api, accessToken)
  const { id, key } = await issueKey(world, accessToken, { name: 'bench gate', permissions: [PERMISSION] })
  const headers = { ...asked('/reports/42?format=json'), ...bearer(key) }

  const passed = await expect(api, 200, headers)
  if (!(passed.get('ratelimit') ?? '').includes('r=')) throw new Error('GET /gate/caddy charges no limit')
  await expect(api, 401, asked('/reports/42'))
  await expect(api, 403, { ...asked('/reports/42', 'DELETE'), ...bearer(key) })
  await expect(api, 403, { ...asked('/elsewhere'), ...bearer(key) })
  return {
    label: `GET /gate/caddy by API key (${RULES.length} rules; a permission, a limit)`, method: 'GET', path: '/gate/caddy', headers, bodies: [],
    connections, seconds, markers: [], headerValues: [id], passwordHash: null,
  }
}
