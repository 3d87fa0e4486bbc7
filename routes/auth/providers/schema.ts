// What a page sends to sign somebody in by another system, and what it is told.
import { Type } from '@sinclair/typebox'
import { strict } from '../../../plugins/http/route-kit.js'
import { EndOldest } from '../../users/schema.js'

const PROVIDER_ID = '0198c0de-7d3a-7c1e-9a53-0d9a3c0b6f31'

const Brand = Type.Unsafe<'google' | 'microsoft' | 'apple' | 'github' | 'generic'>({ type: 'string', enum: ['google', 'microsoft', 'apple', 'github', 'generic'], description: 'Whose sign a button may show' })

export const Providers = Type.Object({
  data: Type.Array(Type.Object({ id: Type.String(), name: Type.String(), brand: Brand })),
}, { examples: [{ data: [{ id: PROVIDER_ID, name: 'Example', brand: 'generic' }] }] })

export const ReturnTo = Type.String({ minLength: 1, maxLength: 500, description: 'A path of this origin. The browser gets there with `federation=` signed_in, mfa_required, link_required, linked, stepped_up or failed (and `error=`, a code) in the query' })

export const Start = strict({
  returnTo: ReturnTo,
  mode: Type.Optional(Type.Unsafe<'cookie' | 'token'>({ type: 'string', enum: ['cookie', 'token'], description: '`cookie` (default): the way back opens a cookie session; `token`: it leaves `federation_code`, for POST /auth/providers/token' })),
}, { examples: [{ returnTo: '/app?tab=1', mode: 'token' }] })

export const Started = Type.Object({
  authorizationUrl: Type.String({ description: 'Send the browser there' }),
  expiresIn: Type.Integer({ description: 'Seconds within which it has to be back' }),
}, { examples: [{ authorizationUrl: 'https://login.example.com/authorize?client_id=gatehouse&response_type=code', expiresIn: 600 }] })

export const Redeem = strict({ code: Type.String({ minLength: 1, maxLength: 100, description: 'federation_code of the query' }), endOldest: EndOldest }, { examples: [{ code: 'b2Xw9QbT-3zq7r0Yp1n8o5vLdC4mJ6uHsEaGfRtWxBkI' }] })

export const Pending = Type.Object({
  provider: Type.Object({ id: Type.String(), name: Type.String() }),
  email: Type.String({ description: 'Of the account to sign in to' }),
}, { examples: [{ provider: { id: PROVIDER_ID, name: 'Example' }, email: 'ada@example.com' }] })
