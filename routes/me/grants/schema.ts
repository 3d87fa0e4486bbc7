// What one has let applications do, on the wire.
import { Type } from '@sinclair/typebox'
import { Id, NullableTime, Time } from '../../../plugins/http/route-kit.js'

const grant = {
  id: '0198c0de-7d3a-7c1e-9a53-0d9a3c0b6f41', client: { clientId: '0198c0de-7d3a-7c1e-9a53-0d9a3c0b6f41', name: 'Reports', clientUri: 'https://reports.example.com', firstParty: false }, scopes: ['openid', 'email'], resources: [],
  grantedAt: '2027-01-01T09:00:00.000Z', lastUsedAt: '2027-01-02T09:00:00.000Z', sessions: 1,
}

export const OwnGrant = Type.Object({
  id: Id,
  client: Type.Object({ clientId: Type.String(), name: Type.String(), clientUri: Type.Union([Type.String(), Type.Null()]), firstParty: Type.Boolean({ description: 'It was not asked about' }) }),
  scopes: Type.Array(Type.String()),
  resources: Type.Array(Type.String()),
  grantedAt: Time,
  lastUsedAt: NullableTime,
  sessions: Type.Integer({ description: 'How many grants of it live' }),
}, { examples: [grant] })

export const OwnGrants = Type.Object({ data: Type.Array(OwnGrant) }, { examples: [{ data: [grant] }] })
