// One's identities at other systems on the wire.
import { Type } from '@sinclair/typebox'
import { Id, NullableTime, strict, Time } from '../../../plugins/http/route-kit.js'
import { ReturnTo } from '../../auth/providers/schema.js'

const identity = {
  id: '0198c0de-7d3a-7c1e-9a53-0d9a3c0b6f41', provider: { id: '0198c0de-7d3a-7c1e-9a53-0d9a3c0b6f31', name: 'Example', brand: 'generic', enabled: true },
  email: 'ada@example.com', createdAt: '2027-01-01T09:00:00.000Z', lastUsedAt: '2027-01-02T09:00:00.000Z',
}

export const Identity = Type.Object({
  id: Id,
  provider: Type.Object({ id: Id, name: Type.String(), brand: Type.String(), enabled: Type.Boolean() }),
  email: Type.Union([Type.String(), Type.Null()], { description: 'As the provider said it last; nobody has proven it here' }),
  createdAt: Time,
  lastUsedAt: NullableTime,
}, { examples: [identity] })

export const Identities = Type.Object({ data: Type.Array(Identity) }, { examples: [{ data: [identity] }] })

export const StartLink = strict({ providerId: Id, returnTo: ReturnTo }, { examples: [{ providerId: identity.provider.id, returnTo: '/account' }] })
