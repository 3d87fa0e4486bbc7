// People and machines that hold just what a test says, for tests of who may let whom do what.
import type { FastifyInstance, InjectOptions, LightMyRequestResponse } from 'fastify'
import { type AuthorizationHeaders, expectJson, type Helpers, PASSWORD } from './app.js'

export interface Person {
  id: string
  email: string
  role: string
  headers: AuthorizationHeaders
}

export interface Machine {
  id: string
  keyId: string
  key: string
  headers: AuthorizationHeaders
}

export interface KeyBody {
  id: string
  key: string
  version: number
  kind: string
  permissions: string[]
  issuedBy: string | null
  secretTo: string | null
  issuedVia: string
}

export interface Actors {
  send: (method: NonNullable<InjectOptions['method']>, path: string, headers: Record<string, string>, payload?: object) => Promise<LightMyRequestResponse>
  /** `send` with If-Match: * */
  patch: (path: string, headers: Record<string, string>, payload: object) => Promise<LightMyRequestResponse>
  /** `403 permission.not_held`, or the status alone when there is no problem */
  outcome: (answer: Promise<LightMyRequestResponse>) => Promise<string>
  role: (permissions: string[], more?: object) => Promise<string>
  person: (permissions: string[]) => Promise<Person>
  machine: (permissions: string[], key?: object) => Promise<Machine>
  issue: (headers: Record<string, string>, body?: object) => Promise<KeyBody>
  verify: (key: string, permissions?: string[], more?: object) => Promise<string>
}

export async function createActors(app: FastifyInstance, as: Helpers): Promise<Actors> {
  const admin = await as.admin()
  let count = 0
  const send: Actors['send'] = async (method, path, headers, payload) => app.inject({ method, url: `/api/v1${path}`, headers, ...(payload ? { payload } : {}) })
  const issue: Actors['issue'] = async (headers, body = {}) => expectJson<KeyBody>(await send('POST', '/keys', headers, { name: 'k', ...body }), 201)
  const role: Actors['role'] = async (permissions, more = {}) =>
    expectJson<{ name: string }>(await send('POST', '/roles', admin, { name: `role-${(count += 1)}`, permissions, ...more }), 201).name
  return {
    send,
    patch: (path, headers, payload) => send('PATCH', path, { ...headers, 'if-match': '*' }, payload),
    async outcome(answer) {
      const { statusCode, body } = await answer
      const code = statusCode >= 400 ? (JSON.parse(body) as { code: string }).code : ''
      return `${statusCode} ${code}`.trim()
    },
    role,
    async person(permissions) {
      const name = await role(permissions)
      const email = `person-${(count += 1)}@example.com`
      const { id } = expectJson<{ id: string }>(await send('POST', '/users', admin, { email, password: PASSWORD, roles: [name] }), 201)
      const { accessToken } = expectJson<{ accessToken: string }>(await send('POST', '/auth/login', {}, { email, password: PASSWORD }), 200)
      return { id, email, role: name, headers: as.bearer(accessToken) }
    },
    async machine(permissions, key = {}) {
      const name = await role(permissions)
      const { id } = expectJson<{ id: string }>(await send('POST', '/users', admin, { kind: 'service', name: `machine ${(count += 1)}`, roles: [name] }), 201)
      const issued = await issue(admin, { ownerUserId: id, permissions, ...key })
      return { id, keyId: issued.id, key: issued.key, headers: as.bearer(issued.key) }
    },
    issue,
    async verify(key, permissions = [], more = {}) {
      return expectJson<{ code: string }>(await send('POST', '/keys/verify', admin, { key, permissions, ...more }), 200).code
    },
  }
}
