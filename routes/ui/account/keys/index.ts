// My keys: seen, issued and revoked. A key itself is on the page that issues it, and never again.
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyRequest } from 'fastify'
import { doneOf, form, formProblem, IdField, missing } from '../../../../plugins/http/page-kit.js'
import { holds, isOwnRight } from '../../../../src/kernel/permissions.js'
import type { KeyView } from '../../../../src/keys/index.js'

const SHOWN = 200
const DAY_MS = 86_400_000

const KeyFields = form({ revoke: IdField, name: { maxLength: 200, 'x-text': 'name' }, days: { maxLength: 4, pattern: '^\\d*$' }, permissions: 4_000 })
const NOTHING_TYPED = { name: '', days: '90', permissions: '' }

export default (async (app) => {
  const { keys, clock } = app

  /** What the page shows beside a form: the live keys, and what may be given to a new one. */
  async function shown(request: FastifyRequest) {
    const { id, permissions } = request.signedIn()
    const { json } = await keys.list(request.caller, { limit: SHOWN, ownerUserId: id, status: 'active' })
    const { data, page } = JSON.parse(json) as { data: KeyView[]; page: { nextCursor: string | null } }
    return {
      keys: data, isCut: page.nextCursor !== null, mayIssue: holds(permissions, 'gatehouse:own.keys') || holds(permissions, 'gatehouse:keys.write'),
      held: permissions.filter((permission) => !isOwnRight(permission)).toSorted(),
    }
  }

  app.get('/', { config: { access: ['user'] } }, async (request, reply) =>
    reply.show('keys', { ...(await shown(request)), filled: NOTHING_TYPED, problem: null, done: doneOf(request.asked('done')) }))

  app.post('/', { schema: { body: KeyFields }, config: { access: ['user'] } }, async (request, reply) => {
    const { revoke, csrf, ...filled } = request.body
    if (revoke !== '') {
      await keys.revoke(request.caller, revoke)
      return reply.onward('/ui/account/keys?done=key-revoked')
    }
    try {
      const empty = missing({ name: filled.name })
      if (empty) return await reply.code(422).show('keys', { ...(await shown(request)), filled, problem: empty, done: null })
      await keys.mayIssue(request.caller, {})
      const days = Number(filled.days)
      const input = {
        name: filled.name, permissions: [...new Set(filled.permissions.split(/[\s,]+/).filter((one) => one !== ''))],
        ...(days === 0 ? {} : { expiresAt: new Date(clock.now() + days * DAY_MS).toISOString() }),
      }
      // one page makes one key, however often its button is pressed
      const { answer, replayed } = await request.performOnce(csrf, () => keys.issue(request.caller, input))
      // a stored answer holds the key itself: it is not given again once that key has ended
      if (replayed && !(await keys.isLive(answer.id))) return reply.onward('/ui/account/keys')
      return await reply.show('key-issued', { name: answer.name, secret: answer.key, expiresAt: answer.expiresAt })
    } catch (error) {
      const problem = formProblem(error, clock.now(), {
        'permission.not_held': ['keys.permission', 'permissions'], 'request.invalid': ['keys.permission', 'permissions'], 'key.cap_reached': 'keys.full',
        'idempotency.in_flight': 'stale', 'idempotency.mismatch': 'stale',
      })
      return reply.code(422).show('keys', { ...(await shown(request)), filled, problem, done: null })
    }
  })
}) satisfies FastifyPluginAsyncTypebox
