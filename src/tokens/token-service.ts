// Tokens: access tokens of sessions (JWTs of RFC 9068, `at+jwt`, EdDSA), access tokens of clients for an API, and whatever else is signed. This decides
// their claims and judges them. Whether what stands behind one still lives is not in the token: the authorizer asks that separately.
import type { Assurance } from '../kernel/assurance.js'
import type { Clock } from '../kernel/clock.js'
import { problem } from '../kernel/errors.js'
import { isUuid, newId } from '../kernel/ids.js'
import { signJws, type TokenType, verifyJws } from './jws.js'
import type { KeyRing } from './key-ring.js'
import type { PublicJwk, SigningAlgorithm, SigningKey } from './signing-key-store.js'

/** Signs and checks a token with an EdDSA key; knows algorithm and `typ`, and nothing of claims. */
export interface TokenSigner {
  sign: (claims: Record<string, unknown>, key: SigningKey) => string
  /** the key id of the token's header. Throws when the token cannot be read. */
  keyIdOf: (token: string) => string | undefined
  /** the claims. Throws unless signature, algorithm and `typ` are right. */
  verify: (token: string, key: SigningKey) => Record<string, unknown>
}

/** Of a session: it opens Gatehouse's own API, and what asks for no audience. */
export interface SessionToken {
  kind: 'session'
  userId: string
  sessionId: string
  /** in which the user acts; null: in none */
  organizationId: string | null
  expiresAt: Date
}

/** Of a client, for one audience and no other. `sessionId`: the grant that somebody gave it; null: it acts for itself. */
export interface ClientToken {
  kind: 'client'
  clientId: string
  /** of the user, or the client itself */
  subject: string
  sessionId: string | null
  audience: string
  scopes: readonly string[]
  tokenId: string
  issuedAt: Date
  expiresAt: Date
}

export type AccessToken = SessionToken | ClientToken

export interface NewClientToken extends Omit<ClientToken, 'kind' | 'tokenId' | 'issuedAt' | 'expiresAt' | 'sessionId'> {
  sessionId?: string
  seconds: number
  algorithm: SigningAlgorithm
  assurance?: Assurance
}

export interface TokenService {
  /**
   * A signed access token of a session, which says how and when its owner proved themselves (RFC 9068 2.2.1). `act`: who acts for the user (RFC 8693 4.1);
   * `seconds`: how long it lives, when not as long as any.
   */
  issue: (subject: { userId: string; sessionId: string; act?: { sub: string; sid: string }; seconds?: number; organizationId?: string | null } & Assurance) => string
  /** A signed access token of a client for an audience (RFC 9068). */
  issueFor: (token: NewClientToken) => string | Promise<string>
  /** Signs claims as they are; `iss` is added. */
  sign: (claims: Record<string, unknown>, type: TokenType, algorithm: SigningAlgorithm) => Promise<string>
  /** The claims of a token of that type that was signed here, whenever that was and however old it is; null for any other. */
  read: (token: string, type: TokenType) => Promise<Record<string, unknown> | null>
  /** What an access token is. Throws token.invalid, or token.expired for a genuine token past its time. */
  verify: (token: string) => Promise<AccessToken>
  /** What others verify tokens with, the signing key of access tokens first (RFC 7517): the same list for as long as nothing of it changes. A promise when the keys have to be read. */
  publicKeys: () => readonly PublishedKey[] | Promise<readonly PublishedKey[]>
  /** Makes the keys of these algorithms that there are not yet, so that they are published before they sign. A promise when there are such. */
  prepare: (algorithms: readonly SigningAlgorithm[]) => void | Promise<void>
}

export type PublishedKey = PublicJwk & {
  kid: string
  use: 'sig'
  alg: SigningAlgorithm
}

export interface TokenServiceDeps {
  store: KeyRing
  signer: TokenSigner
  /** the origin in `iss` and `aud` */
  issuer: () => string
  clock: Clock
  accessTokenSeconds: number
}

const MAX_LENGTH = 8_192
// nobody's client: the audience is Gatehouse itself
const OWN_CLIENT = 'gatehouse'

/** Whatever the signer finds wrong with a token is one answer to its bearer. */
function attempt<T>(work: () => T): T {
  try {
    return work()
  } catch (cause) {
    throw problem('token.invalid', { cause })
  }
}

const isText = (value: unknown): value is string => typeof value === 'string' && value !== ''

function sessionTokenOf({ sub, sid, exp, org, client_id: clientId }: Record<string, unknown>): SessionToken | null {
  if (clientId !== undefined && clientId !== OWN_CLIENT) return null
  if (!isText(sub) || !isText(sid) || typeof exp !== 'number' || !isUuid(sub) || !isUuid(sid)) return null
  if (org !== undefined && (!isText(org) || !isUuid(org))) return null
  return { kind: 'session', userId: sub, sessionId: sid, organizationId: isText(org) ? org : null, expiresAt: new Date(exp * 1_000) }
}

function clientTokenOf({ aud, sub, sid, exp, iat, jti, client_id: clientId, scope }: Record<string, unknown>): ClientToken | null {
  if (!isText(aud) || !isText(sub) || !isText(jti) || !isText(clientId) || clientId === OWN_CLIENT || typeof scope !== 'string' || typeof exp !== 'number' || typeof iat !== 'number' || !isUuid(jti)) return null
  // of a person by a grant, or of the client itself
  if (sid === undefined ? sub !== clientId : !isText(sid) || !isUuid(sid) || !isUuid(sub)) return null
  return {
    kind: 'client', clientId, subject: sub, sessionId: isText(sid) ? sid : null, audience: aud, scopes: scope.split(' ').filter((one) => one !== ''), tokenId: jti,
    issuedAt: new Date(iat * 1_000), expiresAt: new Date(exp * 1_000),
  }
}

const assuranceClaims = ({ amr, acr, authTime }: Assurance) => ({ amr, acr, auth_time: Math.floor(authTime.getTime() / 1_000) })

export function createTokenService({ store, signer, issuer, clock, accessTokenSeconds }: TokenServiceDeps): TokenService {
  const seconds = (): number => Math.floor(clock.now() / 1_000)

  async function keyOf(token: string): Promise<SigningKey | undefined> {
    const kid = attempt(() => signer.keyIdOf(token))
    return typeof kid === 'string' ? store.find(kid) : undefined
  }

  async function claimsOf(token: string, key: SigningKey): Promise<Record<string, unknown>> {
    if (key.algorithm === 'EdDSA') return attempt(() => signer.verify(token, key))
    const claims = await verifyJws(token, 'at+jwt', key)
    if (!claims) throw problem('token.invalid')
    return claims
  }

  // Ed25519 is done before another thread would have been told of it; RSA takes a thread for as long as ten requests take
  const signed = (claims: Record<string, unknown>, key: SigningKey): string | Promise<string> => (key.algorithm === 'EdDSA' ? signer.sign(claims, key) : signJws(claims, 'at+jwt', key))

  let published: readonly PublishedKey[] = []
  function publishedNow(): readonly PublishedKey[] {
    const first = store.current()
    const keys = [first, ...store.all().filter((key) => key !== first)]
    // a key's id is the hash of all that is published of it
    if (keys.length !== published.length || keys.some(({ kid }, at) => kid !== published[at]?.kid)) published = keys.map(({ kid, publicJwk, algorithm }) => ({ ...publicJwk, kid, use: 'sig', alg: algorithm }))
    return published
  }

  return {
    issue({ userId, sessionId, amr, acr, authTime, act, organizationId, seconds: life = accessTokenSeconds }) {
      const iat = seconds()
      const iss = issuer()
      const claims = {
        iss, aud: iss, client_id: OWN_CLIENT, sub: userId, sid: sessionId, jti: newId(), iat, exp: iat + life, ...assuranceClaims({ amr, acr, authTime }), ...(act ? { act } : {}),
        ...(organizationId ? { org: organizationId } : {}),
      }
      return signer.sign(claims, store.current())
    },
    issueFor({ clientId, subject, sessionId, audience, scopes, seconds: life, algorithm, assurance }) {
      const iat = seconds()
      const claims = {
        iss: issuer(), aud: audience, client_id: clientId, sub: subject, ...(sessionId === undefined ? {} : { sid: sessionId }), scope: scopes.join(' '), jti: newId(), iat, exp: iat + life,
        ...(assurance ? assuranceClaims(assurance) : {}),
      }
      const key = store.signing(algorithm)
      if (key instanceof Promise) return key.then((made) => signed(claims, made))
      return signed(claims, key)
    },
    sign: async (claims, type, algorithm) => signJws({ iss: issuer(), ...claims }, type, await store.signing(algorithm)),
    async read(token, type) {
      if (token.length > MAX_LENGTH) return null
      const key = await keyOf(token).catch(() => undefined)
      const claims = key ? await verifyJws(token, type, key) : null
      return claims?.['iss'] === issuer() ? claims : null
    },
    async verify(token) {
      if (token.length > MAX_LENGTH) throw problem('token.invalid')
      const key = await keyOf(token)
      if (!key) throw problem('token.invalid')
      const claims = await claimsOf(token, key)
      if (claims['iss'] !== issuer()) throw problem('token.invalid')
      const read = claims['aud'] === issuer() ? sessionTokenOf(claims) : clientTokenOf(claims)
      if (!read) throw problem('token.invalid')
      if (read.expiresAt.getTime() <= clock.now()) throw problem('token.expired')
      return read
    },
    publicKeys() {
      const reading = store.refresh()
      return reading ? reading.then(publishedNow) : publishedNow()
    },
    prepare(algorithms) {
      const missing = algorithms.map((algorithm) => store.signing(algorithm)).filter((key) => key instanceof Promise)
      if (missing.length > 0) return Promise.all(missing).then(() => undefined)
      return undefined
    },
  }
}
