// Passkeys (WebAuthn), checked by @simplewebauthn/server: the challenge is one of ours and made for this, origin and relying party are PUBLIC_URL's, the
// signature is the credential's, and a counter that an authenticator keeps has gone up. Whose passkey it is, is judged here as well: the one
// that was asked for, and no other. Verifying changes nothing; `consume` does, once.
import type {
  AuthenticationResponseJSON, PublicKeyCredentialCreationOptionsJSON, PublicKeyCredentialRequestOptionsJSON, RegistrationResponseJSON,
} from '@simplewebauthn/server'
import type { Tx } from '../database/transaction.js'
import type { Clock } from '../kernel/clock.js'
import { problem } from '../kernel/errors.js'
import { newId } from '../kernel/ids.js'
import { PASSKEY_SECONDS, type PasskeyChallenges, type Purpose } from './passkey-challenges.js'
import type { NewPasskey, PasskeyStore } from './passkey-store.js'
import type { Checked } from './proof-service.js'

export type Assertion = AuthenticationResponseJSON
export type Registration = RegistrationResponseJSON
export type CreationOptions = PublicKeyCredentialCreationOptionsJSON
export type RequestOptions = PublicKeyCredentialRequestOptionsJSON

// some 270 files: loaded when the first passkey is asked for, for the start waits for none of them
const library = () => import('@simplewebauthn/server')

const RP_NAME = 'Gatehouse'
const TIMEOUT_MS = PASSKEY_SECONDS * 1_000
// EdDSA, ES256, RS256: what every authenticator has one of
const ALGORITHMS = [-8, -7, -257]

export interface PasskeyService {
  creationOptions: (user: { id: string; email: string; name: string }, purpose: Purpose) => Promise<CreationOptions>
  /** What is to be kept of a new passkey, and its challenge. Throws factor.invalid. */
  readRegistration: (registration: Registration, purpose: Purpose) => Promise<{ passkey: Omit<NewPasskey, 'userId' | 'name'>; isUserVerified: boolean; challenge: string }>
  /** For one user's passkeys, or, with null, for whatever the browser finds: nothing in it tells who has an account. */
  requestOptions: (userId: string | null, purpose: Purpose) => Promise<RequestOptions>
  /** Whose passkey has signed this, of that user or, with null, of anybody, who must then be named by it. Throws factor.invalid. */
  check: (assertion: Assertion, purpose: Purpose, userId: string | null) => Promise<Checked & { userId: string }>
}

export interface PasskeyServiceDependencies {
  store: PasskeyStore
  challenges: PasskeyChallenges
  /** the origin of PUBLIC_URL */
  origin: () => string
  clock: Clock
}

const handleOf = (userId: string): Buffer => Buffer.from(userId.replaceAll('-', ''), 'hex')

/** What a browser says it has signed. Only what the library does not ask is looked at here. */
function readClientData(text: string): { challenge: string; crossOrigin: boolean } {
  try {
    const { challenge, crossOrigin } = JSON.parse(Buffer.from(text, 'base64url').toString()) as Record<string, unknown>
    return { challenge: typeof challenge === 'string' ? challenge : '', crossOrigin: crossOrigin === true }
  } catch (cause) {
    throw problem('factor.invalid', { cause })
  }
}

const bytesOf = (challenge: string): Uint8Array<ArrayBuffer> => Uint8Array.from(Buffer.from(challenge, 'base64url'))

/** The library throws plain errors for whatever is not as it should be; to the caller they are one. */
async function verified<T extends { verified: boolean }>(work: () => Promise<T>): Promise<T> {
  try {
    const result = await work()
    if (result.verified) return result
  } catch (cause) {
    throw problem('factor.invalid', { cause })
  }
  throw problem('factor.invalid')
}

export function createPasskeyService({ store, challenges, origin, clock }: PasskeyServiceDependencies): PasskeyService {
  const rpId = (): string => new URL(origin()).hostname
  const credentials = async (userId: string) =>
    (await store.list(userId)).map(({ credentialId, transports }) => ({ id: Buffer.from(credentialId).toString('base64url'), transports }))
  function expected(clientDataJSON: string, purpose: Purpose) {
    const { challenge, crossOrigin } = readClientData(clientDataJSON)
    // in a frame of somebody else's page
    if (crossOrigin || !challenges.isGood(challenge, purpose)) throw problem('factor.invalid')
    return { challenge, options: { expectedChallenge: challenge, expectedOrigin: origin(), expectedRPID: rpId() } }
  }

  return {
    async creationOptions({ id, email, name }, purpose) {
      return (await library()).generateRegistrationOptions({
        rpName: RP_NAME, rpID: rpId(), userID: Uint8Array.from(handleOf(id)), userName: email, userDisplayName: name === '' ? email : name, challenge: bytesOf(challenges.make(purpose)),
        timeout: TIMEOUT_MS, attestationType: 'none', excludeCredentials: await credentials(id), supportedAlgorithmIDs: ALGORITHMS,
        authenticatorSelection: { residentKey: 'preferred', userVerification: 'preferred' },
      })
    },
    async readRegistration(registration, purpose) {
      const { challenge, options } = expected(registration.response.clientDataJSON, purpose)
      const { registrationInfo } = await verified(async () =>
        (await library()).verifyRegistrationResponse({ response: registration, ...options, requireUserVerification: false, supportedAlgorithmIDs: ALGORITHMS }))
      if (!registrationInfo) throw problem('factor.invalid')
      const { credential, aaguid, credentialDeviceType, credentialBackedUp, userVerified } = registrationInfo
      const passkey = {
        id: newId(), credentialId: Buffer.from(credential.id, 'base64url'), publicKey: Uint8Array.from(credential.publicKey), counter: credential.counter,
        // words of the authenticator's, for the browser alone
        transports: (credential.transports ?? []).filter((one) => /^[a-z-]{1,20}$/.test(one)).slice(0, 8),
        isSynced: credentialDeviceType === 'multiDevice', isBackedUp: credentialBackedUp, aaguid, createdAt: new Date(clock.now()),
      }
      return { passkey, isUserVerified: userVerified, challenge }
    },
    async requestOptions(userId, purpose) {
      return (await library()).generateAuthenticationOptions({
        rpID: rpId(), challenge: bytesOf(challenges.make(purpose)), timeout: TIMEOUT_MS,
        // by itself a passkey is two factors only with its owner's finger or PIN
        userVerification: userId === null ? 'required' : 'preferred',
        ...(userId === null ? {} : { allowCredentials: await credentials(userId) }),
      })
    },
    async check(assertion, purpose, userId) {
      const { challenge, options } = expected(assertion.response.clientDataJSON, purpose)
      const passkey = await store.find(Buffer.from(assertion.id, 'base64url'))
      if (!passkey || (userId !== null && passkey.userId !== userId)) throw problem('factor.invalid')
      const { userHandle } = assertion.response
      // a passkey that names somebody else than whose it is; one that is to say who signs in must name them
      const isNamed = userHandle !== undefined && userHandle !== ''
      if (isNamed ? userHandle !== handleOf(passkey.userId).toString('base64url') : userId === null) throw problem('factor.invalid')
      const { authenticationInfo } = await verified(async () => (await library()).verifyAuthenticationResponse({
        response: assertion, ...options, requireUserVerification: userId === null,
        credential: { id: assertion.id, publicKey: passkey.publicKey, counter: passkey.counter, transports: passkey.transports },
      }))
      const { newCounter, userVerified, credentialBackedUp } = authenticationInfo
      const used = async (tx: Tx): Promise<boolean> =>
        (await challenges.consume(tx, challenge)) && store.use(tx, passkey.id, newCounter, credentialBackedUp, new Date(clock.now()))
      return { userId: passkey.userId, method: 'passkey', amr: [passkey.isSynced ? 'swk' : 'hwk', 'user'], isMultiFactor: userVerified, consume: used }
    },
  }
}
