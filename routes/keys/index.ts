// API keys: issued, seen, changed, rotated and revoked by their owners and by holders of gatehouse:keys.write; and
// verified by the APIs they were made for.
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { IdParams, strict, WaitQuery } from '../../plugins/http/route-kit.js'
import { problem } from '../../src/kernel/errors.js'
import { expectedVersion } from '../../src/kernel/etag.js'
import { LimitReports } from '../limits/schema.js'
import { GrantsQuery } from '../users/schema.js'
import { IssuedKey, KeyPage, KeyPatch, KeyQuery, KeyRevocation, KeyRevocationAnswer, KeyView, NewKey, Revocation, Rotation, Verification, VerifyBatch, VerifyBatchAnswer, VerifyRequest } from './schema.js'

const tags = ['Keys']
const RevokeQuery = strict({ ...WaitQuery.properties, ...GrantsQuery })
// a thousand questions with long lists of permissions
const BATCH_BYTES = 8 * 1024 * 1024

const keys: FastifyPluginAsyncTypebox = async (app) => {
  /** A stored answer holds the key itself: it is not given again once that key has ended. */
  async function stillLive({ id }: { id: string }): Promise<void> {
    if (!(await app.keys.isLive(id))) throw problem('key.revoked', { detail: 'The key of the stored answer has ended' })
  }

  app.post('/verify', {
    schema: {
      operationId: 'verifyKey', summary: 'Verify a key', tags, body: VerifyRequest, response: { 200: Verification },
      description: 'May the holder of this key do this, now? 200 for every readable question. Limits are charged when all else allows it, all of them or none.',
    },
    config: { access: ['gatehouse:keys.verify'], price: 0 },
  }, (request, reply) => {
    const ask = (): ReturnType<typeof app.authorizer.verify> => app.authorizer.verify(request.body)
    reply.verification(request.body.limits ? app.limits.override(request.caller, ask) : ask(), LimitReports)
  })

  app.post('/verify/batch', {
    bodyLimit: BATCH_BYTES,
    schema: {
      operationId: 'verifyKeys', summary: 'Verify many keys', tags, body: VerifyBatch, response: { 200: VerifyBatchAnswer },
      description: 'Up to 1000 questions, answered in their order as if they had been asked one after the other.',
    },
    config: { access: ['gatehouse:keys.verify'], price: 0 },
  }, async (request) => {
    const { requests } = request.body
    const ask = (): ReturnType<typeof app.authorizer.verifyAll> => app.authorizer.verifyAll(requests)
    return { data: await (requests.some(({ limits }) => limits) ? app.limits.override(request.caller, ask) : ask()) }
  })

  app.post('/revoke', {
    schema: {
      operationId: 'revokeKeys', summary: 'Revoke many keys', tags, body: KeyRevocation, querystring: WaitQuery, response: { 200: KeyRevocationAnswer },
      description: 'All that match the filter, and what they issued in turn. Try it with `dryRun` first, and say with `expect` what it counted.',
    },
    config: { access: ['gatehouse:keys.write', 'gatehouse:brake'], errors: ['permission.not_held', 'keys.unexpected_count'] },
  }, async (request, reply) => {
    const answer = await app.audit.recordingRefusal(request.caller, { targetType: 'key', targetId: '' }, () => app.keySweeps.revokeAll(request.caller, request.body))
    return { ...answer, effectiveWithinMs: await reply.effective(request.query.wait) }
  })

  app.get('/', {
    schema: { operationId: 'listKeys', summary: 'List keys', description: 'Your own, or with ?organizationId= those of an organization in which you have the right keys.read; with gatehouse:keys.read everybody\'s.', tags, querystring: KeyQuery, response: { 200: KeyPage } },
    config: { access: ['user', 'gatehouse:keys.read', 'gatehouse:keys.write', 'gatehouse:brake'], errors: ['cursor.invalid'] },
  }, async (request, reply) => reply.page(await app.keys.list(request.caller, request.query)))

  app.post('/', {
    schema: { operationId: 'issueKey', summary: 'Issue a key', description: 'The key itself is in this answer and never again.', tags, body: NewKey, response: { 201: IssuedKey } },
    config: { access: ['user', 'gatehouse:keys.write'], errors: ['owner.unknown', 'organization.not_found', 'permission.not_held', 'key.cap_reached', 'key.revoked'], idempotent: true },
  }, async (request, reply) => app.audit.recordingRefusal(request.caller, { targetType: 'key', targetId: '' }, async () => {
    // also before a stored answer is given: who may not issue may not have it again
    await app.keys.mayIssue(request.caller, request.body)
    return request.idempotently(reply, 201, () => app.keys.issue(request.caller, request.body), stillLive)
  }))

  app.get('/:id', {
    schema: { operationId: 'readKey', summary: 'Read a key', tags, params: IdParams, response: { 200: KeyView } },
    config: { access: ['user', 'service'], errors: ['key.not_found'] },
  }, async (request, reply) => reply.versioned(await app.keys.find(request.caller, request.params.id)))

  app.patch('/:id', {
    schema: {
      operationId: 'changeKey', summary: 'Change a key', tags, params: IdParams, querystring: WaitQuery, body: KeyPatch, response: { 200: KeyView },
      description: 'Needs If-Match. A revoked or rotated key cannot be changed.',
    },
    config: {
      access: ['user', 'gatehouse:keys.write'],
      errors: ['key.not_found', 'key.revoked', 'key.rotated', 'key.cap_reached', 'permission.not_held', 'precondition.required', 'precondition.failed'],
    },
  }, async (request, reply) => {
    const { id } = request.params
    const expected = expectedVersion(request.headers['if-match'], id)
    const view = await app.audit.recordingRefusal(request.caller, { targetType: 'key', targetId: id }, () => app.keyChanges.update(request.caller, id, expected, request.body))
    await reply.effective(request.query.wait)
    return reply.versioned(view)
  })

  app.delete('/:id', {
    schema: {
      operationId: 'revokeKey', summary: 'Revoke a key', tags, params: IdParams, querystring: RevokeQuery, response: { 200: Revocation },
      description: 'For ever; a second time changes nothing. If-Match is honoured but not needed.',
    },
    config: { access: ['user', 'service'], errors: ['key.not_found', 'permission.not_held', 'precondition.failed'] },
  }, async (request, reply) => {
    const { id } = request.params
    const header = request.headers['if-match']
    const expected = header === undefined ? '*' : expectedVersion(header, id)
    const { sweepId, ...revoked } = await app.audit.recordingRefusal(request.caller, { targetType: 'key', targetId: id }, () => app.keys.revoke(request.caller, id, expected, request.query.grants))
    const grants = sweepId === undefined ? {} : { grants: await app.keySweeps.run(sweepId) }
    return { ...revoked, ...grants, effectiveWithinMs: await reply.effective(request.query.wait) }
  })

  app.post('/:id/rotate', {
    schema: {
      operationId: 'rotateKey', summary: 'Rotate a key', tags, params: IdParams, body: Rotation, response: { 201: IssuedKey },
      description: 'Answers a new key with the same permissions, metadata and end. The old one works until its grace is over; both share their limits.',
    },
    config: { access: ['user', 'gatehouse:keys.write'], errors: ['key.not_found', 'key.revoked', 'key.expired', 'key.rotated', 'organization.not_found', 'permission.not_held'], idempotent: true },
  }, async (request, reply) => app.audit.recordingRefusal(request.caller, { targetType: 'key', targetId: request.params.id }, () =>
    request.idempotently(reply, 201, () => app.keyChanges.rotate(request.caller, request.params.id, request.body), async (answer) => {
      await app.keys.mayIssue(request.caller, answer)
      await stillLive(answer)
    })))
}

export default keys
