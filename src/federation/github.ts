// GitHub is plain OAuth 2: who somebody is stands in its API, not in a token. The numeric id is the subject, for a login name can be given up and taken
// by somebody else; of the addresses only the primary one counts, and only as proven as GitHub says.
import { problem } from '../kernel/errors.js'
import type { OutboundRequest } from '../outbound/index.js'
import type { Arrived } from './claims-rules.js'
import { GITHUB_ISSUER } from './provider-rules.js'
import type { ProviderRow } from './provider-store.js'

type Ask = (url: string, options: OutboundRequest) => Promise<Response>

const TYPES = ['application/json', 'application/vnd.github+json']

/** GitHub's API has a host of its own; a GitHub Enterprise Server has it below /api/v3. */
function apiOf(issuer: string): string {
  return issuer === GITHUB_ISSUER ? 'https://api.github.com' : `${new URL(issuer).origin}/api/v3`
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null

/** Throws federation.refused when the API speaks of nobody. */
export async function readGithub({ issuer, scopes }: ProviderRow, ask: Ask, accessToken: string): Promise<Arrived> {
  const api = apiOf(issuer)
  const options: OutboundRequest = { headers: { authorization: `Bearer ${accessToken}`, 'x-github-api-version': '2022-11-28' }, accept: TYPES }
  const answer = await ask(`${api}/user`, options)
  const user: unknown = answer.status === 200 ? await answer.json() : null
  const id = isObject(user) ? user['id'] : null
  if (!isObject(user) || typeof id !== 'number' || !Number.isSafeInteger(id) || id <= 0) throw problem('federation.refused', { cause: new Error('GitHub says nobody\'s id') })
  const emails = scopes.includes('user:email') ? await ask(`${api}/user/emails`, options) : null
  // a person may keep them to themselves (403, 404)
  const list: unknown = emails?.status === 200 ? await emails.json() : []
  const primary: unknown = Array.isArray(list) ? list.find((one) => isObject(one) && one['primary'] === true) : null
  const proven = isObject(primary) ? { email: primary['email'], email_verified: primary['verified'] === true } : {}
  return { issuer, subject: String(id), claims: { name: user['name'] ?? user['login'], ...proven }, isMultiTenant: false }
}
