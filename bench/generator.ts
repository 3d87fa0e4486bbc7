// The load generator: a process of its own, so that neither server's core pays for it. Runs autocannon for each load it is
// sent. Latencies are taken from autocannon's events in microseconds, for its own histogram counts whole milliseconds.
import { createHistogram, performance } from 'node:perf_hooks'
import autocannon from 'autocannon'
import { LENGTH_SLACK, type Load, type LoadResult } from './protocol.js'
import { type Spin, startSpin } from './spin.js'

const SAMPLE_MS = 50
const SILENCE_MS = 500

/** Is this the body that every answer has? */
function isRight(text: string, { length, slack = LENGTH_SLACK, markers, times }: Load): boolean {
  if (Math.abs(text.length - length) > slack || !markers.every((marker) => text.includes(marker))) return false
  return times === undefined || text.split(markers[0] ?? '').length - 1 === times
}

function faultsOf(result: autocannon.Result, wrongBody: string | null, silentMs: number, longestMs: number): string[] {
  return [
    // whoever is waiting when the time is up is in no figure: a server that hangs must not look like one that is quick
    ...(silentMs > SILENCE_MS + 2 * longestMs ? [`no answer in the last ${Math.round(silentMs)} ms`] : []),
    ...(result['2xx'] === 0 ? ['no answer of 2xx'] : []),
    ...(result.non2xx > 0 ? [`${result.non2xx} answers other than 2xx`] : []),
    ...(result.errors > 0 ? [`${result.errors} errors, ${result.timeouts} of them timeouts`] : []),
    ...(wrongBody === null ? [] : [`wrong body: ${wrongBody.slice(0, 300)}`]),
  ]
}

async function run(load: Load, spin: Spin): Promise<LoadResult> {
  const latencies = createHistogram()
  let wrongBody: string | null = null
  let requests = 0
  let clients = 0
  const { headerValues = [] } = load
  const startedMs = performance.now()
  let lastMs = startedMs
  const result = await new Promise<autocannon.Result>((resolve, reject) => {
    const instance = autocannon({
      url: load.url,
      method: load.method,
      headers: load.headers,
      connections: load.connections,
      duration: load.seconds,
      sampleInt: SAMPLE_MS,
      setupClient(client) {
        if (load.bodies.length > 0) client.setBody(load.bodies[clients % load.bodies.length])
        clients += 1
        // a part of a long answer is work, too
        client.on('body', spin.worked)
        if (headerValues.length === 0) return
        // names and values in turn, whatever autocannon's types say
        client.on('headers', (head: unknown) => {
          const { headers } = head as { headers: readonly string[] }
          if (!headerValues.every((value) => headers.includes(value))) wrongBody ??= `headers: ${headers.join(' ')}`
        })
      },
      verifyBody(body) {
        const text = String(body)
        const right = isRight(text, load)
        if (!right) wrongBody ??= text
        return right
      },
    }, (error: Error | null, finished) => {
      if (error) reject(error)
      else resolve(finished)
    })
    instance.on('response', (_client, _status, _bytes, elapsedMs) => {
      requests += 1
      spin.worked()
      lastMs = performance.now()
      latencies.record(Math.max(1, Math.round(elapsedMs * 1000)))
    })
  })
  return {
    requests,
    // up to the last answer: of slow ones, the unfinished few would weigh too much
    requestsPerSecond: requests === 0 ? 0 : requests / (lastMs - startedMs) * 1000,
    p50Ms: latencies.percentile(50) / 1000,
    p99Ms: latencies.percentile(99) / 1000,
    generatorBusy: spin.stop(),
    faults: faultsOf(result, wrongBody, performance.now() - lastMs, latencies.max / 1000),
  }
}

function failed(error: unknown): LoadResult {
  return { requests: 0, requestsPerSecond: 0, p50Ms: 0, p99Ms: 0, generatorBusy: 0, faults: [String(error)] }
}

async function answer(load: Load): Promise<void> {
  const spin = startSpin()
  try {
    process.send?.(await run(load, spin).catch(failed))
  } finally {
    spin.stop()
  }
}

process.on('message', (load: Load) => void answer(load))
process.on('disconnect', () => process.exit(0))
