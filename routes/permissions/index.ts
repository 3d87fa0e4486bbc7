// May somebody do this? Asked by those who decide at an application of their own, and answered from memory where the person is known there.
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { type Static, Type } from '@sinclair/typebox'
import { Id, strict } from '../../plugins/http/route-kit.js'
import { problem } from '../../src/kernel/errors.js'
import { holds, PERMISSION_LENGTH, PERMISSION_PATTERN } from '../../src/kernel/permissions.js'
import type { Principal } from '../../src/kernel/principal.js'

const MOST = 1_000
const BATCH_BYTES = 4 * 1024 * 1024
const CHECK = 'gatehouse:permissions.check'

const Check = strict({
  permissions: Type.Array(Type.String({ maxLength: PERMISSION_LENGTH, pattern: PERMISSION_PATTERN }), { minItems: 1, maxItems: 50, description: 'All of these must be covered' }),
  userId: Type.Optional(Type.String({ ...Id, description: `Who. Default: the caller, where they act. Another needs ${CHECK}` })),
  organizationId: Type.Optional(Type.String({ ...Id, description: 'With userId: in which organization. Default: in none' })),
}, { examples: [{ permissions: ['reports:read'] }] })
const Checked = Type.Object({ allowed: Type.Boolean(), missing: Type.Array(Type.String(), { description: 'Those of the wanted that are not covered' }) }, { examples: [{ allowed: false, missing: ['reports:write'] }] })
const Checks = strict({ checks: Type.Array(Check, { minItems: 1, maxItems: MOST }) }, { examples: [{ checks: [{ permissions: ['reports:read'] }, { permissions: ['reports:write'] }] }] })
const AllChecked = Type.Object({ data: Type.Array(Checked, { description: 'One answer a question, in order' }) }, { examples: [{ data: [{ allowed: true, missing: [] }, { allowed: false, missing: ['reports:write'] }] }] })

function answerOf(held: readonly string[], wanted: readonly string[]): Static<typeof Checked> {
  const missing = wanted.filter((one) => !holds(held, one))
  return { allowed: missing.length === 0, missing }
}

/** Refuses questions about others to who may not ask them, before any is answered. */
function refuseOthers(principal: Principal, checks: readonly Static<typeof Check>[]): void {
  const isAboutOthers = checks.some(({ userId, organizationId }) => organizationId !== undefined || (userId !== undefined && (userId !== principal.id || principal.type !== 'user')))
  if (isAboutOthers && !holds(principal.permissions, CHECK)) throw problem('access.denied', { detail: `Asking about others, or about an organization by its id, needs ${CHECK}` })
}

export default (async (app) => {
  async function judge(principal: Principal, { permissions, userId, organizationId }: Static<typeof Check>): Promise<Static<typeof Checked>> {
    if (userId === undefined && organizationId === undefined) return answerOf(principal.permissions, permissions)
    return answerOf(await app.authorizer.permissionsOf(userId ?? principal.id, organizationId ?? null), permissions)
  }

  app.post('/check', {
    schema: {
      operationId: 'checkPermissions', summary: 'Ask whether somebody may', tags: ['Access'], body: Check, response: { 200: Checked },
      description: 'Of the caller, what their credential is worth now; of another, what they may do whatever they come with, in an organization or in none. Who there is not may nothing.',
    },
    config: { access: ['user', 'service'], price: 1 },
  }, async (request) => {
    const principal = request.signedIn()
    refuseOthers(principal, [request.body])
    return judge(principal, request.body)
  })

  app.post('/check/batch', {
    bodyLimit: BATCH_BYTES,
    schema: { operationId: 'checkManyPermissions', summary: 'Ask many such questions', tags: ['Access'], body: Checks, response: { 200: AllChecked }, description: 'Up to 1000, answered in their order.' },
    config: { access: ['user', 'service'], price: 10 },
  }, async (request) => {
    const principal = request.signedIn()
    const { checks } = request.body
    refuseOthers(principal, checks)
    const data: Static<typeof Checked>[] = []
    // one after the other: a thousand people who are not in memory must not take every connection
    for (const check of checks) data.push(await judge(principal, check))
    return { data }
  })
}) satisfies FastifyPluginAsyncTypebox
