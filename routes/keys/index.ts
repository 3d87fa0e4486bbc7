// API keys: issued, seen, changed, rotated and revoked by their owners and by holders of gatehouse:keys.write; and
// verified by the APIs they were made for.
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { IdParams } from '../../plugins/route-kit.js'
import { expectedVersion } from '../../src/kernel/etag.js'
import { IssuedKey, KeyPage, KeyPatch, KeyQuery, KeyView, NewKey, Revocation, Rotation, Verification, VerifyRequest } from './schema.js'

const tags = ['Keys']

const keys: FastifyPluginAsyncTypebox = async (app) => {
  app.post('/verify', {
    schema: {
      summary: 'Verify a key', tags, body: VerifyRequest, response: { 200: Verification },
      description: 'May the holder of this key do this, now? 200 for every readable question. Limits are charged when all else allows it, all of them or none.',
    },
    config: { access: ['gatehouse:keys.verify'] },
  }, (request) => app.door.verify(request.body))

  app.get('/', {
    schema: { summary: 'List keys', description: 'Your own; with gatehouse:keys.read everybody\'s.', tags, querystring: KeyQuery, response: { 200: KeyPage } },
    config: { access: ['user', 'gatehouse:keys.read'], errors: ['cursor.invalid'] },
  }, async (request) => app.keys.list(request.caller, request.query))

  app.post('/', {
    schema: { summary: 'Issue a key', description: 'The key itself is in this answer and never again.', tags, body: NewKey, response: { 201: IssuedKey } },
    config: { access: ['user', 'gatehouse:keys.write'], errors: ['owner.unknown', 'permission.not_held'], idempotent: true },
  }, async (request, reply) => app.keys.act(request.caller, '', () =>
    request.once(reply, 201, () => app.keys.issue(request.caller, request.body))))

  app.get('/:id', {
    schema: { summary: 'Read a key', tags, params: IdParams, response: { 200: KeyView } },
    config: { access: ['user', 'gatehouse:keys.read'], errors: ['key.not_found'] },
  }, async (request, reply) => reply.versioned(await app.keys.find(request.caller, request.params.id)))

  app.patch('/:id', {
    schema: {
      summary: 'Change a key', tags, params: IdParams, body: KeyPatch, response: { 200: KeyView },
      description: 'Needs If-Match. A revoked or rotated key cannot be changed.',
    },
    config: {
      access: ['user', 'gatehouse:keys.write'],
      errors: ['key.not_found', 'key.revoked', 'key.rotated', 'permission.not_held', 'precondition.required', 'precondition.failed'],
    },
  }, async (request, reply) => {
    const { id } = request.params
    const expected = expectedVersion(request.headers['if-match'], id)
    return reply.versioned(await app.keys.act(request.caller, id, () => app.keys.update(request.caller, id, expected, request.body)))
  })

  app.delete('/:id', {
    schema: {
      summary: 'Revoke a key', tags, params: IdParams, response: { 200: Revocation },
      description: 'For ever; a second time changes nothing. If-Match is honoured but not needed.',
    },
    config: { access: ['user', 'gatehouse:keys.write'], errors: ['key.not_found', 'precondition.failed'] },
  }, (request) => {
    const { id } = request.params
    const header = request.headers['if-match']
    return app.keys.revoke(request.caller, id, header === undefined ? '*' : expectedVersion(header, id))
  })

  app.post('/:id/rotate', {
    schema: {
      summary: 'Rotate a key', tags, params: IdParams, body: Rotation, response: { 201: IssuedKey },
      description: 'Answers a new key with the same permissions, metadata and end. The old one works until its grace is over; both share their limits.',
    },
    config: { access: ['user', 'gatehouse:keys.write'], errors: ['key.not_found', 'key.revoked', 'key.rotated', 'permission.not_held'], idempotent: true },
  }, async (request, reply) => app.keys.act(request.caller, request.params.id, () =>
    request.once(reply, 201, () => app.keys.rotate(request.caller, request.params.id, request.body))))
}

export default keys
