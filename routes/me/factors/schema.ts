// One's second factors on the wire.
import { Type } from '@sinclair/typebox'
import { NullableTime, strict, Time } from '../../../plugins/http/route-kit.js'
import { assertionExample, Registration } from '../../auth/mfa/schema.js'

const FactorName = Type.String({ minLength: 1, maxLength: 100, 'x-text': 'name', description: 'For oneself: which phone, which key' })

const factorFields = {
  id: Type.String({ format: 'uuid' }),
  kind: Type.Unsafe<'totp' | 'passkey'>({ type: 'string', enum: ['totp', 'passkey'] }),
  name: Type.String(),
  createdAt: Time,
  lastUsedAt: NullableTime,
  isSynced: Type.Optional(Type.Boolean({ description: 'Of a passkey: may it be copied to other devices of its owner\'s?' })),
  isBackedUp: Type.Optional(Type.Boolean({ description: 'Of a passkey: has it been, when it was last used?' })),
}
const factorExample = { id: '0198c0de-7d3a-7c1e-9a53-0d9a3c0b6f55', kind: 'totp', name: 'Phone', createdAt: '2027-01-01T09:00:00.000Z', lastUsedAt: '2027-01-02T08:30:00.000Z' }

export const Factor = Type.Object(factorFields, { examples: [factorExample] })
export const Factors = Type.Object({
  data: Type.Array(Factor),
  recoveryCodes: Type.Integer({ description: 'How many are unused' }),
}, { examples: [{ data: [factorExample], recoveryCodes: 10 }] })

export const NewTotp = strict({ name: FactorName }, { examples: [{ name: 'Phone' }] })
export const BegunTotp = Type.Object({
  id: Type.String({ format: 'uuid', description: 'For confirming it' }),
  secret: Type.String({ description: 'Base32, for typing it into an app. Answered once' }),
  uri: Type.String({ description: 'The same for a QR code' }),
  expiresAt: Type.String({ format: 'date-time', description: 'Until when it can be confirmed' }),
}, {
  examples: [{
    id: factorExample.id, secret: 'JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP', uri: 'otpauth://totp/auth.example.com:ada@example.com?issuer=auth.example.com&secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP&algorithm=SHA1&digits=6&period=30',
    expiresAt: '2027-01-01T09:15:00.000Z',
  }],
})
export const TotpCode = strict({ code: Type.String({ minLength: 1, maxLength: 64 }) }, { examples: [{ code: '492039' }] })

const RecoveryCodeList = Type.Array(Type.String(), { description: 'Each works once, in the place of another factor. Answered once' })
const codesExample = ['3k7q-xm2a-09fw-t5hd', '8p1c-vz6r-je4n-b0ys']
export const AddedFactor = Type.Object({
  factor: Factor,
  recoveryCodes: Type.Union([RecoveryCodeList, Type.Null()], { description: 'With the first factor; null: there are some already' }),
}, { examples: [{ factor: factorExample, recoveryCodes: codesExample }] })
export const RecoveryCodes = Type.Object({ recoveryCodes: RecoveryCodeList }, { examples: [{ recoveryCodes: codesExample }] })

const { signature: _signature, userHandle: _userHandle, ...attested } = assertionExample.response
export const NewPasskey = strict({ name: FactorName, registration: Registration }, {
  examples: [{ name: 'Laptop', registration: { ...assertionExample, response: { ...attested, attestationObject: 'o2NmbXRkbm9uZQ' } } }],
})
