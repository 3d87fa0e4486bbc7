// Loaded into each Node that a test starts (test-lane.mjs): writes down what of the program has run, when it ends, where tap's report finds it.
// tap has a way of its own, by module hooks in a second thread and a list of all that was loaded, which makes a start two and a half times as dear.
import { randomUUID } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { Session } from 'node:inspector'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'

const ROOT = resolve(import.meta.dirname, '..')
const FOLDER = join(ROOT, '.tap', 'coverage')
const PROGRAM = pathToFileURL(join(ROOT, 'dist/')).href

const session = new Session()
session.connect()
session.post('Profiler.enable')
session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true })

// the answer comes within the call: nothing else would, for the process is ending
process.on('exit', () => {
  session.post('Profiler.takePreciseCoverage', (error, coverage) => {
    const result = error ? [] : coverage.result.filter(({ url }) => url.startsWith(PROGRAM))
    if (result.length === 0) return
    mkdirSync(FOLDER, { recursive: true })
    writeFileSync(join(FOLDER, `child-${randomUUID()}.json`), JSON.stringify({ result }))
  })
})
