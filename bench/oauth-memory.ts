// What a client in memory costs: the real directory under the real rules of held rows, in a process of its own, filled with clients as the database's driver
// would hand them over, and the growth of the heap after garbage collections. Run with --expose-gc.
import { randomBytes } from 'node:crypto'
import pg from 'pg'
import { createClientDirectory } from '../src/clients/client-directory.js'
import { newId } from '../src/kernel/ids.js'
import { systemClock } from '../src/kernel/clock.js'
import { createHeldRows } from '../src/revocation/held-rows.js'
import { createRevocations } from '../src/revocation/revocations.js'
import { answerMemory, usedBytes } from './memory-process.js'
import type { MemoryOrder, MemoryResult } from './protocol.js'

const LEASE_MS = 60_000
const WARM_UP_ENTRIES = 2_000
const TEXT_ARRAY = 1009
const JSON_TYPE = 114

const types = pg.types as unknown as { getTypeParser: (type: number, format: 'text') => (value: string) => unknown }
const text = (value: string): string => Buffer.from(value).toString()
const column = (type: number, value: string): unknown => types.getTypeParser(type, 'text')(text(value))

/** A web application with a secret, two addresses and an API. */
function rowOf(clientId: string): object {
  return {
    asOf: 1, id: text(newId()), clientId: text(clientId), kind: text('web'), name: text(`Application ${clientId}`), authMethod: text('client_secret_basic'), grantTypes: column(TEXT_ARRAY, '{authorization_code,refresh_token}'),
    redirectUris: column(TEXT_ARRAY, `{https://${clientId}.example.com/callback,https://staging.${clientId}.example.com/callback}`), postLogoutRedirectUris: column(TEXT_ARRAY, `{https://${clientId}.example.com/}`),
    backchannelLogoutUri: text(`https://${clientId}.example.com/logout`), scopes: column(TEXT_ARRAY, '{openid,profile,email,offline_access,read,write}'), resources: column(TEXT_ARRAY, '{https://api.example.com}'),
    firstParty: false, requirePkce: true, enabled: true, jwks: null, jwksUri: null, idTokenAlgorithm: text('RS256'), defaultMaxAge: null, clientUri: text(`https://${clientId}.example.com`), policyUri: null, tosUri: null, organizationId: null, entitlement: null,
    registration: text('administrator'), secrets: column(JSON_TYPE, JSON.stringify([{ hash: randomBytes(32).toString('hex'), expiresAtMs: null }])),
  }
}

async function fill(entries: number) {
  const revocations = createRevocations({ clock: systemClock, leaseMs: LEASE_MS })
  revocations.applyPoll({ startedAt: revocations.now(), server: 'memory', head: 1, rows: [] })
  const pool = { query: async ({ values: [clientId] }: { values: string[] }) => ({ rows: [rowOf(clientId ?? '')] }) } as unknown as pg.Pool
  const directory = createClientDirectory({ pool, hold: (how) => createHeldRows({ revocations, ...how, most: entries }) })
  for (let at = 0; at < entries; at += 1) await directory.client(`client-${at}`)
  return directory
}

async function measure({ entries }: MemoryOrder): Promise<MemoryResult> {
  await fill(WARM_UP_ENTRIES)
  const beforeBytes = usedBytes()
  const directory = await fill(entries)
  const bytes = usedBytes() - beforeBytes
  // what is held is answered without a promise
  const held = Array.from({ length: entries }, (_, at) => directory.client(`client-${at}`)).filter((found) => !(found instanceof Promise)).length
  return { entries: held, bytesEach: bytes / entries, estimatedEach: 0 }
}

answerMemory(measure)
