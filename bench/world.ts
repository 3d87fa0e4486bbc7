// What the preparation of a scenario works with: the running program, its administrator and keys made for the occasion.
import { type Api, bearer } from './api.js'
import { ADMIN } from './environment.js'

export interface World {
  api: Api
  /** seeded users */
  users: number
  bcryptCost: number
  /** of --connections */
  connections: number
  /** of --seconds */
  seconds: number
}

export interface Prepared {
  /** the table's first cell */
  label: string
  method: 'GET' | 'POST'
  /** with its query */
  path: string
  headers: Record<string, string>
  /** JSON texts; connections take them in turn */
  bodies: string[]
  connections: number
  seconds: number
  /** texts that every right answer holds, of either server */
  markers: string[]
  /** values that are among the headers of every answer, of either server */
  headerValues?: string[]
  /** for the bare server to verify `body.password` against */
  passwordHash: string | null
}

export interface SignedIn {
  user: { id: string }
  accessToken: string
}

export const JSON_BODY = { 'content-type': 'application/json' }

export async function signIn({ api }: World): Promise<SignedIn> {
  return api.json<SignedIn>('/api/v1/auth/login', { method: 'POST', body: ADMIN })
}

/** Whom keys are sold to: what carries a plan in its metadata is no key of one's own. */
async function customerOf({ api }: World, accessToken: string): Promise<string> {
  const headers = bearer(accessToken)
  const { data: [known] } = await api.json<{ data: { id: string }[] }>('/api/v1/users?email[contains]=customer@bench.example', { headers })
  return known?.id ?? (await api.json<{ id: string }>('/api/v1/users', { method: 'POST', headers, body: { email: 'customer@bench.example' } })).id
}

export async function issueKey(world: World, accessToken: string, key: { name: string; metadata?: object; permissions?: string[]; limits?: object[]; expiresAt?: string }): Promise<{ id: string; key: string }> {
  const owner = key.metadata ? { ownerUserId: await customerOf(world, accessToken) } : {}
  return world.api.json('/api/v1/keys', { method: 'POST', headers: bearer(accessToken), body: { ...key, ...owner } })
}
