// The shapes of gate rules on the wire.
import { Type } from '@sinclair/typebox'
import { pageOf, pageQuery } from '../../src/kernel/page.js'
import { PERMISSION_LENGTH, PERMISSION_PATTERN } from '../../src/kernel/permissions.js'
import { strict, Time } from '../../plugins/http/route-kit.js'

const Host = Type.String({ minLength: 1, maxLength: 253, description: '`api.example.com`, `*.example.com` (any depth, not example.com itself), or `*` for any' })
const Path = Type.String({
  minLength: 1, maxLength: 500, pattern: '^/',
  description: 'Plain segments, `:name` or `*` for any one segment; a last `/*` means this path and everything below it. Written as it reads percent-decoded',
})
const Methods = Type.Array(Type.String({ pattern: '^[A-Z][A-Z-]{0,19}$' }), { maxItems: 20, uniqueItems: true, description: 'None: every method. GET goes for HEAD, too' })
const Permissions = Type.Array(Type.String({ maxLength: PERMISSION_LENGTH, pattern: PERMISSION_PATTERN }), {
  maxItems: 50, uniqueItems: true, description: 'All of these must be covered. None: any valid credential will do',
})
const Audience = Type.Union([Type.String({ minLength: 1, maxLength: 500 }), Type.Null()], { description: 'Identifier of a resource: tokens of OAuth clients that were issued for it will do, and nothing else. null (default): no token that was issued for a resource will do' })
const Scopes = Type.Array(Type.String({ minLength: 1, maxLength: 100, pattern: '^[\\x21\\x23-\\x5b\\x5d-\\x7e]+$' }), { maxItems: 50, uniqueItems: true, description: 'All of which such a token must have: 403 insufficient_scope otherwise' })
const Per = Type.Unsafe<'owner' | 'credential' | 'address'>({
  type: 'string', enum: ['owner', 'credential', 'address'],
  description: 'Default: owner. What is counted together: all keys and sessions of an owner; each key (with those it was rotated from) and the sessions of a user; each address (IPv6: /56). A public rule always counts addresses',
})
const Limit = Type.Union([
  strict({ quota: Type.Integer({ minimum: 1, maximum: 1_000_000_000 }), windowSeconds: Type.Integer({ minimum: 1, maximum: 2_592_000 }), per: Type.Optional(Per) }),
  Type.Null(),
], { description: 'Beside the limits of keys and owners. A rule that has one, or gets one, is changed by who holds gatehouse:limits.write, too' })
const Public = Type.Boolean({ description: 'Nobody is asked for a credential' })
const Priority = Type.Integer({ minimum: -1000, maximum: 1000, description: 'The higher rule holds. Among equals the more specific: host, then path, then methods' })

const rule = { host: 'api.example.com', path: '/reports/*', methods: ['GET'], permissions: ['reports:read'], audience: null, scopes: [], public: false, limit: { quota: 600, windowSeconds: 60, per: 'owner' }, priority: 0 }
const view = {
  id: '0198c0de-7d3a-7c1e-9a53-0d9a3c0b6f21', ...rule, version: 1, createdAt: '2027-01-01T09:00:00.000Z', updatedAt: '2027-01-01T09:00:00.000Z',
}

export const GateRuleView = Type.Object({
  id: Type.String({ format: 'uuid' }),
  host: Type.String(),
  path: Type.String(),
  methods: Type.Array(Type.String()),
  public: Type.Boolean(),
  permissions: Type.Array(Type.String()),
  audience: Type.Union([Type.String(), Type.Null()]),
  scopes: Type.Array(Type.String()),
  limit: Type.Union([Type.Object({ quota: Type.Integer(), windowSeconds: Type.Integer(), per: Per }), Type.Null()]),
  priority: Type.Integer(),
  version: Type.Integer({ description: 'Second half of the ETag' }),
  createdAt: Time,
  updatedAt: Time,
}, { examples: [view] })

export const GateRulePage = pageOf(GateRuleView)
export const GateRuleQuery = pageQuery(['createdAt'], GateRuleView.properties, { host: Type.Optional(Type.String()), path: Type.Optional(Type.String()) })

const optional = {
  host: Type.Optional(Host),
  methods: Type.Optional(Methods),
  permissions: Type.Optional(Permissions),
  audience: Type.Optional(Audience),
  scopes: Type.Optional(Scopes),
  public: Type.Optional(Public),
  limit: Type.Optional(Limit),
  priority: Type.Optional(Priority),
}

export const NewGateRule = strict({ path: Path, ...optional }, { examples: [rule] })
export const GateRulePatch = strict({ path: Type.Optional(Path), ...optional }, { minProperties: 1, examples: [{ permissions: ['reports:read', 'reports:export'] }] })

export const GateQuestion = strict({
  method: Type.String({ pattern: '^[A-Z][A-Z-]{0,19}$' }),
  url: Type.String({ minLength: 8, maxLength: 8500, description: 'As a client would send it: http:// or https://, host, path. It is not resolved first' }),
}, { examples: [{ method: 'GET', url: 'https://api.example.com/reports/../admin/users' }] })

export const GateExplanation = Type.Object({
  method: Type.String(),
  host: Type.String(),
  target: Type.String(),
  outcome: Type.Union(['refused', 'no_rule', 'public', 'credential'].map((one) => Type.Literal(one)), { description: '`credential`: one that covers `permissions` is needed' }),
  refused: Type.Union([Type.String(), Type.Null()], { description: 'Why no rule is asked' }),
  readings: Type.Array(Type.Object({
    path: Type.String({ description: 'Percent-decoded' }),
    ruleId: Type.Union([Type.String({ format: 'uuid' }), Type.Null()], { description: 'The rule that holds; null: none, and the request is denied' }),
    alsoIds: Type.Array(Type.String({ format: 'uuid' }), { description: 'Rules that go first, whose path it is to servers that do not tell its letters apart: their needs count, too' }),
  })),
  permissions: Type.Array(Type.String()),
  audience: Type.Union([Type.String(), Type.Null()], { description: 'The token must be for this resource' }),
  scopes: Type.Array(Type.String()),
  rules: Type.Array(Type.Object({
    id: Type.String({ format: 'uuid' }), host: Type.String(), path: Type.String(), methods: Type.Array(Type.String()), priority: Type.Integer(), holds: Type.Boolean(), why: Type.String(),
  }), { description: 'Those that hold, then those that came closest' }),
  more: Type.Integer({ description: 'Rules that are not shown' }),
}, { examples: [{
  method: 'GET', host: 'api.example.com', target: '/reports/1', outcome: 'credential', refused: null, readings: [{ path: '/reports/1', ruleId: view.id, alsoIds: [] }], permissions: ['reports:read'], audience: null, scopes: [],
  rules: [{ id: view.id, host: rule.host, path: rule.path, methods: rule.methods, priority: 0, holds: true, why: 'holds for /reports/1' }], more: 0,
}] })
