// The shapes of resources on the wire: APIs that tokens are for.
import { Type } from '@sinclair/typebox'
import { pageOf, pageQuery } from '../../src/kernel/page.js'
import { PERMISSION_LENGTH, PERMISSION_PATTERN } from '../../src/kernel/permissions.js'
import { Id, strict, Time } from '../../plugins/http/route-kit.js'

const Scope = strict({
  name: Type.String({ minLength: 1, maxLength: 100, pattern: '^[\\x21\\x23-\\x5b\\x5d-\\x7e]+$' }),
  description: Type.String({ maxLength: 200, 'x-text': 'name', description: 'Shown to whoever is asked for consent' }),
  permissions: Type.Array(Type.String({ maxLength: PERMISSION_LENGTH, pattern: PERMISSION_PATTERN }), { maxItems: 50, uniqueItems: true, description: 'What it is worth, to who holds it; none of Gatehouse\'s own' }),
})
const Name = Type.String({ minLength: 1, maxLength: 100, 'x-text': 'name' })
const changeable = {
  scopes: Type.Optional(Type.Array(Scope, { maxItems: 100 })),
  tokenSeconds: Type.Optional(Type.Integer({ minimum: 30, maximum: 86_400, description: 'How long a token for it lives. Default: 300' })),
  algorithm: Type.Optional(Type.Unsafe<'RS256' | 'ES256' | 'EdDSA'>({ type: 'string', enum: ['RS256', 'ES256', 'EdDSA'], description: 'What they are signed with. Default: EdDSA' })),
  openToAll: Type.Optional(Type.Boolean({ description: 'Clients that nobody vouched for (registered by themselves) may ask for it, too. Default: false' })),
}
const resource = {
  id: '0198c0de-7d3a-7c1e-9a53-0d9a3c0b6f51', identifier: 'https://api.example.com', name: 'The reports', scopes: [{ name: 'reports', description: 'Read your reports', permissions: ['reports:read'] }], tokenSeconds: 300,
  algorithm: 'EdDSA', openToAll: false, issuedBy: null, issuedVia: 'host', version: 1, createdAt: '2027-01-01T09:00:00.000Z', updatedAt: '2027-01-01T09:00:00.000Z',
}
const shown = {
  id: Id, identifier: Type.String(), name: Type.String(), scopes: Type.Array(Type.Object({ name: Type.String(), description: Type.String(), permissions: Type.Array(Type.String()) })), tokenSeconds: Type.Integer(), algorithm: Type.String(),
  openToAll: Type.Boolean(), issuedBy: Type.Union([Type.String(), Type.Null()]), issuedVia: Type.Union([Type.String(), Type.Null()]), version: Type.Integer({ description: 'Second half of the ETag' }), createdAt: Time, updatedAt: Time,
}

export const ResourceView = Type.Object(shown, { examples: [resource] })
export const ResourcePage = pageOf(ResourceView)
export const ResourceQuery = pageQuery(['createdAt'], shown, { identifier: Type.Optional(Type.String({ maxLength: 500 })) })
export const NewResource = strict({
  identifier: Type.String({ minLength: 1, maxLength: 500, description: 'An absolute URI (RFC 8707), compared to the letter: the `aud` of its tokens. It never changes' }), name: Name, ...changeable,
}, { examples: [{ identifier: 'https://api.example.com', name: 'The reports', scopes: resource.scopes }] })
export const ResourcePatch = strict({ name: Type.Optional(Name), ...changeable }, { minProperties: 1, examples: [{ tokenSeconds: 600 }] })
