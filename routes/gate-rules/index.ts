// Gate rules: what the requests that wait at a gateway need. The answer to a change says within how many ms it holds on every node.
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { IdParams, NoContent, WaitQuery } from '../../plugins/http/route-kit.js'
import { expectedVersion } from '../../src/kernel/etag.js'
import { GateExplanation, GateQuestion, GateRulePage, GateRulePatch, GateRuleQuery, GateRuleView, NewGateRule } from './schema.js'

const tags = ['Gate']

const gateRules: FastifyPluginAsyncTypebox = async (app) => {
  app.get('/', {
    schema: { operationId: 'listGateRules', summary: 'List gate rules', tags, querystring: GateRuleQuery, response: { 200: GateRulePage } },
    config: { access: ['gatehouse:gate.read'], errors: ['cursor.invalid'] },
  }, async (request, reply) => reply.page(await app.gateRules.list(request.query)))

  app.post('/', {
    schema: {
      operationId: 'addGateRule', summary: 'Add a gate rule', tags, body: NewGateRule, response: { 201: GateRuleView },
      description: 'What no rule covers is denied; a rule for `/*` is what holds for the rest.',
    },
    config: { access: ['gatehouse:gate.write'], errors: ['gate_rule.taken', 'permission.not_held'], idempotent: true },
  }, async (request, reply) => request.idempotently(reply, 201, async () => {
    const view = await app.gateRules.create(request.caller, request.body)
    await reply.effective(false)
    return view
  }))

  app.post('/explain', {
    schema: {
      operationId: 'explainGateRules', summary: 'Explain what holds for a request', tags, body: GateQuestion, response: { 200: GateExplanation },
      description: 'Every way in which servers may read its path, the rule that holds for each, and why the others do not. The question is noted in the audit log.',
    },
    config: { access: ['gatehouse:gate.read'] },
  }, (request) => app.gateRules.explain(request.caller, request.body))

  app.get('/:id', {
    schema: { operationId: 'readGateRule', summary: 'Read a gate rule', tags, params: IdParams, response: { 200: GateRuleView } },
    config: { access: ['gatehouse:gate.read'], errors: ['gate_rule.not_found'] },
  }, async (request, reply) => reply.versioned(await app.gateRules.find(request.params.id)))

  app.patch('/:id', {
    schema: {
      operationId: 'changeGateRule', summary: 'Change a gate rule', description: 'Needs If-Match.', tags, params: IdParams, querystring: WaitQuery, body: GateRulePatch, response: { 200: GateRuleView },
    },
    config: { access: ['gatehouse:gate.write'], errors: ['gate_rule.not_found', 'gate_rule.taken', 'permission.not_held', 'precondition.required', 'precondition.failed'] },
  }, async (request, reply) => {
    const { id } = request.params
    const expected = expectedVersion(request.headers['if-match'], id)
    const view = await app.gateRules.update(request.caller, id, expected, request.body)
    await reply.effective(request.query.wait)
    return reply.versioned(view)
  })

  app.delete('/:id', {
    schema: {
      operationId: 'deleteGateRule', summary: 'Delete a gate rule', description: 'If-Match is honoured but not needed.', tags, params: IdParams, querystring: WaitQuery, response: { 204: NoContent },
    },
    config: { access: ['gatehouse:gate.write'], errors: ['gate_rule.not_found', 'permission.not_held', 'precondition.failed'] },
  }, async (request, reply) => {
    const { id } = request.params
    const header = request.headers['if-match']
    await app.gateRules.remove(request.caller, id, header === undefined ? '*' : expectedVersion(header, id))
    await reply.effective(request.query.wait)
    return reply.code(204).send(null)
  })
}

export default gateRules
