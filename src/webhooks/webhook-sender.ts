// One message to one endpoint: signed, sent by the safe way out, and what came of it in a fixed phrase. An organization's goes by a way of its own, which opens no address of
// the operator's networks, and its people are not told what lies there.
import type { EventView } from '../events/index.js'
import type { Clock } from '../kernel/clock.js'
import type { Secrets } from '../kernel/secrets.js'
import { type Outbound, OutboundError, wayOfOwner } from '../outbound/index.js'
import { askedWaitMs, bodyOf, headersOf } from './webhook-rules.js'

/** What messages are signed with: this secret, and the one before it for as long as it overlaps. */
export interface Sealed {
  id: string
  secretCiphertext: Uint8Array
  previousCiphertext: Uint8Array | null
  previousUntil: Date | null
}

/** Where a message goes. */
export interface Addressee {
  url: string
  /** null: the operator's */
  organizationId: string | null
}

export interface Sent {
  /** null: taken */
  error: string | null
  /** the endpoint says that it is no more (410) */
  isGone: boolean
  /** what it asks to wait, in ms */
  askedMs: number
}

export interface WebhookSender {
  /** Throws when the secrets are under a GATEHOUSE_SECRET that is gone. */
  secretsOf: (endpoint: Sealed) => string[]
  send: (to: Addressee, secrets: readonly string[], event: EventView) => Promise<Sent>
}

export const PURPOSE = 'webhook-secret'
const TIMEOUT_MS = 10_000
const MOST_BYTES = 64 * 1024
const GONE = 410

export interface WebhookSenderDeps {
  outbound: Pick<Outbound, 'fetch'>
  secrets: Secrets
  clock: Clock
}

/** Which names there are in the operator's networks, and where they lead, is told to no organization. */
const phraseOf = ({ reason, message }: OutboundError, { organizationId }: Addressee): string =>
  (organizationId !== null && (reason === 'refused' || reason === 'unreachable') ? 'unreachable: it does not answer, or may not be asked' : `${reason}: ${message}`)

export function createWebhookSender({ outbound, secrets, clock }: WebhookSenderDeps): WebhookSender {
  return {
    secretsOf({ id, secretCiphertext, previousCiphertext, previousUntil }) {
      const before = previousCiphertext !== null && previousUntil !== null && previousUntil.getTime() > clock.now() ? [previousCiphertext] : []
      return [secretCiphertext, ...before].map((sealed) => secrets.decrypt(PURPOSE, id, sealed))
    },
    async send(to, keys, event) {
      const body = bodyOf(event)
      try {
        const { status, headers } = await outbound.fetch(to.url, { way: wayOfOwner(to.organizationId), method: 'POST', headers: headersOf(event.id, clock.now(), body, keys), body, timeoutMs: TIMEOUT_MS, mostBytes: MOST_BYTES })
        if (status >= 200 && status < 300) return { error: null, isGone: false, askedMs: 0 }
        return { error: `it answered ${status}`, isGone: status === GONE, askedMs: askedWaitMs(headers.get('retry-after'), clock.now()) }
      } catch (error) {
        if (!(error instanceof OutboundError)) throw error
        return { error: phraseOf(error, to), isGone: false, askedMs: 0 }
      }
    },
  }
}
