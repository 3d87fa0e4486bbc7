// Counts of answered requests by method, route and status, and how long they took. One array element is raised a request;
// label texts are made when Prometheus asks.
const BUCKETS_MS = [0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000]

/** One method of one route. */
export interface RouteCounts {
  method: string
  route: string
  /** status -> answers */
  statuses: Map<number, number>
  /** answers by upper bound of BUCKETS_MS, the last for all above; not cumulative */
  buckets: Float64Array
  sumMs: number
}

export interface HistogramValue {
  metricName: string
  labels: Record<string, string | number>
  value: number
}

export function createRouteCounts(method: string, route: string): RouteCounts {
  return { method, route, statuses: new Map(), buckets: new Float64Array(BUCKETS_MS.length + 1), sumMs: 0 }
}

export function countAnswer(counts: RouteCounts, status: number, elapsedMs: number): void {
  counts.statuses.set(status, (counts.statuses.get(status) ?? 0) + 1)
  let at = 0
  while (at < BUCKETS_MS.length && elapsedMs > (BUCKETS_MS[at] ?? 0)) at += 1
  counts.buckets[at] = (counts.buckets[at] ?? 0) + 1
  counts.sumMs += elapsedMs
}

/** A Prometheus histogram of seconds: cumulative buckets, sum and count. */
export function histogramValues(name: string, { method, route, buckets, sumMs }: RouteCounts): HistogramValue[] {
  const labels = { method, route }
  const values: HistogramValue[] = []
  let sum = 0
  for (const [at, count] of buckets.entries()) {
    sum += count
    const boundMs = BUCKETS_MS[at]
    values.push({ metricName: `${name}_bucket`, labels: { le: boundMs === undefined ? '+Inf' : boundMs / 1000, ...labels }, value: sum })
  }
  return [...values, { metricName: `${name}_sum`, labels, value: sumMs / 1000 }, { metricName: `${name}_count`, labels, value: sum }]
}
