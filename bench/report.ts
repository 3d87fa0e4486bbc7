// What a run says at its end: the facts of the machine, one table (Markdown, to be pasted), and the same as JSON.
import { cpus, loadavg, release, totalmem, type } from 'node:os'
import type { Figures, Measured } from './measure.js'

// beside the label and the rate
const TABLE_CELLS = 10
// above it, a server waits for requests rather than the generator for answers
const GENERATOR_LIMIT = 0.97

export interface Machine {
  node: string
  cpu: string
  cores: number
  memoryGb: number
  system: string
  /** one-minute average before the run */
  loadBefore: number
  placement: string
  database: string
  redis: string
}

export interface Row {
  name: string
  label: string
  /** null when it failed */
  measured: Measured | null
  failure: string | null
  /** the ratio that is wanted at least */
  target?: number | undefined
}

/** One number by itself, and what it is to be. */
export interface Figure {
  label: string
  value: number
  unit: string
  digits: number
  /** at most, or with `isLeast` at least; null where nothing is wanted of it */
  target: number | null
  isLeast?: boolean
}

export interface Heads {
  first: string
  ours: string
  other: string
}

export function describeMachine(placement: string, database: string, redis: string): Machine {
  const all = cpus()
  return {
    node: process.version, cpu: all[0]?.model.trim() ?? 'unknown', cores: all.length, memoryGb: Math.round(totalmem() / 2 ** 30), system: `${type()} ${release()}`,
    loadBefore: Math.round((loadavg()[0] ?? 0) * 100) / 100, placement, database, redis,
  }
}

function rate(value: number): string {
  return value >= 100 ? Math.round(value).toLocaleString('en') : value.toFixed(1)
}

function isGeneratorBound({ generatorBusy }: Figures): boolean {
  return generatorBusy > GENERATOR_LIMIT
}

function cells(figures: Figures): string[] {
  const { requestsPerSecond, p50Ms, p99Ms, coreUs } = figures
  return [`${isGeneratorBound(figures) ? '>= ' : ''}${rate(requestsPerSecond)}`, p50Ms.toFixed(2), p99Ms.toFixed(2), coreUs?.toFixed(1) ?? '']
}

/** Null where nothing is wanted, or nothing was measured. */
export function isRowMet({ measured, target }: Row): boolean | null {
  return target === undefined || !measured ? null : measured.ratio >= target
}

export function isFigureMet({ value, target, isLeast = false }: Figure): boolean | null {
  if (target === null) return null
  return isLeast ? value >= target : value <= target
}

function verdictText(isMet: boolean | null, target: string): string {
  return isMet === null ? '' : `${target} ${isMet ? 'met' : 'NOT MET'}`
}

function rowCells(row: Row): string[] {
  const { label, measured } = row
  if (!measured) return [label, 'FAILED', ...Array.from({ length: TABLE_CELLS }, () => '')]
  const ratio = `${isGeneratorBound(measured.bare) ? '<= ' : ''}${measured.ratio.toFixed(3)}`
  return [label, ...cells(measured.gatehouse), ...cells(measured.bare), ratio, measured.coreRatio?.toFixed(3) ?? '', verdictText(isRowMet(row), `>= ${row.target}`)]
}

/** Markdown with its columns aligned; the first line is the head, the first column is text. */
function draw(lines: readonly string[][]): string {
  const [head = []] = lines
  const widths = head.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)))
  const write = (line: string[]): string => `| ${line.map((cell, column) => (column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0))).join(' | ')} |`
  const rule = `|${widths.map((width, column) => (column === 0 ? '-'.repeat(width + 2) : `${'-'.repeat(width + 1)}:`)).join('|')}|`
  return [write(head), rule, ...lines.slice(1).map(write)].join('\n')
}

export const SCENARIO_HEADS: Heads = { first: 'scenario', ours: 'Gatehouse req/s', other: 'bare Fastify req/s' }
export const COMPARED_HEADS: Heads = { first: 'one : the other', ours: 'one /s', other: 'other /s' }

/** One server beside another; `core us` is the time of a core per request, `by core` the ratio of it. A column that nothing is in is left out. `>=` before a rate: the generator was the limit, the server could do more. */
export function tableOf(rows: readonly Row[], { first, ours, other }: Heads = SCENARIO_HEADS): string {
  const [head, ...body] = [[first, ours, 'p50 ms', 'p99 ms', 'core us', other, 'p50 ms', 'p99 ms', 'core us', 'ratio', 'by core', 'target'], ...rows.map(rowCells)]
  const isFilled = (_: string, column: number): boolean => body.some((line) => line[column] !== '')
  return draw([head ?? [], ...body].map((line) => line.filter(isFilled)))
}

/** Numbers that stand by themselves. */
export function figuresTable(figures: readonly Figure[]): string {
  return draw([
    ['measured', 'value', 'target'],
    ...figures.map((figure) => {
      const { label, value, unit, digits, target, isLeast = false } = figure
      return [label, `${value.toFixed(digits)} ${unit}`, verdictText(isFigureMet(figure), `${isLeast ? '>=' : '<='} ${target} ${unit}`)]
    }),
  ])
}

/** Three lines for people. A machine that is busy already is named as such: its figures are low and uneven. */
export function factsOf(machine: Machine): string {
  const busy = machine.loadBefore > machine.cores / 2 ? ' (BUSY: these figures are no measurement)' : ''
  return [
    `machine:   ${machine.cpu}, ${machine.cores} cores, ${machine.memoryGb} GB, ${machine.system}, node ${machine.node}, load before ${machine.loadBefore}${busy}`,
    `placement: ${machine.placement}`,
    `stores:    ${machine.database}; ${machine.redis}`,
  ].join('\n')
}
