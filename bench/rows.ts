// The rows beside the scenarios: what is measured in ways of its own. Each says what it lacks rather than making up a figure.
import type { Config } from '../src/config.js'
import type { BenchOptions } from './options.js'
import type { Child, Placement } from './processes.js'
import type { Figure, Row } from './report.js'
import type { World } from './world.js'

/** What is running, and how it is to be measured. */
export interface Bench {
  world: World
  config: Config
  options: BenchOptions
  placement: Placement
  generator: Child
  /** of the measured server */
  serverPid: number | undefined
  /** a Redis that answers */
  redisUrl: string | null
}

export interface Findings {
  /** beside something else, in one run */
  compared?: Omit<Row, 'name' | 'failure'>[]
  figures?: Figure[]
  /** for the JSON alone */
  details?: object
  /** why nothing was measured */
  skipped?: string
}

export interface Extra {
  name: string
  /** the keys of seed-keys.ts must be there */
  needsKeys?: boolean
  /** Throws when an answer is wrong. */
  measure: (bench: Bench) => Promise<Findings>
}
