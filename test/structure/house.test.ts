// The laws of the house, folder by folder: what lies on what, by which door, and where time and numbers are kept. A failure says what to do.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import ts from 'typescript'
import t from 'tap'
import { crossingsOf, floorsOf, folderOf, FOUNDATIONS, pictureOf } from '../support/house.js'
import { nodesWhere, none, ROOT, type Source, sourcesBelow } from '../support/sources.js'

const sources = sourcesBelow('src')
const all = [...sources, ...sourcesBelow('plugins', 'routes')]
const folders = [...new Set(sources.flatMap(({ path }) => folderOf(path) ?? []))]

// features that have no door because nobody else needs one
const WITHOUT_DOOR = new Set(['admin'])

/** Imports of a feature from elsewhere, past its index.ts. */
function pastTheDoor({ path, imports }: Pick<Source, 'path' | 'imports'>): string[] {
  return imports.flatMap(({ file }) => {
    const folder = file === null ? null : folderOf(file)
    if (folder === null || folder === folderOf(path) || FOUNDATIONS.has(folder) || file === `src/${folder}/index.ts`) return []
    return [`${path} imports ${file}: other features are known by src/${folder}/index.ts alone; let it export what is needed`]
  })
}

t.test('no folder of src lies in a circle, type-only imports included', async (t) => {
  const crossings = crossingsOf(sources)
  const { circular } = floorsOf(folders, crossings)
  none(t, crossings.filter(({ from, to }) => circular.includes(from) && circular.includes(to)).map(({ from, to, example }) => `${from} -> ${to} (${example}): move what both need into a folder below`), 'no circle')
  const around = [{ from: 'a', to: 'b', example: '' }, { from: 'b', to: 'a', example: '' }, { from: 'c', to: 'a', example: '' }]
  t.same(floorsOf(['a', 'b', 'c', 'd'], around), { floors: [['d']], circular: ['a', 'b', 'c'] }, 'a circle would be seen')
})

t.test('a feature is known by its index.ts', async (t) => {
  none(t, all.flatMap(pastTheDoor), 'no import past a door')
  none(t, folders.filter((folder) => !FOUNDATIONS.has(folder) && !WITHOUT_DOOR.has(folder) && !sources.some(({ path }) => path === `src/${folder}/index.ts`)).map((folder) => `src/${folder} has no index.ts`), 'each has one')
  const file = 'src/keys/key-store.ts'
  t.equal(pastTheDoor({ path: 'src/gate/gate-service.ts', imports: [{ specifier: '', file, typeOnly: true, names: [] }] }).length, 1, 'one would be seen')
})

t.test('foundations know no feature', async (t) => {
  none(t, crossingsOf(sources).filter(({ from, to }) => FOUNDATIONS.has(from) && !FOUNDATIONS.has(to)).map(({ example }) => `${example}: a foundation speaks of no feature`), 'none')
})

const calls = (...names: string[]) => (node: ts.Node): boolean => ts.isCallExpression(node) && ts.isIdentifier(node.expression) && names.includes(node.expression.text)

t.test('time and numbers are kept in one place each', async (t) => {
  const timed = all.filter(({ path }) => path !== 'src/kernel/timers.ts' && path !== 'src/node.ts')
  none(t, timed.flatMap((source) => nodesWhere(source, calls('setInterval', 'setTimeout'))).map((at) => `${at}: what repeats is a job of its feature (src/jobs); what waits takes its timer from src/kernel/timers.ts`), 'no timer elsewhere')
  const counting = all.filter(({ path, imports }) => path !== 'src/telemetry/index.ts' && imports.some(({ specifier }) => specifier === 'prom-client'))
  none(t, counting.map(({ path }) => `${path} imports prom-client: a metric is a name and how to read it (src/telemetry)`), 'no metric elsewhere')
})

t.test('docs/architecture.md shows the house as it is', async (t) => {
  const page = readFileSync(join(ROOT, 'docs/architecture.md'), 'utf8')
  t.ok(page.includes(pictureOf(sources)), 'the floors: npm run architecture:picture')
})
