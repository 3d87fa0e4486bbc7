// A passkey in software: what a browser and its authenticator would send, with the faults that a test asks for. ES256, no attestation.
import { createHash, createSign, generateKeyPairSync, randomBytes } from 'node:crypto'

export interface AuthenticatorFaults {
  origin?: string
  rpId?: string
  challenge?: string
  isVerified?: boolean
  counter?: number
  userHandle?: string | null
  crossOrigin?: boolean
  type?: string
}

export interface Authenticator {
  id: string
  /** for POST /me/factors/passkeys */
  register: (options: { challenge: string; user: { id: string } }, faults?: AuthenticatorFaults) => object
  /** for POST /auth/passkey and its like */
  assert: (options: { challenge: string }, faults?: AuthenticatorFaults) => object
}

const sha256 = (data: string | Buffer): Buffer => createHash('sha256').update(data).digest()
const base64url = (data: string | Buffer): string => Buffer.from(data).toString('base64url')

function cborHead(major: number, value: number): Buffer {
  if (value < 24) return Buffer.from([(major << 5) | value])
  return value < 256 ? Buffer.from([(major << 5) | 24, value]) : Buffer.from([(major << 5) | 25, value >> 8, value & 255])
}
/** As much of CBOR (RFC 8949) as an attestation needs. */
function cbor(value: number | string | Buffer | Map<number | string, number | string | Buffer | Map<never, never>>): Buffer {
  if (typeof value === 'number') return value >= 0 ? cborHead(0, value) : cborHead(1, -1 - value)
  if (typeof value === 'string') return Buffer.concat([cborHead(3, Buffer.byteLength(value)), Buffer.from(value)])
  if (Buffer.isBuffer(value)) return Buffer.concat([cborHead(2, value.length), value])
  return Buffer.concat([cborHead(5, value.size), ...[...value].flatMap(([key, one]) => [cbor(key), cbor(one)])])
}

/** `counts`: does it keep a counter? `isSynced`: may it be copied to other devices? */
export function createAuthenticator({ origin, counts = false, isSynced = false, isVerified: verifies = true }: { origin: string; counts?: boolean; isSynced?: boolean; isVerified?: boolean }): Authenticator {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const { x = '', y = '' } = publicKey.export({ format: 'jwk' })
  const credentialId = randomBytes(32)
  let counter = 0
  let handle = ''

  const clientData = (type: string, challenge: string, faults: AuthenticatorFaults): Buffer =>
    Buffer.from(JSON.stringify({ type: faults.type ?? type, challenge: faults.challenge ?? challenge, origin: faults.origin ?? origin, crossOrigin: faults.crossOrigin ?? false }))

  function authData(faults: AuthenticatorFaults, attested: Buffer = Buffer.alloc(0)): Buffer {
    const isVerified = faults.isVerified ?? verifies
    const flags = 0x01 | (isVerified ? 0x04 : 0) | (isSynced ? 0x18 : 0) | (attested.length > 0 ? 0x40 : 0)
    const count = Buffer.alloc(4)
    count.writeUInt32BE(faults.counter ?? counter)
    return Buffer.concat([sha256(faults.rpId ?? new URL(origin).hostname), Buffer.from([flags]), count, attested])
  }

  const common = { id: base64url(credentialId), rawId: base64url(credentialId), type: 'public-key', clientExtensionResults: {} }
  return {
    id: common.id,
    register({ challenge, user }, faults = {}) {
      handle = user.id
      if (counts) counter += 1
      const key = cbor(new Map<number, number | Buffer>([[1, 2], [3, -7], [-1, 1], [-2, Buffer.from(x, 'base64url')], [-3, Buffer.from(y, 'base64url')]]))
      const length = Buffer.from([0, credentialId.length])
      const data = authData(faults, Buffer.concat([Buffer.alloc(16), length, credentialId, key]))
      const attestation = cbor(new Map<string, string | Buffer | Map<never, never>>([['fmt', 'none'], ['attStmt', new Map<never, never>()], ['authData', data]]))
      return { ...common, response: { clientDataJSON: base64url(clientData('webauthn.create', challenge, faults)), attestationObject: base64url(attestation), transports: ['internal'] } }
    },
    assert({ challenge }, faults = {}) {
      if (counts) counter += 1
      const client = clientData('webauthn.get', challenge, faults)
      const data = authData(faults)
      const signature = createSign('sha256').update(Buffer.concat([data, sha256(client)])).sign(privateKey)
      const userHandle = faults.userHandle === undefined ? handle : faults.userHandle
      return {
        ...common,
        response: { clientDataJSON: base64url(client), authenticatorData: base64url(data), signature: base64url(signature), ...(userHandle === null ? {} : { userHandle }) },
      }
    },
  }
}
