// What a gateway's requests need: rules by host, path and method, and the one that holds for a request. The most specific
// rule wins; what no rule covers is denied. Pure: patterns are compiled once, for a table of rules that never changes.
import { pathToRegexp, type Token, TokenData } from 'path-to-regexp'
import { type ErrorCode, type FieldError, problem } from '../kernel/errors.js'
import { foldedLetters, normaliseHost, readTarget } from './normalise-uri.js'

/** What a limit counts together: all that one owner presents, each credential, each address. Who pays is the owner. */
export const LIMIT_PER = ['owner', 'credential', 'address'] as const

export type LimitPer = (typeof LIMIT_PER)[number]

export interface GateLimit {
  quota: number
  windowSeconds: number
  /** default: owner; where the rule is public there is only an address */
  per?: LimitPer
}

export interface GateRule {
  id: string
  /** `api.example.com`, `*.example.com`, or `*` for any */
  host: string
  /** `/users/:id`; `/admin/*` is /admin and all below it */
  path: string
  /** none: every method */
  methods: string[]
  /** nobody is asked who they are */
  public: boolean
  permissions: string[]
  /** an OAuth client's token that was issued for this resource will do, and nothing else; null: nothing that was issued for one */
  audience: string | null
  /** all of which such a token must have */
  scopes: string[]
  limit: GateLimit | null
  /** the higher goes first; then the more specific one */
  priority: number
}

/** What a request needs, worked out from all rules that it may fall under. */
export type GatePlan =
  | { refused: ErrorCode; detail: string }
  | { refused: null; public: boolean; permissions: readonly string[]; audience: string | null; scopes: readonly string[]; limits: readonly (GateLimit & { ruleId: string })[] }

export interface GateTable {
  /** `host` normalised, `target` as the client sent it, with or without its query */
  plan: (method: string, host: string, target: string) => GatePlan
  /** every rule, the one that goes first in front */
  rules: readonly CompiledRule[]
}

// room for the targets of a busy site; whoever floods it only empties it
const PLANS_KEPT = 10_000
const PLAN_KEY_LENGTH = 300
const MAX_SEGMENTS = 32
const PARAMETER = /^:[A-Za-z_]\w*$/
const FORBIDDEN = /[\p{Cc}\s\\%?#;*]/u

/** The tokens of a path pattern, or why it is none. */
function parsePath(path: string): Token[] | string {
  if (!path.startsWith('/')) return 'must begin with /'
  const segments = path.replace(/\/$/, '').split('/').slice(1)
  if (segments.length > MAX_SEGMENTS) return `must have at most ${MAX_SEGMENTS} segments`
  const tokens: Token[] = path.replace(/\/$/, '') === '' ? [{ type: 'text', value: '/' }] : []
  for (const [at, segment] of segments.entries()) {
    if (segment === '' || segment === '.' || segment === '..') return 'must not hold empty or dot segments'
    if (segment === '*' && at === segments.length - 1) {
      tokens.push({ type: 'group', tokens: [{ type: 'text', value: '/' }, { type: 'wildcard', name: 'rest' }] })
    } else if (segment === '*' || PARAMETER.test(segment)) {
      tokens.push({ type: 'text', value: '/' }, { type: 'param', name: `p${at}` })
    } else if (segment.startsWith(':') || FORBIDDEN.test(segment)) {
      return 'has segments of plain text (as it reads percent-decoded, without \\ % ? # ; and spaces), :name, or *'
    } else tokens.push({ type: 'text', value: `/${segment}` })
  }
  return tokens
}

function isHostPattern(host: string): boolean {
  return host === '*' || normaliseHost(host.startsWith('*.') ? host.slice(2) : host) === host.replace(/^\*\./, '')
}

type Judged = Pick<GateRule, 'host' | 'path' | 'public' | 'permissions'> & Partial<Pick<GateRule, 'audience' | 'scopes'>>

function mistakesOf(rule: Judged): FieldError[] {
  const found: FieldError[] = []
  const path = parsePath(rule.path)
  if (typeof path === 'string') found.push({ path: '/path', message: path })
  if (!isHostPattern(rule.host)) found.push({ path: '/host', message: 'must be a host name in lower case without port, *.name, or *' })
  const { audience = null, scopes = [] } = rule
  if (rule.public && audience !== null) found.push({ path: '/audience', message: 'must be null where the rule is public' })
  if (audience === null && scopes.length > 0) found.push({ path: '/scopes', message: 'are of the tokens of an audience' })
  if (rule.public && rule.permissions.length > 0) found.push({ path: '/permissions', message: 'must be empty where the rule is public' })
  return found
}

/** Throws request.invalid, naming every mistake. */
export function checkGateRule(rule: Judged): void {
  const errors = mistakesOf(rule)
  if (errors.length > 0) throw problem('request.invalid', { errors })
}

export interface CompiledRule {
  rule: GateRule
  suffix: string | null
  exact: RegExp
  /** for paths with their letters folded: many servers do not tell /Admin from /admin, nor from what looks like it */
  folded: RegExp
}

function compileRule(rule: GateRule): CompiledRule {
  const tokens = parsePath(rule.path.normalize('NFC'))
  if (typeof tokens === 'string') throw new Error(`gate rule ${rule.id}: path ${tokens}`)
  const folded = tokens.map((token) => (token.type === 'text' ? { ...token, value: foldedLetters(token.value) } : token))
  // `/*` is everything, also the bare `/`
  const slash = rule.path === '/*' ? /^\// : null
  return {
    rule, suffix: rule.host.startsWith('*.') ? rule.host.slice(1) : null,
    exact: slash ?? pathToRegexp(new TokenData(tokens), { sensitive: true }).regexp, folded: slash ?? pathToRegexp(new TokenData(folded), { sensitive: true }).regexp,
  }
}

/** A name before a pattern of names, the longer pattern before the shorter, any host last. */
function hostRank({ host }: GateRule): number {
  if (host === '*') return 0
  return host.startsWith('*.') ? host.length : 1_000 + host.length
}

/** One letter a segment, so that texts compare as patterns do: plain before parameter before the end before everything below. */
function pathRank({ path }: GateRule): string {
  const segments = path.replace(/\/$/, '').split('/').slice(1)
  const letters = segments.map((segment, at) => (segment === '*' && at === segments.length - 1 ? 'd' : segment === '*' || segment.startsWith(':') ? 'b' : 'a'))
  return letters.at(-1) === 'd' ? letters.join('') : `${letters.join('')}c`
}

function inOrder(a: GateRule, b: GateRule): number {
  const [x, y] = [pathRank(a), pathRank(b)]
  return b.priority - a.priority || hostRank(b) - hostRank(a) || (x < y ? -1 : x > y ? 1 : 0)
    || (a.methods.length || 99) - (b.methods.length || 99) || (a.id < b.id ? -1 : 1)
}

export function coversHost({ rule, suffix }: CompiledRule, host: string): boolean {
  return suffix === null ? rule.host === '*' || rule.host === host : host.endsWith(suffix)
}

/** HEAD shows no more than GET does. */
export function coversMethod({ rule: { methods } }: CompiledRule, method: string): boolean {
  return methods.length === 0 || methods.includes(method) || (method === 'HEAD' && methods.includes('GET'))
}

/**
 * The rules that hold for a path as it is written, of those for its host and method in their order: the first that covers it, last in
 * the list, and before it those that go first and cover it for a server that does not tell its letters apart. None: no rule covers it.
 */
export function holdingRules(here: readonly CompiledRule[], path: string): CompiledRule[] {
  const first = here.findIndex((one) => one.exact.test(path))
  if (first === -1) return []
  const folded = foldedLetters(path)
  return here.slice(0, first + 1).filter((one, at) => at === first || one.folded.test(folded))
}

const SHOWN_LENGTH = 300

/** What was looked up. In ASCII: a path may hold anything that can be percent-encoded. */
function noRule(method: string, host: string, path: string, readings: number): string {
  const shown = encodeURI(path)
  return `No rule for ${method} ${host}${shown.slice(0, SHOWN_LENGTH)}${shown.length > SHOWN_LENGTH ? '...' : ''}${readings > 1 ? ', which some servers take the target for' : ''}`
}

function planOf(rules: readonly CompiledRule[], method: string, host: string, target: string): GatePlan {
  const read = readTarget(target, host)
  if ('refused' in read) return { refused: 'gate.target_refused', detail: `The request target ${read.refused}` }
  const here = rules.filter((rule) => coversHost(rule, host) && coversMethod(rule, method))
  const holding = new Set<GateRule>()
  for (const path of read.readings) {
    const found = holdingRules(here, path)
    if (found.length === 0) return { refused: 'gate.no_rule', detail: noRule(method, host, path, read.readings.length) }
    for (const { rule } of found) holding.add(rule)
  }
  const all = [...holding]
  // no credential is of two audiences, nor of one and of none
  if (new Set(all.filter((rule) => !rule.public).map(({ audience }) => audience)).size > 1) return { refused: 'gate.target_refused', detail: 'The request target is one of two audiences to servers that read it differently' }
  return {
    refused: null,
    public: all.every((rule) => rule.public),
    permissions: [...new Set(all.flatMap((rule) => rule.permissions))],
    audience: all.find(({ audience }) => audience !== null)?.audience ?? null,
    scopes: [...new Set(all.flatMap((rule) => rule.scopes))],
    limits: all.flatMap((rule) => (rule.limit ? [{ ...rule.limit, ...(rule.public ? { per: 'address' as const } : {}), ruleId: rule.id }] : [])),
  }
}

/** Throws an Error for a rule that `checkGateRule` would refuse: no request must pass by a rule that cannot be read. */
export function compileGateTable(rules: readonly GateRule[]): GateTable {
  const compiled = rules.toSorted(inOrder).map(compileRule)
  /** method -> host -> path: three look-ups cost less than to join the three */
  let plans = new Map<string, Map<string, Map<string, GatePlan>>>()
  let kept = 0

  function keep(method: string, host: string, path: string, plan: GatePlan): void {
    if (host.length + path.length > PLAN_KEY_LENGTH) return
    if (kept >= PLANS_KEPT) {
      plans = new Map()
      kept = 0
    }
    const hosts = plans.get(method) ?? new Map<string, Map<string, GatePlan>>()
    const paths = hosts.get(host) ?? new Map<string, GatePlan>()
    plans.set(method, hosts.set(host, paths.set(path, plan)))
    kept += 1
  }

  return {
    rules: compiled,
    plan(method, host, target) {
      const query = target.indexOf('?')
      const path = query === -1 ? target : target.slice(0, query)
      const known = plans.get(method)?.get(host)?.get(path)
      if (known !== undefined) return known
      const plan = planOf(compiled, method, host, target)
      keep(method, host, path, plan)
      return plan
    },
  }
}
