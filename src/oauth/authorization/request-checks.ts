// What an authorization request must be, as a table of named checks that are made in this order: each reads what those before it have found. The first two
// tell on a page, the rest tell the client. What comes out is all that is asked for, and nothing of it has been decided.
import { type ClientDirectory, isConfidential, isIdentityScope, isRegistered, type KnownClient, type KnownResource, OAuthError, type Parameters } from '../../clients/index.js'
import { MULTI_FACTOR } from '../../kernel/assurance.js'
import { mayAskFor, readScope, scopesAt } from '../resource-rules.js'
import { AuthorizationError } from './authorization-error.js'
import { type AskedClaims, readClaims } from './claims-rules.js'
import { isChallenge } from './pkce.js'

export interface AuthorizationRequest {
  client: KnownClient
  redirectUri: string
  state: string
  challenge: string | null
  nonce: string | null
  prompts: ReadonlySet<string>
  /** seconds; null: however long ago */
  maxAge: number | null
  scopes: string[]
  resources: KnownResource[]
  claims: AskedClaims
  /** `wanted`: a second factor, if there is one; `essential`: or nothing */
  mfa: 'none' | 'wanted' | 'essential'
  /** whose sign-in it must be; null: anybody's */
  hintedUserId: string | null
  loginHint: string
}

/** What checks need beside the request. */
export interface CheckNeeds {
  directory: ClientDirectory
  /** Whose id token it is; null: none of ours, for this client. */
  subjectOfHint: (idToken: string, client: KnownClient) => Promise<string | null>
}

interface Draft extends AuthorizationRequest {
  parameters: Parameters
}

export interface Check {
  name: string
  check: (draft: Draft, needs: CheckNeeds) => void | Promise<void>
}

const PROMPTS = new Set(['none', 'login', 'consent', 'select_account'])
const MOST_TEXT = 1_500

const refuse = (error: ConstructorParameters<typeof OAuthError>[0], description: string): never => {
  throw new OAuthError(error, description)
}

export const ON_PAGE: readonly Check[] = [
  {
    name: 'the client is one that is let in',
    async check(draft, { directory }) {
      const clientId = draft.parameters.get('client_id')
      if (clientId === '') refuse('invalid_request', 'client_id is missing')
      const client = await directory.client(clientId)
      if (!client?.enabled) throw new OAuthError('invalid_client', 'There is no such client')
      draft.client = client
    },
  },
  {
    name: 'people are sent to an address of the client',
    check(draft) {
      const asked = draft.parameters.get('redirect_uri')
      if (asked === '') refuse('invalid_request', 'redirect_uri is missing')
      if (!isRegistered(asked, draft.client)) refuse('invalid_request', 'redirect_uri is none of the client\'s')
      draft.redirectUri = asked
      draft.state = draft.parameters.get('state')
    },
  },
]

export const TO_CLIENT: readonly Check[] = [
  {
    name: 'texts that go back are not too long',
    check({ parameters }) {
      for (const name of ['state', 'nonce', 'login_hint', 'acr_values']) if (parameters.get(name).length > MOST_TEXT) refuse('invalid_request', `${name} is too long`)
    },
  },
  {
    name: 'a request comes as parameters, or as one that was pushed',
    check({ parameters }) {
      if (parameters.has('request')) refuse('request_not_supported', 'Request objects are not taken')
      if (parameters.get('request_uri').startsWith('urn:ietf:params:oauth:request_uri:')) refuse('invalid_request_uri', 'There is no such pushed request')
      if (parameters.has('request_uri')) refuse('request_uri_not_supported', 'Only requests that were pushed are taken by reference')
      if (parameters.has('registration')) refuse('registration_not_supported', 'registration is not taken')
    },
  },
  {
    name: 'what comes back is a code, in the query',
    check({ parameters }) {
      const type = parameters.get('response_type')
      if (type === '') refuse('invalid_request', 'response_type is missing')
      if (type !== 'code') refuse('unsupported_response_type', 'response_type must be code')
      if (parameters.has('response_mode') && parameters.get('response_mode') !== 'query') refuse('invalid_request', 'response_mode must be query')
    },
  },
  {
    name: 'the client may have people sign in',
    check({ client }) {
      if (!client.grantTypes.includes('authorization_code')) refuse('unauthorized_client', 'The client may not ask for codes')
    },
  },
  {
    name: 'the code is bound to whoever asks for it',
    check(draft) {
      const { parameters, client } = draft
      const [challenge, method] = [parameters.get('code_challenge'), parameters.get('code_challenge_method')]
      draft.nonce = parameters.has('nonce') ? parameters.get('nonce') : null
      if (challenge === '') {
        if (method !== '') refuse('invalid_request', 'code_challenge is missing')
        if (client.requirePkce || !isConfidential(client)) refuse('invalid_request', 'code_challenge is missing: PKCE is needed')
        if (draft.nonce === null) refuse('invalid_request', 'Without code_challenge there must be a nonce')
        return
      }
      if (method !== 'S256') refuse('invalid_request', 'code_challenge_method must be S256')
      if (!isChallenge(challenge)) refuse('invalid_request', 'code_challenge is none of S256')
      draft.challenge = challenge
    },
  },
  {
    name: 'it says what may be shown',
    check(draft) {
      const prompts = draft.parameters.get('prompt').split(' ').filter((one) => one !== '')
      if (prompts.some((one) => !PROMPTS.has(one))) refuse('invalid_request', 'prompt is none, login, consent or select_account')
      if (prompts.includes('none') && prompts.length > 1) refuse('invalid_request', 'prompt=none stands alone')
      draft.prompts = new Set(prompts)
    },
  },
  {
    name: 'it says how long ago people may have proven who they are',
    check(draft) {
      const text = draft.parameters.get('max_age')
      if (text !== '' && !/^\d{1,9}$/.test(text)) refuse('invalid_request', 'max_age must be a number of seconds')
      draft.maxAge = text === '' ? draft.client.defaultMaxAge : Number(text)
    },
  },
  {
    name: 'claims are asked for by name',
    check(draft) {
      draft.claims = readClaims(draft.parameters.get('claims'))
    },
  },
  {
    name: 'the resources are such as the client may ask for',
    async check(draft, { directory }) {
      for (const identifier of new Set(draft.parameters.resources)) {
        const resource = await directory.resource(identifier)
        if (!resource || !mayAskFor(draft.client, resource)) throw new OAuthError('invalid_target', 'The client may not ask for one of the resources')
        draft.resources.push(resource)
      }
    },
  },
  {
    // what a client may not have it is not given, and told so by the scope it gets (RFC 6749 3.3)
    name: 'something is asked for that the client may have',
    check(draft) {
      const { client, resources, claims, parameters } = draft
      const ofResources = resources.flatMap((resource) => scopesAt(client, resource))
      const asked = readScope(parameters.get('scope'))
      const wanted = asked.length === 0 ? ofResources : [...asked, ...(asked.includes('openid') ? claims.scopes : [])]
      const may = (one: string): boolean => (isIdentityScope(one) ? client.scopes.includes(one) && (one !== 'offline_access' || client.grantTypes.includes('refresh_token')) : ofResources.includes(one))
      draft.scopes = [...new Set(wanted)].filter(may)
      if (draft.scopes.length === 0) refuse('invalid_scope', asked.length === 0 ? 'scope is missing' : 'The client may have none of the scopes')
    },
  },
  {
    name: 'it says how well people must prove who they are',
    check(draft) {
      const values = draft.parameters.get('acr_values').split(' ')
      const { essentialAcr } = draft.claims
      // the first is the one that is wanted most (OpenID Connect Core 3.1.2.1)
      if (values[0] === MULTI_FACTOR || (essentialAcr.length > 0 && essentialAcr.includes(MULTI_FACTOR))) draft.mfa = 'wanted'
      if (essentialAcr.length > 0 && essentialAcr.every((one) => one === MULTI_FACTOR)) draft.mfa = 'essential'
    },
  },
  {
    name: 'whose sign-in it must be is said by an id token of this client',
    async check(draft, { subjectOfHint }) {
      draft.loginHint = draft.parameters.get('login_hint')
      const hint = draft.parameters.get('id_token_hint')
      if (hint === '') return
      const subject = await subjectOfHint(hint, draft.client)
      if (subject === null) throw new OAuthError('invalid_request', 'id_token_hint is no id token of this client')
      draft.hintedUserId = subject
    },
  },
]

const NO_CLIENT = {} as KnownClient

/** All that is asked for. Throws AuthorizationError. */
export async function readAuthorizationRequest(parameters: Parameters, needs: CheckNeeds): Promise<AuthorizationRequest> {
  const draft: Draft = {
    parameters, client: NO_CLIENT, redirectUri: '', state: '', challenge: null, nonce: null, prompts: new Set(), maxAge: null, scopes: [], resources: [], claims: { idToken: [], scopes: [], essentialAcr: [] }, mfa: 'none',
    hintedUserId: null, loginHint: '',
  }
  const run = async (checks: readonly Check[], redirect: boolean): Promise<void> => {
    try {
      for (const { check } of checks) await check(draft, needs)
    } catch (error) {
      if (error instanceof OAuthError) throw new AuthorizationError(error.error, error.message, redirect ? { uri: draft.redirectUri, state: draft.state } : null)
      throw error
    }
  }
  await run(ON_PAGE, false)
  await run(TO_CLIENT, true)
  const { parameters: _, ...request } = draft
  return request
}
