// How much memory a credential that is held takes.
import { ask, startChild } from './processes.js'
import type { MemoryOrder, MemoryResult } from './protocol.js'
import type { Figure } from './report.js'
import type { Bench, Findings } from './rows.js'

const ENTRIES = 100_000
const TARGET = 1024

function figureOf(what: string, { bytesEach }: MemoryResult): Figure {
  return { label: `memory of a cached key ${what} (of ${ENTRIES.toLocaleString('en')})`, value: bytesEach, unit: 'bytes', digits: 0, target: TARGET }
}

export async function measureMemory({ placement }: Bench): Promise<Findings> {
  const measureOne = async (withLimit: boolean): Promise<MemoryResult> => {
    // a process for each: what the first one left would be in the second one's figure
    const child = startChild('memory.js', placement.generator, process.env, { ipc: true, nodeFlags: ['--expose-gc'] })
    const result = await ask<MemoryResult>(child, { entries: ENTRIES, withLimit } satisfies MemoryOrder)
    await child.stop()
    if (result.entries !== ENTRIES) throw new Error(`the cache holds ${result.entries} of ${ENTRIES} keys`)
    return result
  }
  const plain = await measureOne(false)
  const limited = await measureOne(true)
  return { figures: [figureOf('without limits', plain), figureOf('with one limit', limited)], details: { plain, limited } }
}
