// What an API is that tokens are for: its identifier (RFC 8707 2) and its scopes. Pure.
import { type FieldError } from '../kernel/errors.js'
import { isOfGatehouse, isPermission } from '../kernel/permissions.js'
import type { Algorithm } from './client-rules.js'
import { isIdentityScope, type ResourceScope } from './scope-rules.js'

export interface ResourceFields {
  name: string
  scopes: ResourceScope[]
  /** how long a token for it lives */
  tokenSeconds: number
  algorithm: Algorithm
  openToAll: boolean
}

export type NewResource = Pick<ResourceFields, 'name'> & Partial<ResourceFields> & { identifier: string }

const MOST_CHARACTERS = 500

/** `publicOrigin`: Gatehouse's own, which is an audience already. */
export function identifierFault(text: string, publicOrigin: string): string | null {
  if (text.length > MOST_CHARACTERS || !/^[\x21-\x7e]+$/.test(text) || !URL.canParse(text)) return 'must be an absolute URI'
  const { protocol, origin, username, password } = new URL(text)
  if (text.includes('#')) return 'must have no fragment'
  if (username !== '' || password !== '') return 'must hold no user name'
  if (!/^(https?|urn|api):$/.test(protocol)) return 'must be https, http, urn or api'
  return origin === publicOrigin ? 'must be another than Gatehouse itself' : null
}

export function resourceFaults({ scopes }: Pick<ResourceFields, 'scopes'>): FieldError[] {
  const faults: FieldError[] = []
  const names = scopes.map(({ name }) => name)
  for (const [at, { name, permissions }] of scopes.entries()) {
    if (isIdentityScope(name)) faults.push({ path: `/scopes/${at}/name`, message: 'is a scope of OpenID Connect' })
    if (names.indexOf(name) !== at) faults.push({ path: `/scopes/${at}/name`, message: 'stands there twice' })
    for (const [index, permission] of permissions.entries()) {
      const path = `/scopes/${at}/permissions/${index}`
      if (!isPermission(permission)) faults.push({ path, message: 'is no permission: two to eight parts of a-z 0-9 _ . - joined by colons, the last may be *' })
      // its own API takes no token of a grant
      else if (isOfGatehouse(permission)) faults.push({ path, message: 'is of Gatehouse itself, which no scope opens' })
    }
  }
  return faults
}
