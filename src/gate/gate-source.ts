// The rules as this node knows them: one compiled table, held like any credential is (docs/decision-engine.md). A change of a
// rule is a revocation tagged `gate:rules`, so no node decides by the old rules later than the lease after its commit, whatever
// messages are lost. When PostgreSQL does not answer, requests fail and none is let through.
import type { Reading, Revocations } from '../revocation/index.js'
import { problem } from '../kernel/errors.js'
import type { GateRuleSnapshot } from './gate-rule-store.js'
import { compileGateTable, type GateTable } from './gate-rules.js'
import { withDeadline } from '../kernel/timers.js'

export interface RuleSource {
  /** The table, or null when it must be loaded first. Synchronous. */
  current: () => GateTable | null
  /** A table that is proof by itself: read for all who wait, less than a lease ago. Throws what the database throws, and database.unavailable. */
  load: () => Promise<GateTable>
}

export interface RuleSourceDeps {
  store: { snapshot: () => Promise<GateRuleSnapshot> }
  revocations: Pick<Revocations, 'now' | 'epoch' | 'isLeased' | 'isCurrent' | 'isOutdated' | 'isFresh'>
  /** rejects after `ms`; tests pass their own time */
  deadline?: <T>(work: Promise<T>, ms: number) => Promise<T>
}

/** What the trigger on gate_rules writes to the log. */
export const GATE_TAG = 'gate:rules'

const IDS = [GATE_TAG.slice(GATE_TAG.indexOf(':') + 1)]
const ATTEMPTS = 3
const DEADLINE_MS = 2_000

interface HeldTable extends Reading {
  table: GateTable
  epoch: number
}

export function createRuleSource({ store, revocations, deadline = withDeadline }: RuleSourceDeps): RuleSource {
  let held: HeldTable | null = null
  let reading: Promise<GateTable> | null = null

  async function read(): Promise<GateTable> {
    let wasOutdated = false
    for (let attempt = 1; attempt <= ATTEMPTS; attempt += 1) {
      const { steadyMs, wallMs } = revocations.now()
      const epoch = revocations.epoch()
      const { asOf, rules } = await store.snapshot()
      const found: HeldTable = { table: compileGateTable(rules), epoch, ids: IDS, asOf, steadyMs, wallMs, checkedVersion: -1 }
      if (!revocations.isFresh(found)) continue
      const isOutdated = revocations.epoch() !== epoch || revocations.isOutdated(found)
      if (isOutdated && !wasOutdated) {
        wasOutdated = true
        continue
      }
      // asked after the change was known and still older than it: proof for now, as any fresh reading, but not to be kept
      if (!isOutdated) held = found
      return found.table
    }
    throw problem('database.unavailable', { retryAfterSeconds: 1 })
  }

  return {
    current() {
      if (held === null) return null
      const at = revocations.now()
      if (!revocations.isLeased(at)) return null
      if (held.epoch === revocations.epoch() && revocations.isCurrent(held, at)) return held.table
      held = null
      return null
    },
    load() {
      reading ??= read().finally(() => { reading = null })
      return deadline(reading, DEADLINE_MS)
    },
  }
}
