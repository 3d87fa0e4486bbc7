// Where I am signed in, and from which devices I have been: each ended or forgotten by a form of its own.
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { doneOf, form, IdField } from '../../../../plugins/http/page-kit.js'
import type { SessionView } from '../../../../src/sessions/index.js'

const EndForm = form({ end: IdField, others: 5, forget: IdField })
const SHOWN = 100

export default (async (app) => {
  const { sessions, devices } = app

  app.get('/', { config: { access: ['user'] } }, async (request, reply) => {
    const { id, sessionId } = request.signedIn()
    const [{ json }, known] = await Promise.all([sessions.list(id, { limit: SHOWN }, sessionId), devices.list(id, request.knownDevice().deviceToken)])
    const { data, page } = JSON.parse(json) as { data: SessionView[]; page: { nextCursor: string | null } }
    return reply.show('sessions', { sessions: data.map((one) => ({ ...one, name: devices.nameOf(one.userAgent) })), devices: known, isCut: page.nextCursor !== null, done: doneOf(request.asked('done')) })
  })

  app.post('/', { schema: { body: EndForm }, config: { access: ['user'] } }, async (request, reply) => {
    const { end, others, forget } = request.body
    if (end !== '') await sessions.end(request.caller, end)
    if (others !== '') await sessions.endOthers(request.caller)
    if (forget !== '') await devices.forget(request.caller, request.signedIn().id, forget)
    const done = end !== '' ? 'session-ended' : others !== '' ? 'sessions-ended' : 'device-forgotten'
    return reply.onward(`/ui/account/sessions?done=${done}`)
  })
}) satisfies FastifyPluginAsyncTypebox
