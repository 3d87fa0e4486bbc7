// Requests to the OAuth endpoints that are wrong in one way each, in the size that hurts most. Read by the fuzz, which asks that none is
// a failure of ours, and by npm run test:timing, which asks what each costs.
import type { FastifyInstance } from 'fastify'
import { API, basic } from './oauth.js'

export interface WrongRequest {
  name: string
  /** asks once, from an address of its own, and answers the status */
  send: () => Promise<number>
}

const ENDS = ['token', 'par', 'introspect', 'revoke', 'userinfo', 'logout', 'register', 'authorize', 'protected-resource']
const READ = ['userinfo', 'logout', 'authorize', 'protected-resource']

/** The bodies, by what is wrong with them; `good` is an authorization request that would be answered. */
function wrongBodies(good: Record<string, string>): Record<string, string> {
  const scopes = (count: number): string => Array.from({ length: count }, (_, at) => `s${at.toString(36)}`).join('+')
  const form = (name: string, value: string): string => `${new URLSearchParams(good).toString()}&grant_type=client_credentials&token=x&${name}=${value}`
  return {
    'nothing': '',
    'fifty thousand scopes': form('scope', scopes(50_000)),
    'as many scopes as fit': form('scope', scopes(7_000)),
    'one scope of 30 KB': form('scope', 'x'.repeat(30_000)),
    'the same scope': form('scope', 'read+'.repeat(6_000)),
    'each twice': `${form('a', 'b')}&${form('a', 'b')}`,
    'ten thousand parameters': 'a&'.repeat(10_000),
    'sixty-one names': Array.from({ length: 61 }, (_, at) => `n${at}=1`).join('&'),
    'separators alone': '&'.repeat(30_000),
    'equals signs': form('x', '='.repeat(30_000)),
    'a long name': `${'n'.repeat(30_000)}=1`,
    'escaped escapes': form('state', '%2525'.repeat(6_000)),
    'half an escape': form('state', '%'),
    'no UTF-8': form('state', '%c3%28'),
    'overlong UTF-8': form('state', '%c0%af'),
    'a zero': form('code', '%00'),
    'spaces': form('scope', '+'.repeat(30_000)),
    'two hundred resources': form('resource', API) + `&resource=${encodeURIComponent(API)}`.repeat(200),
    'twenty resources': `${new URLSearchParams(good).toString()}${`&resource=${encodeURIComponent(API)}`.repeat(20)}`,
    'nested claims': form('claims', encodeURIComponent('[{"a":'.repeat(3_000))),
    'a deep object': form('claims', encodeURIComponent('{"id_token":'.repeat(800) + '1' + '}'.repeat(800))),
    'a JWT of dots': form('id_token_hint', '.'.repeat(8_000)),
    'an assertion of dots': `client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer&client_assertion=${'.'.repeat(30_000)}`,
    'an assertion of 8 KB': `client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer&client_assertion=${'A'.repeat(4_000)}.${'A'.repeat(4_000)}.A`,
    'a token of 30 KB': form('token', 'a.'.repeat(15_000)),
    'a challenge of 30 KB': form('code_challenge', 'A'.repeat(30_000)),
    'a redirect of 30 KB': form('redirect_uri', `https://x.example/${'a/'.repeat(14_000)}`),
    'a client of 30 KB': `client_id=${'c'.repeat(30_000)}&grant_type=client_credentials`,
    'numbers for texts': form('max_age', '1e400'),
    'prompts without end': form('prompt', 'none+'.repeat(6_000)),
    'acr without end': form('acr_values', 'x+'.repeat(14_000)),
  }
}

/** Every kind of wrongness at every endpoint, by nobody, by the client itself and by a name without end. */
export function* wrongnessAtEachEnd(app: FastifyInstance, good: Record<string, string>, client: { clientId: string; clientSecret: string | null }): Generator<WrongRequest> {
  const senders: Record<string, Record<string, string>> = {
    'nobody': {}, 'the client': basic(client.clientId, client.clientSecret ?? ''), 'a name of 30 KB': { authorization: `Basic ${Buffer.from(`${'%41'.repeat(10_000)}:x`).toString('base64')}` },
  }
  let asked = 0
  for (const end of ENDS) {
    for (const [what, body] of Object.entries(wrongBodies(good))) {
      for (const [who, headers] of Object.entries(end === 'token' || end === 'par' ? senders : { nobody: {} })) {
        for (const isRead of READ.includes(end) ? [true, false] : [false]) {
          const send = async (): Promise<number> => {
            const remoteAddress = `10.4.${(asked += 1) >> 8}.${asked & 255}`
            const type = end === 'register' ? 'application/json' : 'application/x-www-form-urlencoded'
            // an address of more than 16 KB is refused by node:http
            const response = await (isRead ? app.inject({ url: `/oauth/${end}?${body.slice(0, 15_000)}`, headers, remoteAddress }) : app.inject({ method: 'POST', url: `/oauth/${end}`, headers: { 'content-type': type, ...headers }, payload: body, remoteAddress }))
            return response.statusCode
          }
          yield { name: `${isRead ? 'GET' : 'POST'} ${end}, ${what}, by ${who}`, send }
        }
      }
    }
  }
}
