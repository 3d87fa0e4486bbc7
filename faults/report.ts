// The outcome as a markdown table, for people and for docs/reliability.md alike.
import { availableParallelism, cpus } from 'node:os'
import type { Outcome } from './run-scenario.js'

const HEAD = [
  'scenario', 'revocations', 'decisions', 'latest acceptance after the acknowledgement, ms: p50 / p99 / max', 'limit violations', 'ledger difference',
  'acknowledged writes / lost', 'well again, ms after the beginning / the end of the fault', 'answers other than 2xx', 'p99 before / during, ms', 'verdict',
]

const whole = (value: number): string => value.toLocaleString('en')

function othersText(others: Outcome['others']): string {
  const texts = Object.entries(others).map(([name, count]) => `${whole(count)} x ${name}`)
  return texts.length === 0 ? '0' : texts.join(', ')
}

function line(cells: readonly string[]): string {
  return `| ${cells.join(' | ')} |`
}

/** One row of the table. */
export function rowOf({ name, revocations, decisions, latestMs, limitViolations, ledgerDifference, writes, wellMs, others, p99Ms, violations }: Outcome): string {
  return line([
    name, whole(revocations), whole(decisions), `${latestMs.p50} / ${latestMs.p99} / ${latestMs.max}`, whole(limitViolations), whole(ledgerDifference),
    `${writes.acknowledged} / ${writes.lost}`, `${whole(wellMs.sinceBegun)} / ${whole(wellMs.sinceMended)}`, othersText(others),
    `${p99Ms.before} / ${p99Ms.during}`, violations.length === 0 ? 'held' : '**violated**',
  ])
}

export function tableOf(outcomes: readonly Outcome[]): string {
  return [line(HEAD), line(HEAD.map(() => '---')), ...outcomes.map(rowOf)].join('\n')
}

/** What it ran on, in one line. */
export function machineText(database: string): string {
  const cores = `${availableParallelism()} cores (${cpus()[0]?.model ?? 'unknown'}) for everything`
  return `Node ${process.versions.node}, ${cores}, ${database}, ${new Date().toISOString().slice(0, 10)}`
}
