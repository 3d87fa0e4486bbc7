// All runs in their order: scenarios on the plain stage, on systems of several servers, and again on nodes of two workers.
import { PART_SCENARIOS, WORKER_KILLED } from './part-scenarios.js'
import type { Part } from './part.js'
import { type Fault, type Rules, type Scenario, SCENARIOS, type World } from './scenarios.js'
import type { StageName, Stores } from './stages.js'
import type { GatehouseNode } from './nodes.js'

/** A stage that stands, with its nodes. */
export interface Standing {
  nodes: GatehouseNode[]
  stores: Stores
}

export interface Run extends Rules {
  stage: StageName
  needs?: Scenario['needs']
  cause: (standing: Standing) => Promise<Fault>
}

function worldOf({ nodes, stores }: Standing): World {
  if (!stores.world) throw new Error('this stage has no plain stores')
  return { nodes, ...stores.world }
}

function partOf({ stores }: Standing): Part {
  if (!stores.part) throw new Error('this stage has no part to lose')
  return stores.part
}

const plain = SCENARIOS.map((scenario): Run => ({ ...scenario, stage: 'plain', cause: (standing) => scenario.cause(worldOf(standing)) }))

export const RUNS: readonly Run[] = [
  ...plain,
  ...PART_SCENARIOS.map((scenario): Run => ({ ...scenario, cause: (standing) => scenario.cause(partOf(standing)) })),
  ...plain.map((run): Run => ({ ...run, name: `workers-${run.name}`, stage: 'workers', does: `${run.does}; nodes of two workers` })),
  { ...WORKER_KILLED, stage: 'workers', cause: ({ nodes }) => WORKER_KILLED.cause(nodes) },
]
