// How much memory a credential that is held takes, and how long collections stop the program while as many are read.
import { NODE_FLAGS } from './environment.js'
import { ask, startChild } from './processes.js'
import type { MemoryOrder, MemoryResult } from './protocol.js'
import type { Figure } from './report.js'
import type { Bench, Findings } from './rows.js'

const ENTRIES = 100_000
const GROWTH = [10_000, 100_000, 1_000_000]
const TARGET = 1024

function figureOf(what: string, { entries, bytesEach }: MemoryResult): Figure {
  return { label: `memory of a cached key ${what} (of ${entries.toLocaleString('en')})`, value: bytesEach, unit: 'bytes', digits: 0, target: TARGET }
}

/** In a process for each: what one left would be in the next one's figure. */
async function measureOne({ placement }: Bench, order: MemoryOrder): Promise<MemoryResult> {
  const child = startChild('memory.js', placement.generator, process.env, { ipc: true, nodeFlags: [...NODE_FLAGS, '--expose-gc'] })
  const result = await ask<MemoryResult>(child, order)
  await child.stop()
  if (result.entries !== order.entries) throw new Error(`the cache holds ${result.entries} of ${order.entries} keys`)
  return result
}

export async function measureMemory(bench: Bench): Promise<Findings> {
  const plain = await measureOne(bench, { entries: ENTRIES, withLimit: false })
  const limited = await measureOne(bench, { entries: ENTRIES, withLimit: true })
  return { figures: [figureOf('without limits', plain), figureOf('with one limit', limited)], details: { plain, limited } }
}

export async function measureGrowth(bench: Bench): Promise<Findings> {
  const results: MemoryResult[] = []
  for (const entries of GROWTH) results.push(await measureOne(bench, { entries, withLimit: false }))
  const figures = results.flatMap((result): Figure[] => {
    const { longestPauseMs = 0, allPausesMs = 0, fillMs = 1 } = result
    const keys = `${result.entries.toLocaleString('en')} keys held`
    return [
      { label: `${keys}: memory of each`, value: result.bytesEach, unit: 'bytes', digits: 0, target: TARGET },
      { label: `${keys}: longest collection while they were read`, value: longestPauseMs, unit: 'ms', digits: 1, target: null },
      { label: `${keys}: collections, of the time that reading them took`, value: 100 * allPausesMs / fillMs, unit: '%', digits: 0, target: null },
    ]
  })
  return { figures, details: { results } }
}
