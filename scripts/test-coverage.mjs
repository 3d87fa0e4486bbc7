// Loaded into each lane of a test run and each Node that a test starts, where coverage is counted: writes down what of the program has run, when it ends,
// where tap's report finds it. tap has a way of its own, by module hooks in a second thread and a list of all that was loaded, which makes a start two and a
// half times as dear.
import { randomUUID } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { Session } from 'node:inspector'
import { join, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { keptAt } from './test-lane-hooks.mjs'

const ROOT = resolve(import.meta.dirname, '..')
const FOLDER = join(ROOT, '.tap', 'coverage')
// what a lane has transpiled, and what was built
const OURS = ['src/', 'plugins/', 'routes/', 'dist/src/', 'dist/plugins/', 'dist/routes/'].map((folder) => pathToFileURL(join(ROOT, folder)).href)
const MAP = /^\/\/# sourceMappingURL=data:application\/json;base64,(.*)$/m

const session = new Session()
session.connect()
session.post('Profiler.enable')
session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true })

/** As tap's report wants it for what was transpiled while it was loaded; a built file names its own map. */
function sourceMapOf(url) {
  const kept = keptAt(fileURLToPath(url))
  if (!url.endsWith('.ts') || !existsSync(kept)) return null
  const text = readFileSync(kept, 'utf8')
  const data = JSON.parse(Buffer.from(MAP.exec(text)[1], 'base64').toString())
  return { lineLengths: text.split('\n').map(({ length }) => length), data: { ...data, sources: [fileURLToPath(url)] } }
}

// the answer comes within the call: nothing else would, for the process is ending
process.on('exit', () => {
  session.post('Profiler.takePreciseCoverage', (error, coverage) => {
    const result = error ? [] : coverage.result.filter(({ url }) => OURS.some((folder) => url.startsWith(folder)) && !url.includes('?'))
    if (result.length === 0) return
    const maps = result.map(({ url }) => [url, sourceMapOf(url)]).filter(([, map]) => map !== null)
    mkdirSync(FOLDER, { recursive: true })
    writeFileSync(join(FOLDER, `${randomUUID()}.json`), JSON.stringify({ result, 'source-map-cache': Object.fromEntries(maps) }))
  })
})
