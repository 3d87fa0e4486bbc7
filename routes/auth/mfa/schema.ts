// What answers a challenge or proves once more who one is: a code, or what navigator.credentials.get() gave.
import { Type } from '@sinclair/typebox'
import { strict } from '../../../plugins/http/route-kit.js'
import { challengeExample, EndOldest } from '../../users/schema.js'

const Base64url = (maxLength: number) => Type.String({ minLength: 1, maxLength, pattern: '^[A-Za-z0-9_-]+$' })
/** What extensions of the browser add; nothing of it is read. */
const Extensions = Type.Optional(Type.Unknown({ description: 'Not read' }))
const Attachment = Type.Optional(Type.Union([Type.String({ maxLength: 40 }), Type.Null()]))
const PublicKey = Type.Literal('public-key')

export const assertionExample = {
  id: 'dGVzdC1jcmVkZW50aWFs', rawId: 'dGVzdC1jcmVkZW50aWFs', type: 'public-key',
  response: { clientDataJSON: 'eyJ0eXBlIjoid2ViYXV0aG4uZ2V0In0', authenticatorData: 'SZYN5YgOjGh0NBcPZHZgW4_krrmihjLHmVzzuoMdl2MFAAAAAQ', signature: 'MEUCIQ', userHandle: 'AZgNen06fB6aUw2dPAtvAA' },
  clientExtensionResults: {},
}

/** An AuthenticationResponseJSON of WebAuthn. */
export const Assertion = strict({
  id: Base64url(1_400),
  rawId: Base64url(1_400),
  type: PublicKey,
  response: strict({
    clientDataJSON: Base64url(8_000),
    authenticatorData: Base64url(8_000),
    signature: Base64url(4_000),
    userHandle: Type.Optional(Type.Union([Type.String({ maxLength: 100 }), Type.Null()])),
  }),
  authenticatorAttachment: Attachment,
  clientExtensionResults: Extensions,
}, { description: 'PublicKeyCredential.toJSON() of navigator.credentials.get()' })

/** A RegistrationResponseJSON of WebAuthn. */
export const Registration = strict({
  id: Base64url(1_400),
  rawId: Base64url(1_400),
  type: PublicKey,
  response: strict({
    clientDataJSON: Base64url(8_000),
    attestationObject: Base64url(40_000),
    authenticatorData: Type.Optional(Base64url(8_000)),
    transports: Type.Optional(Type.Array(Type.String({ maxLength: 40 }), { maxItems: 16 })),
    publicKeyAlgorithm: Type.Optional(Type.Integer()),
    publicKey: Type.Optional(Base64url(8_000)),
  }),
  authenticatorAttachment: Attachment,
  clientExtensionResults: Extensions,
}, { description: 'PublicKeyCredential.toJSON() of navigator.credentials.create()' })

const Code = Type.String({ minLength: 1, maxLength: 64, description: 'Gaps and hyphens do not matter' })
const Challenge = Type.String({ minLength: 1, maxLength: 100, description: 'Of the sign-in that answered mfa_required' })
const DeviceToken = Type.Optional(Type.String({ maxLength: 100, description: 'What an earlier sign-in of this device answered' }))

const byTotp = { method: Type.Literal('totp'), code: Code }
const byRecovery = { method: Type.Literal('recovery_code'), code: Code }
const byPasskey = { method: Type.Literal('passkey'), assertion: Assertion }
const withToken = { challenge: Challenge, deviceToken: DeviceToken, endOldest: EndOldest }
const withCookie = { challenge: Challenge, endOldest: EndOldest }

export const TotpAnswer = strict({ ...byTotp, ...withToken })
export const RecoveryAnswer = strict({ ...byRecovery, ...withToken })
export const PasskeyAnswer = strict({ ...byPasskey, ...withToken })
export const MfaAnswer = Type.Union([TotpAnswer, RecoveryAnswer, PasskeyAnswer], { examples: [{ challenge: challengeExample, method: 'totp', code: '492039' }] })

export const TotpCookieAnswer = strict({ ...byTotp, ...withCookie })
export const RecoveryCookieAnswer = strict({ ...byRecovery, ...withCookie })
export const PasskeyCookieAnswer = strict({ ...byPasskey, ...withCookie })
export const MfaCookieAnswer = Type.Union([TotpCookieAnswer, RecoveryCookieAnswer, PasskeyCookieAnswer], { examples: [{ challenge: challengeExample, method: 'totp', code: '492039' }] })

export const PasswordProof = strict({ method: Type.Literal('password'), password: Type.String({ minLength: 1, maxLength: 1024 }) })
export const TotpProof = strict(byTotp)
export const RecoveryProof = strict(byRecovery)
export const PasskeyProof = strict(byPasskey)
export const StepUpAnswer = Type.Union([PasswordProof, TotpProof, RecoveryProof, PasskeyProof], { examples: [{ method: 'password', password: 'correct horse battery staple' }] })

export const MfaChallenge = strict({ challenge: Challenge }, { examples: [{ challenge: challengeExample }] })

export const PasskeyTokenSignIn = strict({ assertion: Assertion, deviceToken: DeviceToken, endOldest: EndOldest }, { examples: [{ assertion: assertionExample }] })
export const PasskeyCookieSignIn = strict({ assertion: Assertion, endOldest: EndOldest }, { examples: [{ assertion: assertionExample }] })

const Descriptor = Type.Object({ id: Type.String(), type: Type.String(), transports: Type.Optional(Type.Array(Type.String())) })

/** PublicKeyCredentialRequestOptionsJSON: for PublicKeyCredential.parseRequestOptionsFromJSON(). */
export const RequestOptions = Type.Object({
  challenge: Type.String(),
  timeout: Type.Optional(Type.Integer()),
  rpId: Type.Optional(Type.String()),
  allowCredentials: Type.Optional(Type.Array(Descriptor)),
  userVerification: Type.Optional(Type.Unsafe<'required' | 'preferred' | 'discouraged'>({ type: 'string', enum: ['required', 'preferred', 'discouraged'] })),
}, {
  description: 'For navigator.credentials.get(), within five minutes and once',
  examples: [{ challenge: 'q0p5T2sJb1x7', timeout: 300_000, rpId: 'auth.example.com', userVerification: 'required' }],
})

/** PublicKeyCredentialCreationOptionsJSON. */
export const CreationOptions = Type.Object({
  rp: Type.Object({ name: Type.String(), id: Type.Optional(Type.String()) }),
  user: Type.Object({ id: Type.String(), name: Type.String(), displayName: Type.String() }),
  challenge: Type.String(),
  pubKeyCredParams: Type.Array(Type.Object({ type: Type.String(), alg: Type.Integer() })),
  timeout: Type.Optional(Type.Integer()),
  excludeCredentials: Type.Optional(Type.Array(Descriptor)),
  authenticatorSelection: Type.Optional(Type.Object({
    residentKey: Type.Optional(Type.String()), requireResidentKey: Type.Optional(Type.Boolean()), userVerification: Type.Optional(Type.String()),
  })),
  attestation: Type.Optional(Type.String()),
  extensions: Type.Optional(Type.Object({ credProps: Type.Optional(Type.Boolean()) })),
}, {
  description: 'For navigator.credentials.create(), within five minutes and once',
  examples: [{
    rp: { name: 'Gatehouse', id: 'auth.example.com' }, user: { id: 'AZgNen06fB6aUw2dPAtvAA', name: 'ada@example.com', displayName: 'Ada' }, challenge: 'q0p5T2sJb1x7',
    pubKeyCredParams: [{ type: 'public-key', alg: -7 }], timeout: 300_000, excludeCredentials: [],
    authenticatorSelection: { residentKey: 'preferred', userVerification: 'preferred' }, attestation: 'none',
  }],
})

/** How well and when the owner of the session has proven themselves. */
export const Proven = Type.Object({
  amr: Type.Unsafe<readonly string[]>(Type.Array(Type.String())),
  acr: Type.Unsafe<'urn:gatehouse:1fa' | 'urn:gatehouse:mfa'>({ type: 'string', enum: ['urn:gatehouse:1fa', 'urn:gatehouse:mfa'] }),
  authTime: Type.String({ format: 'date-time' }),
  accessToken: Type.Optional(Type.String({ description: 'Of a session of tokens: one that says so to others as well. To Gatehouse the one before is as good' })),
  expiresIn: Type.Optional(Type.Integer({ description: 'Seconds it lives' })),
}, { examples: [{ amr: ['otp', 'pwd', 'mfa'], acr: 'urn:gatehouse:mfa', authTime: '2027-01-01T09:00:00.000Z' }] })
