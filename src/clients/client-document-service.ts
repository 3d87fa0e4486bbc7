// Client id metadata documents (draft-ietf-oauth-client-id-metadata-document): a client whose name is the address of what it says of itself. Read as anything is whose
// address a stranger names, seldom and by few; what it says counts until it is read again, and its people are always asked.
import { LRUCache } from 'lru-cache'
import type { Transact } from '../database/transaction.js'
import type { Clock } from '../kernel/clock.js'
import { isProblem } from '../kernel/errors.js'
import { newId } from '../kernel/ids.js'
import { type Outbound, OutboundError } from '../outbound/index.js'
import type { ClientDirectory, KnownClient } from './client-directory.js'
import type { ClientFields } from './client-rules.js'
import type { ClientStore } from './client-store.js'
import { OAuthError } from './oauth-error.js'
import { clientOf, type Metadata } from './registration-rules.js'
import type { RegistrationService } from './registration-service.js'
import type { RegistrationStore } from './registration-store.js'

export interface ClientDocumentDeps {
  directory: ClientDirectory
  store: ClientStore
  registrations: RegistrationStore
  registration: Pick<RegistrationService, 'insert'>
  outbound: Pick<Outbound, 'fetch' | 'check'>
  transact: Transact
  clock: Clock
  publishRevocations: () => Promise<void>
  /** May a document of this host be asked for now? Strangers name it. */
  mayFetch: (host: string) => Promise<boolean>
}

const READ_EVERY_MS = 3_600_000
// one that cannot be read anew counts for a day
const COUNTS_MS = 86_400_000
const UNUSED_MS = 86_400_000
const FAILED_MS = 60_000
const MOST_BYTES = 64 * 1024
const MOST_FAILED = 5_000
const MOST_CHARACTERS = 500

/** Is it an address that may be a client's name: https, with a path, and nothing that two readers read differently? */
export function isDocumentName(text: string): boolean {
  if (text.length > MOST_CHARACTERS || !/^https?:\/\/[\x21-\x7e]+$/.test(text) || /[#\\@]/.test(text) || !URL.canParse(text)) return false
  const { href, pathname } = new URL(text)
  return href === text && pathname !== '/'
}

/** Directory by which clients are also known by their documents. */
export function withDocuments({ directory, store, registrations, registration, outbound, transact, clock, publishRevocations, mayFetch }: ClientDocumentDeps): ClientDirectory {
  const failed = new LRUCache<string, number>({ max: MOST_FAILED })
  const away = new LRUCache<string, number>({ max: MOST_FAILED })
  const reading = new Map<string, Promise<KnownClient | null>>()

  /** What the document says; null: there is none that counts; `away`: it could not be had now. */
  async function fetched(clientId: string): Promise<ClientFields | null | 'away'> {
    try {
      outbound.check(clientId)
      if (!(await mayFetch(new URL(clientId).host))) return 'away'
      const answer = await outbound.fetch(clientId, { way: 'strangers', mostBytes: MOST_BYTES, accept: ['application/json'] })
      if (answer.status >= 500 || answer.status === 429) return 'away'
      const metadata: unknown = answer.status === 200 ? await answer.json() : null
      if (typeof metadata !== 'object' || metadata === null || (metadata as Metadata)['client_id'] !== clientId) return null
      const fields = clientOf(metadata as Metadata, 'none')
      // whoever can read the document would know the secret
      return fields.authMethod === 'none' || fields.authMethod === 'private_key_jwt' ? fields : null
    } catch (error) {
      if (error instanceof OutboundError && error.reason !== 'refused') return 'away'
      if (error instanceof OutboundError || error instanceof OAuthError || error instanceof SyntaxError) return null
      throw error
    }
  }

  async function save(clientId: string, fields: ClientFields): Promise<void> {
    const now = new Date(clock.now())
    try {
      await transact(async (tx) => {
        const known = await registrations.findDocument(clientId)
        const row = known && (await store.lock(tx, known.id))
        const id = row?.id ?? newId()
        if (row) {
          // whether it may is not its own word
          const { kind: _, enabled: _administrators, ...rest } = fields
          const isSame = (Object.keys(rest) as (keyof typeof rest)[]).every((name) => JSON.stringify(row[name]) === JSON.stringify(rest[name]))
          if (!isSame) {
            await store.update(tx, id, row.version, rest, now)
            await registrations.forgetConsents(tx, id)
            await publishRevocations()
          }
        } else await registration.insert(tx, fields, { id, clientId, registration: 'document' })
        await registrations.note(tx, id, { tokenHash: null, expiresAt: row ? null : new Date(now.getTime() + UNUSED_MS), documentReadAt: now })
      })
    } catch (error) {
      // another node was quicker
      if (!isProblem(error, 'client.taken')) throw error
    }
  }

  async function read(clientId: string): Promise<KnownClient | null> {
    const known = await registrations.findDocument(clientId)
    const ageMs = known ? clock.now() - known.readAt.getTime() : Infinity
    if (ageMs < READ_EVERY_MS || (ageMs < COUNTS_MS && (away.get(clientId) ?? 0) > clock.monotonic())) return directory.client(clientId)
    const fields = await fetched(clientId)
    // strangers can use up what may be asked for, and hosts have bad hours: neither shall keep a client's people out
    if (fields === 'away' && ageMs < COUNTS_MS) {
      away.set(clientId, clock.monotonic() + FAILED_MS)
      return directory.client(clientId)
    }
    if (!fields || fields === 'away') {
      failed.set(clientId, clock.monotonic() + FAILED_MS)
      return null
    }
    await save(clientId, fields)
    return directory.client(clientId)
  }

  return {
    ...directory,
    client(clientId) {
      if (!isDocumentName(clientId)) return directory.client(clientId)
      if ((failed.get(clientId) ?? 0) > clock.monotonic()) return null
      let started = reading.get(clientId)
      if (!started) {
        started = read(clientId).finally(() => reading.delete(clientId))
        reading.set(clientId, started)
      }
      return started
    },
  }
}
