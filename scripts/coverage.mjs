// Coverage of the whole program: tap knows only of files that some test loaded, so a file nobody imports would not count.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join, relative, resolve } from 'node:path'
import ts from 'typescript'

const ROOT = resolve(import.meta.dirname, '..')
const REPORT = join(ROOT, '.tap/report/coverage-final.json')
const MINIMUM = 95

function sourcesBelow(folder) {
  if (!existsSync(join(ROOT, folder))) return []
  return readdirSync(join(ROOT, folder), { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((file) => !relative(ROOT, file).startsWith('src/database/generated/'))
}

/** Does anything of the file exist at run time? One of types only is never loaded. */
function hasCode(file) {
  const { outputText } = ts.transpileModule(readFileSync(file, 'utf8'), {
    compilerOptions: { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022, verbatimModuleSyntax: true, removeComments: true },
  })
  return outputText.replace(/export\s*\{\s*\};?/, '').trim() !== ''
}

/** Lines of a file in the report, covered when a statement that begins on them ran (istanbul's own measure). */
function linesOf({ statementMap, s }) {
  const lines = new Map()
  for (const [id, { start }] of Object.entries(statementMap)) lines.set(start.line, Math.max(lines.get(start.line) ?? 0, s[id] ?? 0))
  return { total: lines.size, covered: [...lines.values()].filter((count) => count > 0).length }
}

/** What is wrong with the coverage of the run that just ended, or null. Prints the total of src, plugins and routes. */
export async function coverageComplaint() {
  if (!existsSync(REPORT)) return 'no coverage was recorded'
  const report = JSON.parse(readFileSync(REPORT, 'utf8'))
  let total = 0
  let covered = 0
  for (const file of ['src', 'plugins', 'routes'].flatMap(sourcesBelow)) {
    const entry = report[file]
    if (!entry && !hasCode(file)) continue
    const lines = entry ? linesOf(entry) : { total: readFileSync(file, 'utf8').split('\n').length, covered: 0 }
    if (!entry) console.log(`# loaded by no test: ${relative(ROOT, file)}`)
    total += lines.total
    covered += lines.covered
  }
  const percent = total === 0 ? 0 : Math.floor((covered / total) * 10_000) / 100
  console.log(`# lines covered in src, plugins and routes: ${percent} % of ${total}`)
  return percent < MINIMUM ? `coverage is below ${MINIMUM} % of lines` : null
}
