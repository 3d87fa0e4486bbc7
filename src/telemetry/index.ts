// What the program counts and shows to Prometheus: the only place that knows how. A feature names a number and how to read it; it is
// read when somebody asks, so that counting costs a decision nothing.
import { AggregatorRegistry, collectDefaultMetrics, Counter, Gauge, type Histogram, Registry } from 'prom-client'
import { isWorker } from '../workers/messages.js'
import { createNumbersOfAll } from '../workers/numbers.js'

type Labels = Record<string, string>
type Values = number | Iterable<readonly [Labels, number]>

export interface Metric {
  /** `gatehouse_...`, a counter's ends in `_total` */
  name: string
  /** one sentence for whoever reads /metrics */
  help: string
  /** a counter only grows while the process runs */
  type: 'counter' | 'gauge'
  /** of every value; their texts must be bounded in number: routes, never URLs or ids */
  labels?: readonly string[]
  read: () => Values
  /** what the number of a node is that has several workers: the sum of theirs, unless stated */
  together?: 'sum' | 'min' | 'max'
}

export interface Telemetry {
  add: (metric: Metric) => void
  /** A histogram that is counted elsewhere: prom-client's own makes label texts at every observation. */
  addHistogram: (name: string, help: string, values: () => object[]) => void
  /** All of it in Prometheus' text format; of a node with several workers, theirs together. */
  text: () => Promise<string>
  contentType: string
}

const pairs = (values: Values): Iterable<readonly [Labels, number]> => (typeof values === 'number' ? [[{}, values]] : values)

/** Memory, event loop and collections are the process's, whatever runs in it: what watches them is never taken down again. */
let watched: Registry | null = null

function ofProcess(): Registry {
  if (watched) return watched
  watched = new Registry()
  collectDefaultMetrics({ register: watched })
  return watched
}

export function createTelemetry(): Telemetry {
  const processes = ofProcess()
  const registry = new Registry()
  const numbersOfAll = isWorker() ? createNumbersOfAll(async () => [...await processes.getMetricsAsJSON(), ...await registry.getMetricsAsJSON()]) : null
  return {
    add({ name, help, type, labels = [], read, together = 'sum' }) {
      const options = { name, help, labelNames: labels, registers: [], aggregator: together }
      registry.registerMetric(type === 'counter'
        ? new Counter({ ...options, collect() {
            this.reset()
            for (const [of, value] of pairs(read())) this.inc(of, value)
          } })
        : new Gauge({ ...options, collect() {
            for (const [of, value] of pairs(read())) this.set(of, value)
          } }))
    },
    addHistogram(name, help, values) {
      const facts = { name, help, type: 'histogram', aggregator: 'sum' }
      registry.registerMetric({ ...facts, get: async () => ({ ...facts, values: values() }) } as unknown as Histogram)
    },
    async text() {
      if (numbersOfAll === null) return `${await processes.metrics()}\n${await registry.metrics()}`
      return AggregatorRegistry.aggregate(await numbersOfAll()).metrics()
    },
    contentType: registry.contentType,
  }
}
