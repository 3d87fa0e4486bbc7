// The shapes of webhooks on the wire.
import { Type } from '@sinclair/typebox'
import { Id, NullableTime, strict, Time, TimeFilter } from '../../plugins/http/route-kit.js'
import { pageOf, pageQuery } from '../../src/kernel/page.js'

const Url = Type.String({ minLength: 8, maxLength: 2000, description: 'https, or what OUTBOUND_ALLOW lets in besides' })
const Description = Type.String({ maxLength: 200 })
const Types = Type.Array(Type.String({ maxLength: 100, pattern: '^[a-z_]+\\.([a-z_]+|\\*)$' }), { maxItems: 50, uniqueItems: true, description: 'Kinds of events (docs/events.md), also `key.*`; none: all that you are told of yourself' })

const example = {
  id: '0198c0de-7d3a-7c1e-9a53-0d9a3c0b6f77', url: 'https://hooks.example.com/gatehouse', description: 'billing', types: ['key.*', 'user.suspended'], enabled: true, disabledFor: null,
  givenBy: '0198c0de-7d3a-7c1e-9a53-0d9a3c0b6f00', givenViaKey: null, previousSecretUntil: null, failingSince: null, lastSuccessAt: '2027-01-01T09:00:00.000Z', lastError: null, version: 1,
  createdAt: '2027-01-01T09:00:00.000Z', updatedAt: '2027-01-01T09:00:00.000Z',
}
const fields = {
  id: Type.String({ format: 'uuid' }),
  url: Type.String(),
  description: Type.String(),
  types: Type.Array(Type.String()),
  enabled: Type.Boolean(),
  disabledFor: Type.Union([Type.String(), Type.Null()], { description: 'asked; failing: it took nothing for five days; gone: it answered 410' }),
  givenBy: Type.String({ format: 'uuid', description: 'Who said where events go: it is told what they may see, and an organization\'s what its log has' }),
  givenViaKey: Type.Union([Type.String({ format: 'uuid' }), Type.Null()], { description: 'The key they said it with: it is told what that key may see' }),
  previousSecretUntil: NullableTime,
  failingSince: NullableTime,
  lastSuccessAt: NullableTime,
  lastError: Type.Union([Type.String(), Type.Null()]),
  version: Type.Integer({ description: 'Second half of the ETag' }),
  createdAt: Time,
  updatedAt: Time,
}
const Secret = Type.String({ description: 'whsec_ and base64: what messages are signed with. Told this once' })
const secretExample = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo='

export const Webhook = Type.Object(fields, { examples: [example] })
export const WebhookWithSecret = Type.Object({ ...fields, secret: Secret }, { examples: [{ ...example, secret: secretExample }] })
export const WebhookPage = pageOf(Webhook)
export const WebhookQuery = pageQuery(['createdAt'], fields, { givenBy: Type.Optional(Id) })
export const OrganizationWebhookQuery = pageQuery(['createdAt'], fields, {})
export const OrganizationWebhookParams = strict({ id: Id, webhookId: Id })
export const NewWebhook = strict({ url: Url, description: Type.Optional(Description), types: Type.Optional(Types) }, {
  examples: [{ url: 'https://hooks.example.com/gatehouse', description: 'billing', types: ['key.*', 'user.suspended'] }],
})
export const WebhookPatch = strict({ url: Type.Optional(Url), description: Type.Optional(Description), types: Type.Optional(Types), enabled: Type.Optional(Type.Boolean()) }, {
  minProperties: 1, examples: [{ types: ['key.revoked'] }],
})
export const RotateSecret = strict({ overlapHours: Type.Integer({ minimum: 0, maximum: 168, default: 24, description: 'For so long messages are signed by the secret before, too' }) }, { examples: [{ overlapHours: 24 }] })
export const ReplayEvent = strict({ what: Type.Literal('event'), eventId: Id }, { examples: [{ what: 'event', eventId: '0198c0de-7d3a-7c1e-9a53-0d9a3c0b6f33' }] })
export const ReplaySince = strict({ what: Type.Literal('since'), since: TimeFilter }, { examples: [{ what: 'since', since: '2027-01-01T09:00:00.000Z' }] })
export const Replay = Type.Union([ReplayEvent, ReplaySince], { examples: [{ what: 'since', since: '2027-01-01T09:00:00.000Z' }] })
export const Tested = Type.Object({ delivered: Type.Boolean(), error: Type.Union([Type.String(), Type.Null()]) }, { examples: [{ delivered: false, error: 'it answered 500' }] })

const failureFields = {
  id: Type.String({ format: 'uuid' }),
  eventId: Type.String({ format: 'uuid' }),
  type: Type.String(),
  attempts: Type.Integer(),
  error: Type.String({ description: 'Of the last attempt' }),
  firstFailedAt: Time,
  nextAt: Time,
  deadAt: Type.Union([Type.String({ format: 'date-time' }), Type.Null()], { description: 'When it was given up; null: it is tried again' }),
}
export const Failure = Type.Object(failureFields, {
  examples: [{
    id: '0198c0de-7d3a-7c1e-9a53-0d9a3c0b6f78', eventId: '0198c0de-7d3a-7c1e-9a53-0d9a3c0b6f33', type: 'key.revoked', attempts: 3, error: 'it answered 500', firstFailedAt: '2027-01-01T09:00:00.000Z',
    nextAt: '2027-01-01T09:02:30.000Z', deadAt: null,
  }],
})
export const FailurePage = pageOf(Failure)
export const FailureQuery = pageQuery(['firstFailedAt'], failureFields, { dead: Type.Optional(Type.Boolean({ description: 'Those that were given up, or those that are tried again' })) })
