// Organizations with people in them, made without a password: whoever is in one here has a session and nothing to hash.
import type { FastifyInstance } from 'fastify'
import { expectJson } from './app.js'

type Headers = Record<string, string>

export interface Organization {
  id: string
  slug: string
  version: number
  status: string
  entitlement: string[]
}

export interface OrganizationRole {
  id: string
  name: string
  version: number
  permissions: string[]
}

export interface Customer {
  user: { id: string; email: string }
  accessToken: string
  refreshToken: string
  headers: Headers
}

export interface House {
  id: string
  path: string
  owner: Customer
  /** may do with it what `clerks` says */
  clerk: Customer
  /** is in it, and has nothing */
  member: Customer
  clerks: OrganizationRole
}

export interface Customers {
  /** a person with a session of tokens */
  someone: () => Promise<Customer>
  /** one more session of somebody's */
  signIn: (userId: string) => Promise<Pick<Customer, 'accessToken' | 'refreshToken' | 'headers'>>
  slug: () => string
  open: (more?: object, headers?: Headers) => Promise<Organization>
  role: (id: string, headers: Headers, permissions: string[], rights?: string[]) => Promise<OrganizationRole>
  add: (id: string, who: Customer, more?: object) => Promise<void>
  /** An organization with an owner, somebody who runs it, and somebody with nothing. */
  house: (entitlement?: string[], rights?: string[]) => Promise<House>
}

export function createCustomers(app: FastifyInstance, admin: Headers): Customers {
  let count = 0
  const post = async <T>(path: string, headers: Headers, payload: object): Promise<T> => expectJson<T>(await app.inject({ method: 'POST', url: `/api/v1${path}`, headers, payload }), 201)
  const caller = { principal: null, address: '127.0.0.1', userAgent: 'Ada on Linux', requestId: 'test' }
  const made: Customers = {
    async someone() {
      const email = `customer-${(count += 1)}@example.com`
      const { id } = await post<{ id: string }>('/users', admin, { email })
      return { user: { id, email }, ...(await made.signIn(id)) }
    },
    async signIn(userId) {
      const { accessToken, refreshToken } = await app.database.transact((tx) => app.sessions.openToken(tx, userId, caller, { amr: ['pwd'] }))
      return { accessToken, refreshToken, headers: { authorization: `Bearer ${accessToken}` } }
    },
    slug: () => `acme-${(count += 1)}`,
    open: (more = {}, headers = admin) => post('/organizations', headers, { slug: made.slug(), name: 'Acme', ...more }),
    role: (id, headers, permissions, rights = []) => post(`/organizations/${id}/roles`, headers, { name: `role-${(count += 1)}`, permissions, rights }),
    add: (id, { user }, more = {}) => post(`/organizations/${id}/members`, admin, { userId: user.id, ...more }),
    async house(entitlement = ['reports:*', 'exports:read'], rights = ['members.write', 'roles.write']) {
      const [owner, clerk, member] = [await made.someone(), await made.someone(), await made.someone()]
      const { id } = await made.open({ entitlement, ownerUserId: owner.user.id })
      const clerks = await made.role(id, owner.headers, ['reports:read'], rights)
      await made.add(id, clerk, { roles: [clerks.id] })
      await made.add(id, member)
      return { id, path: `/organizations/${id}`, owner, clerk, member, clerks }
    },
  }
  return made
}
