// One scenario from start to verdict: new keys, load, fault, recovery, and then the checks on what was answered.
import { setTimeout as delay } from 'node:timers/promises'
import { type Api, bearer } from '../bench/api.js'
import { ask, startChild } from '../bench/processes.js'
import { countedOf, excessOf, latenciesOf, latenessOf, percentileOf } from './checks.js'
import { type Answer, type Begin, type LimitedKey, type Results, type Revoked, steadyMs } from './protocol.js'
import { startRevoker } from './revoker.js'
import type { Run, Standing } from './runs.js'
import { type Fault, RECOVERY_MS, type Rules } from './scenarios.js'
import { watchNodes } from './watch.js'
import { lookForWrites, startWriter, type Writes } from './writer.js'

export interface Bench extends Standing {
  api: Api
  adminToken: string
  callerKey: string
  ratePerSecond: number
}

export interface Outcome {
  name: string
  revocations: number
  decisions: number
  /** ms from acknowledgement to the sending of the last accepted request */
  latestMs: { p50: number; p99: number; max: number }
  /** windows that certainly held more than their quota */
  limitViolations: number
  /** answered decisions that the ledger lacks; below 0: it holds more, which only unanswered questions may explain */
  ledgerDifference: number
  /** other than 2xx, by what they said */
  others: Record<string, number>
  p99Ms: { before: number; during: number }
  writes: Writes
  /** when all was well again, after the beginning and the end of the fault: no node said otherwise, and no answer was other than 2xx */
  wellMs: { sinceBegun: number; sinceMended: number }
  skipped: number
  /** one line each; none: all held */
  violations: string[]
}

const WARM_MS = 5_000
// longer than the longest window: what a fault made the nodes forget is spent twice by then, if ever
const AFTER_MS = 9_000
const REVOKE_EVERY_MS = 400
const REVOCABLE = 90
const AT_ONCE = 6
const LIMITS: readonly Omit<LimitedKey, 'key'>[] = [
  { algorithm: 'window', quota: 20, windowMs: 5_000 },
  { algorithm: 'window', quota: 60, windowMs: 2_000 },
  { algorithm: 'window', quota: 100, windowMs: 10_000 },
  { algorithm: 'window', quota: 90, windowMs: 3_000 },
  { algorithm: 'gcra', quota: 90, windowMs: 3_000, burst: 30 },
  { algorithm: 'gcra', quota: 400, windowMs: 10_000, burst: 150 },
  { algorithm: 'calendar', quota: 500, windowMs: 20_000 },
]
/** the program's own promise, whatever it answers */
const BOUND_MS = 1_500
const ADDED_MAX_MS = 300
const HANGS_MS = 2_000
/** a killed node may lose what it counted in its last second, and what of it was being written */
const LOST_MS = 1_500
const LEDGER_MAX_MS = 15_000
/** nodes write their counts every second */
const SETTLED_MS = 3_000

interface IssuedKey {
  id: string
  key: string
}

async function issue({ api, adminToken }: Bench, name: string, limits: object[] = []): Promise<IssuedKey> {
  return api.json<IssuedKey>('/api/v1/keys', { method: 'POST', headers: bearer(adminToken), body: { name, limits } })
}

/** A few at a time: a busy machine would let the last of many wait for too long. */
async function issueRevocable(bench: Bench): Promise<IssuedKey[]> {
  const issued: IssuedKey[] = []
  while (issued.length < REVOCABLE) issued.push(...await Promise.all(Array.from({ length: AT_ONCE }, (_, at) => issue(bench, `revocable ${issued.length + at}`))))
  return issued
}

/** As the API takes it. A month may turn during a scenario, and would then allow twice as much; that is left to luck. */
function limitOf({ algorithm, quota, windowMs, burst }: Omit<LimitedKey, 'key'>): object {
  if (algorithm === 'calendar') return { name: 'calls', algorithm, quota, period: 'month' }
  return { name: 'calls', algorithm, quota, windowSeconds: windowMs / 1_000, ...(burst === undefined ? {} : { burst }) }
}

/** Decisions in the ledger about these keys. */
async function ledgerOf({ api, adminToken }: Bench, ids: ReadonlySet<string>, from: string): Promise<number> {
  const { text } = await api.send(`/api/v1/usage/export?granularity=minute&from=${from}`, { headers: bearer(adminToken) })
  const rows = text.split('\n').filter((line) => line !== '').map((line) => JSON.parse(line) as Record<string, unknown>)
  const counts = ['allowed', 'revoked', 'expired', 'ownerSuspended', 'forbidden', 'rateLimited']
  return rows.filter(({ keyId }) => ids.has(String(keyId))).reduce((sum, row) => sum + counts.reduce((some, name) => some + Number(row[name] ?? 0), 0), 0)
}

interface Ledger {
  difference: number
  violation: string | null
}

/** Waits until the ledger agrees with the answers, which it may do a second later. */
async function compareLedger(bench: Bench, ids: ReadonlySet<string>, from: string, answers: readonly Answer[], fault: Fault): Promise<Ledger> {
  const { answered, uncertain } = countedOf(answers)
  const { killedMs, node } = fault
  const isLost = (one: Answer): boolean => killedMs !== undefined && one.node === node && one.receivedMs > killedMs - LOST_MS && one.sentMs <= killedMs
  const lost = countedOf(answers.filter(isLost)).answered
  // what is late may also be too much
  await delay(SETTLED_MS)
  let difference = answered - await ledgerOf(bench, ids, from)
  for (const startedMs = steadyMs(); difference > lost && steadyMs() - startedMs < LEDGER_MAX_MS;) {
    await delay(250)
    difference = answered - await ledgerOf(bench, ids, from)
  }
  if (difference <= lost && difference >= -uncertain) return { difference, violation: null }
  const known = `${uncertain} questions without an answer, at most ${lost} lost with a killed node`
  return { difference, violation: `ledger: ${answered} answered decisions, ${answered - difference} in the ledger (${known})` }
}

function othersOf(answers: readonly Answer[]): Record<string, number> {
  const others: Record<string, number> = {}
  for (const { status, code } of answers) {
    if (status >= 200 && status < 300) continue
    const name = status === 0 ? code : `${status} ${code}`
    others[name] = (others[name] ?? 0) + 1
  }
  return others
}

const round = (ms: number): number => Math.round(ms * 10) / 10
const ms = (value: number): string => `${round(value)} ms`

async function isWhole({ nodes }: Standing): Promise<string | null> {
  const states = await Promise.all(nodes.map(({ redis }) => redis()))
  return states.every((state) => state === 'ok') ? null : `not recovered: the nodes say of Redis ${states.join(', ')}`
}

/** Who admitted what: for each node, how many before, during and after the fault. */
function sharesOf(admitted: readonly Answer[], nodes: number, { fromMs, toMs }: Fault): string {
  const shares = Array.from({ length: nodes }, () => [0, 0, 0])
  for (const { node, sentMs } of admitted) {
    const share = shares[node]
    const phase = sentMs < fromMs ? 0 : sentMs < toMs ? 1 : 2
    if (share) share[phase] = (share[phase] ?? 0) + 1
  }
  return shares.map((share, node) => `node ${node} ${share.join('+')}`).join(', ')
}

interface Observed {
  begin: Begin
  firstMs: number
  fault: Fault
  answers: readonly Answer[]
  revocations: ReturnType<typeof startRevoker>['revocations']
}

type Judged = Pick<Outcome, 'latestMs' | 'limitViolations' | 'p99Ms' | 'others' | 'violations'>

function judge({ excuses, quick }: Rules, { begin, firstMs, fault, answers, revocations }: Observed): Judged {
  const violations: string[] = []
  const promised = revocations.map((one) => ({ ...one, effectiveWithinMs: Math.min(one.effectiveWithinMs, BOUND_MS) }))
  const late = latenessOf(promised, answers)
  for (const { key, node, lateMs, promisedMs } of late.violations.slice(0, 5)) {
    violations.push(`revocation: node ${node} accepted key ${key} for a request sent ${ms(lateMs)} after the acknowledgement, which promised ${promisedMs} ms`)
  }
  if (late.violations.length > 5) violations.push(`revocation: and ${late.violations.length - 5} more`)
  const unacknowledged = revocations.filter(({ acknowledgedMs }) => acknowledgedMs === null)
  if (unacknowledged.length > 0) violations.push(`revocation: ${unacknowledged.length} were never acknowledged (${unacknowledged[0]?.refusal})`)

  const refused = revocations.filter(({ refusal }) => refusal?.startsWith('4'))
  if (refused.length > 0) violations.push(`revocation: ${refused.length} were refused (${refused[0]?.refusal})`)

  const excess = excessOf(begin.limited, begin.revocable.length, answers)
  for (const { key, algorithm, quota, windowMs, windows, above, fromMs, toMs } of excess) {
    const inside = answers.filter((one) => one.key === key && one.code === 'valid' && one.sentMs >= fromMs && one.receivedMs <= toMs)
    const text = `limit: ${algorithm} ${quota} in ${windowMs} ms: ${round(above)} more than allowed in ${ms(toMs - fromMs)}; ${windows} such stretches, the worst from ${ms(fromMs - fault.fromMs)} after the fault on`
    violations.push(`${text} (before, during and after it: ${sharesOf(inside, begin.origins.length, fault)})`)
  }

  // calendar quotas are set aside in the database, and little in advance
  const isCached = ({ key }: Answer): boolean => (begin.limited[key - begin.revocable.length]?.algorithm ?? 'calendar') !== 'calendar'
  const unexcused = answers.filter((answer) => (answer.status < 200 || answer.status > 299) && !excuses(answer, fault, isCached(answer)))
  if (unexcused.length > 0) {
    const [firstAt, lastAt] = [Math.min, Math.max].map((choose) => ms(choose(...unexcused.map(({ sentMs }) => sentMs)) - fault.fromMs))
    violations.push(`answers: ${unexcused.length} that the fault does not excuse, asked for ${firstAt} to ${lastAt} after its beginning: ${JSON.stringify(othersOf(unexcused))}`)
  }

  const before = percentileOf(latenciesOf(answers, firstMs, fault.fromMs), 0.99)
  const hit = latenciesOf(answers, fault.fromMs, fault.toMs + RECOVERY_MS)
  const whileBroken = percentileOf(hit, 0.99)
  if (quick && whileBroken - before > ADDED_MAX_MS) violations.push(`latency: p99 ${ms(whileBroken)} during the fault, ${ms(before)} before it`)
  const longest = percentileOf(hit, 1)
  if (quick && longest > HANGS_MS) violations.push(`latency: a request took ${ms(longest)}`)
  const [p50 = 0, p99 = 0, max = 0] = [0.5, 0.99, 1].map((part) => round(percentileOf(late.latestMs, part)))
  return {
    latestMs: { p50, p99, max }, limitViolations: excess.reduce((sum, { windows }) => sum + windows, 0), others: othersOf(answers),
    p99Ms: { before: round(before), during: round(whileBroken) }, violations,
  }
}

/** The last moment at which an answer or a node told of the fault; its beginning when none did. */
function lastTrace(answers: readonly Answer[], fault: Fault, badMs: number | null): number {
  const bad = answers.filter(({ status, sentMs }) => (status < 200 || status > 299) && sentMs >= fault.fromMs).map(({ receivedMs }) => receivedMs)
  return Math.max(fault.fromMs, badMs ?? 0, ...bad)
}

/** Runs a scenario and judges it. Throws when it cannot be run. */
export async function runScenario(bench: Bench, scenario: Run): Promise<Outcome> {
  const from = new Date(Math.floor(Date.now() / 60_000) * 60_000).toISOString()
  const headers = bearer(bench.adminToken)
  const revocable = await issueRevocable(bench)
  const limited = await Promise.all(LIMITS.map(async (limit): Promise<IssuedKey & LimitedKey> => (
    { ...await issue(bench, `limited ${limit.quota}`, [limitOf(limit)]), ...limit }
  )))
  const generator = startChild('../faults/generator.js', [], process.env, { ipc: true })
  const begin: Begin = {
    kind: 'begin', origins: bench.nodes.map(({ origin }) => origin), callerKey: bench.callerKey, revocable: revocable.map(({ key }) => key),
    limited: limited.map(({ id: _id, ...one }) => one), ratePerSecond: bench.ratePerSecond,
  }
  generator.process.send(begin)
  await delay(1_000)
  const firstMs = steadyMs()
  const revoker = startRevoker({
    nodes: bench.nodes, headers, ids: revocable.map(({ id }) => id), everyMs: REVOKE_EVERY_MS,
    tell: (message: Revoked) => void generator.process.send(message),
  })
  const writer = startWriter(bench.nodes, headers)
  await delay(WARM_MS)
  const watch = watchNodes(bench.nodes)
  const fault = await scenario.cause(bench)
  await delay(AFTER_MS)
  watch.end()
  await Promise.all([revoker.end(), writer.end()])
  const { answers, skipped } = await ask<Results>(generator, { kind: 'end' })
  await generator.stop()

  const { revocations } = revoker
  const judged = judge(scenario, { begin, firstMs, fault, answers, revocations })
  const ledger = await compareLedger(bench, new Set([...revocable, ...limited].map(({ id }) => id)), from, answers, fault)
  const writes = await lookForWrites(bench.api, headers, { issued: writer.acknowledged, revocations, ids: revocable.map(({ id }) => id) })
  const lost = writes.lost > 0 ? `writes: ${writes.lost} of ${writes.acknowledged} acknowledged ones are not there` : null
  const wellAgainMs = lastTrace(answers, fault, watch.lastBadMs())
  return {
    name: scenario.name, revocations: revocations.length, decisions: countedOf(answers).answered, skipped, ledgerDifference: ledger.difference, writes,
    wellMs: { sinceBegun: Math.round(wellAgainMs - fault.fromMs), sinceMended: Math.round(Math.max(0, wellAgainMs - fault.toMs)) },
    ...judged,
    violations: [...judged.violations, ...[ledger.violation, lost, await isWhole(bench)].filter((violation) => violation !== null)],
  }
}
